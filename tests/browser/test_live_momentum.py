"""Chapter 4's interactive figures: their arithmetic is the reference's, and they can be worked."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import momentum_experiments as lab
from solutions.momentum import momentum_step, nesterov_step

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/momentum.html"
TOLERANCE = 1e-9


RAVINE, ROOTS = "beta and lr on a ravine", "the two roots"


def open_figure(
    page: Page, site: Site, until: Literal["domcontentloaded", "load"], name: str = RAVINE
) -> Locator:
    """A figure, awake. Its place on the screen is settled only after the formulas are: "load"."""
    page.goto(f"{site.url}/{PAGE}", wait_until=until)
    box = page.get_by_role("group", name=f"Interactive figure: {name}")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


def state(box: Locator) -> str:
    return box.locator("[aria-live]").inner_text()


def test_each_step_is_the_references(page: Page, site: Site) -> None:
    """A thousand random steps of each, mid run, to 1e-9 a step."""
    open_figure(page, site, "domcontentloaded")
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(1000):
        theta, velocity, grad, curvatures = rng.normal(size=(4, 3)).round(6)
        lr, beta = float(rng.uniform(0.01, 20)), float(rng.uniform(0, 0.99))
        rows.append([a.tolist() for a in (theta, velocity, grad, curvatures)] + [lr, beta])
    answers = page.evaluate(
        """(rows) => rows.map(([theta, velocity, grad, curvatures, lr, beta]) => [
          course.momentum.step(theta, velocity, grad, lr, beta),
          course.momentum.nesterov(theta, velocity, course.momentum.bowl(curvatures), lr, beta),
        ])""",
        rows,
    )
    for row, (step, nesterov) in zip(rows, answers, strict=True):
        theta, velocity, grad, curvatures = map(np.array, row[:4])
        lr, beta = row[4:]
        want = momentum_step(theta, velocity, grad, lr, beta)
        np.testing.assert_allclose(step, want, atol=TOLERANCE, rtol=TOLERANCE)
        want = nesterov_step(theta, velocity, lambda p, c=curvatures: c * p, lr, beta)
        np.testing.assert_allclose(nesterov, want, atol=TOLERANCE, rtol=TOLERANCE)


def test_walks_and_rates_are_the_experiments(page: Page, site: Site) -> None:
    open_figure(page, site, "domcontentloaded")
    rng = np.random.default_rng(4)
    for method in lab.METHODS * 5:
        k, lr, beta = rng.uniform(2, 500), rng.uniform(0.05, 3), rng.uniform(0, 0.95)
        curvatures, start = lab.curvatures(k), np.array(lab.LIVE_START)
        want, _ = lab.walk(method, lab.ravine_gradient(k), start, lr, beta, 120)
        walk, losses, theory, measured, best = page.evaluate(
            """([method, k, lr, beta, start]) => {
              const m = course.momentum;
              const c = [1 / k, 1];
              const points = m.walk(method, c, start, lr, beta, 120);
              return [points, points.map((p) => m.loss(c, p)), m.theory(method, c, lr, beta),
                      m.measure(method, c, lr, beta, 300, 300), m.best(method, k)];
            }""",
            [method, k, lr, beta, start.tolist()],
        )
        np.testing.assert_allclose(np.array(walk, float), want, atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(
            np.array(losses, float), lab.ravine_losses(want, k), atol=TOLERANCE, rtol=TOLERANCE
        )
        promised = lab.theoretical_rate(method, lr, beta, curvatures)
        assert theory == pytest.approx(promised, abs=TOLERANCE)
        rate = lab.measured_rate(method, curvatures, lr, beta, 300, 300)
        assert measured == pytest.approx(rate, abs=TOLERANCE)
        assert best == pytest.approx(lab.best(method, k), rel=TOLERANCE)


def rates(box: Locator) -> tuple[float, float]:
    """The measured rate and the one by theory, as they are said."""
    found = re.search(r"rate ([\d.]+) measured, ([\d.]+) by theory", state(box))
    assert found, state(box)
    return float(found[1]), float(found[2])


def test_it_opens_where_momentum_arrives_and_plain_descent_does_not(page: Page, site: Site) -> None:
    box = open_figure(page, site, "domcontentloaded")
    words = state(box)
    assert words.startswith("Momentum, k = 100, lr = 10, beta = 0.9")
    found = re.search(r"the loss is ([\d.]+); plain descent at its best has ([\d.]+)", words)
    assert found, words
    grad, start = lab.ravine_gradient(100), np.array(lab.LIVE_START)
    for said, method, setting in (
        (found[1], "momentum", (10.0, 0.9)),
        (found[2].rstrip("."), "plain", lab.best("plain", 100)),
    ):
        points, _ = lab.walk(method, grad, start, *setting, lab.LIVE_STEPS)
        assert float(said) == pytest.approx(lab.ravine_losses(points, 100)[-1], rel=6e-3)
    measured, theory = rates(box)
    assert measured == pytest.approx(theory, abs=2e-3)


def test_the_sliders_move_by_keyboard_and_the_cliffs_are_where_they_belong(
    page: Page, site: Site
) -> None:
    box = open_figure(page, site, "domcontentloaded")
    line = box.locator(".live-panel").first.locator("g[class*=live-c2] polyline")
    drawn = line.get_attribute("points")
    # At lr = 10 the two methods let go at betas of their own.
    for method in ("momentum", "nesterov"):
        box.get_by_role("radio", name=method, exact=False).check()
        edge = lab.beta_at_the_cliff(method, 10.0)
        for value, tale in ((edge + 0.02, "steps a digit"), (edge - 0.02, "it diverges")):
            beta = box.locator("#live-momentum-beta")
            beta.evaluate(
                "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }",
                str(round(100 * value)),
            )
            expect(box.locator("[aria-live]")).to_contain_text(tale)
    assert box.locator("g[class*=live-c2] polyline").count() == 0
    box.get_by_role("radio", name="momentum").check()
    assert line.get_attribute("points") != drawn
    lr = box.locator("#live-momentum-lr")
    lr.focus()
    page.keyboard.press("Home")
    assert "diverges" not in state(box)
    page.keyboard.press("End")
    expect(box.locator("[aria-live]")).to_contain_text("it diverges")


def test_the_best_settings_are_set_exactly_and_stand_at_an_edge(page: Page, site: Site) -> None:
    box = open_figure(page, site, "domcontentloaded")
    box.locator("#live-momentum-k").focus()
    page.keyboard.press("End")
    box.get_by_role("button", name="Best setting").click()
    assert rates(box)[1] == pytest.approx(lab.heavy_ball_bound(1000), abs=6e-4)
    box.locator("#live-momentum-lr").focus()
    page.keyboard.press("ArrowRight")
    assert "it diverges" in state(box)


def test_the_setting_and_the_start_are_dragged_and_moved_by_keys(page: Page, site: Site) -> None:
    box = open_figure(page, site, "load")
    setting = box.get_by_role("slider", name="The setting")
    assert setting.get_attribute("aria-valuetext") == "lr 10, beta 0.9"
    setting.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert setting.get_attribute("aria-valuetext") == "lr 10.5, beta 0.89"
    place = setting.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + 120, steps=6)
    page.mouse.up()
    assert "it diverges" in state(box)
    words = state(box)
    start = box.get_by_role("slider", name="The start")
    start.focus()
    for key in ("ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    assert start.get_attribute("aria-valuetext") == "3.8, 0.8"
    assert state(box) != words


def test_it_steps_and_plays(page: Page, site: Site) -> None:
    box = open_figure(page, site, "domcontentloaded")
    press = lambda name: box.get_by_role("button", name=name).press("Enter")  # noqa: E731
    press("Restart")
    assert "After 0 steps" in state(box)
    press("Step")
    assert "After 1 steps" in state(box)
    press("Play")
    expect(box.locator("[aria-live]")).to_contain_text(re.compile(r"After ([2-9]|\d\d) steps"))
    press("Pause")
    expect(box.get_by_role("button", name="Play")).to_be_visible()


def test_the_two_roots_are_the_experiments_and_say_what_the_walk_does(
    page: Page, site: Site
) -> None:
    box = open_figure(page, site, "domcontentloaded", ROOTS)
    rng = np.random.default_rng(4)
    asked = [(float(rng.uniform(0, 4)), float(rng.uniform(0.05, 0.95))) for _ in range(60)]
    answers = page.evaluate("(rows) => rows.map((row) => course.momentum.roots(...row))", asked)
    for (pull, beta), pair in zip(asked, answers, strict=True):
        want = lab.roots(1.0, pull / (1 - beta), beta)
        got = np.array([complex(*root) for root in pair])
        np.testing.assert_allclose(got, want, atol=TOLERANCE)
    assert "Roots 0.80 ± 0.51i" in state(box)
    assert f"is {np.sqrt(0.9):.3f}" in state(box)
    handle = box.get_by_role("slider", name="a · λ")
    handle.focus()
    page.keyboard.press("Home")
    expect(box.locator("[aria-live]")).to_contain_text("Both positive")
    page.keyboard.press("End")
    expect(box.locator("[aria-live]")).to_contain_text("the walk runs away")
    box.get_by_role("button", name="Play").press("Enter")
    expect(box.locator("[aria-live]")).to_contain_text("swings")
    box.get_by_role("button", name="Pause").press("Enter")


@pytest.mark.parametrize("name", [RAVINE, ROOTS])
def test_on_a_phone_it_fits_one_screen_and_a_thumb(phone: Page, site: Site, name: str) -> None:
    """Both drawings together with the sliders; each control is large enough."""
    box = open_figure(phone, site, "load", name)
    panels = [panel.bounding_box() for panel in box.locator(".live-panel svg").all()]
    sliders = [control.bounding_box() for control in box.locator("input[type=range]").all()]
    edges = [(b["y"], b["y"] + b["height"]) for b in [*panels, *sliders] if b]
    assert max(bottom for _, bottom in edges) - min(top for top, _ in edges) <= 844 - 60
    for control in [
        *box.locator("input[type=range]").all(),
        *box.get_by_role("button").all(),
        *box.locator(".live-choice label").all(),
        *box.locator(".live-handle").all(),
    ]:
        place = control.bounding_box()
        assert place is not None
        assert place["height"] >= 44
    before = state(box)
    handle = box.locator("input[type=range]").first
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    assert place is not None
    phone.touchscreen.tap(place["x"] + 0.97 * place["width"], place["y"] + place["height"] / 2)
    assert state(box) != before


def test_without_javascript_a_picture_remains(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    boxes = page.locator(".live-figure")
    assert boxes.count() == 2
    for box in boxes.all():
        picture = box.locator(".live-still img")
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) > 200
        assert box.locator("input, svg").count() == 0
    context.close()
