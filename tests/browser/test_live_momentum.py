"""Chapter 4's interactive figure: its arithmetic is the reference's, and it can be worked."""

from __future__ import annotations

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


def open_figure(page: Page, site: Site, until: Literal["domcontentloaded", "load"]) -> Locator:
    """The figure, awake. Its place on the screen is settled only after the formulas are: "load"."""
    page.goto(f"{site.url}/{PAGE}", wait_until=until)
    box = page.get_by_role("group", name="Interactive figure: beta and lr")
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


def test_the_sliders_move_by_keyboard_and_the_rates_are_said(page: Page, site: Site) -> None:
    box = open_figure(page, site, "domcontentloaded")
    lr = box.get_by_role("slider", name="Learning rate")
    for part in state(box).split("rate ")[1:]:
        measured, rest = part.split(" measured, ")
        assert float(measured) == pytest.approx(float(rest.split(" by theory")[0]), abs=2e-3)
    before, drawn = state(box), box.locator("polyline").first.get_attribute("points")
    lr.focus()
    page.keyboard.press("End")
    assert float(lr.get_attribute("aria-valuetext") or "nan") > 90
    words = state(box)
    assert words != before
    assert words.count("it diverges") == 3
    assert box.locator("polyline").first.get_attribute("points") != drawn

    page.keyboard.press("Home")
    assert "diverges" not in state(box)
    beta = box.get_by_role("slider", name="beta")
    beta.focus()
    page.keyboard.press("Home")
    rates = {part.split(" measured")[0] for part in state(box).split("rate ")[1:]}
    assert len(rates) == 1, "without a memory the three methods are one"


def test_the_best_settings_are_set_exactly_and_stand_at_an_edge(page: Page, site: Site) -> None:
    box = open_figure(page, site, "domcontentloaded")
    k = box.get_by_role("slider", name="Condition number")
    k.focus()
    page.keyboard.press("End")
    box.get_by_role("button", name="Best for momentum").click()
    wanted = lab.heavy_ball_bound(1000)
    words = state(box).split("Momentum: ")[1].split(" Nesterov")[0]
    assert f"{wanted:.3f} by theory" in words
    lr = box.get_by_role("slider", name="Learning rate")
    lr.focus()
    page.keyboard.press("ArrowRight")
    assert "it diverges" in state(box).split("Momentum: ")[1].split(" Nesterov")[0]


def test_in_pytorchs_form_the_same_rate_goes_further(page: Page, site: Site) -> None:
    box = open_figure(page, site, "domcontentloaded")

    def digits() -> int:
        return int(state(box).split("Momentum: ")[1].split(" steps a digit")[0].split()[-1])

    averaged = digits()
    box.get_by_role("radio", name="PyTorch").check()
    assert digits() < averaged
    box.get_by_role("checkbox", name="momentum").uncheck()
    expect(box.locator("[aria-live]")).not_to_contain_text("Momentum:")


def test_everything_is_large_enough_for_a_thumb(phone: Page, site: Site) -> None:
    box = open_figure(phone, site, "load")
    before = state(box)
    handle = box.get_by_role("slider", name="Learning rate")
    for control in [
        handle,
        *box.get_by_role("button").all(),
        *box.locator(".live-choice label").all(),
    ]:
        place = control.bounding_box()
        assert place is not None
        assert place["height"] >= 44
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    assert place is not None
    phone.touchscreen.tap(place["x"] + 0.9 * place["width"], place["y"] + place["height"] / 2)
    assert state(box) != before
    expect(box.locator("[aria-live]")).to_contain_text("it diverges")


def test_without_javascript_a_picture_remains(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    box = page.locator(".live-figure")
    picture = box.locator(".live-still img")
    expect(picture).to_be_visible()
    size = picture.bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) > 200
    assert box.locator("input, svg").count() == 0
    context.close()
