"""Chapter 5's race: its arithmetic is the references'; it answers to keyboard and touch."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import adam_experiments as lab

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/adam.html"
LABEL = "Interactive figure: a race of optimisers"
TOLERANCE = 1e-9  # a step, relative to the size of the parameters


def open_race(page: Page, site: Site) -> Locator:
    # The figure wakes before this event; formulas and pictures need not be waited for.
    page.goto(f"{site.url}/{PAGE}", wait_until="domcontentloaded")
    box = page.get_by_role("group", name=LABEL)
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


def slider(box: Locator, name: str) -> Locator:
    return box.get_by_role("slider", name=name)


def state(box: Locator) -> Locator:
    return box.locator("[aria-live=polite]")


def test_each_step_in_javascript_is_the_references(page: Page, site: Site) -> None:
    """300 random steps of each optimiser; both go on from the reference's state."""
    open_race(page, site)
    rng = np.random.default_rng(50)
    for name in lab.LIVE_NAMES:
        theta = rng.normal(size=3)
        m, v = np.zeros(3), np.zeros(3)
        inputs, expected = [], []
        for t in range(1, 301):
            grad = rng.normal(size=3) * 10 ** rng.uniform(-6, 3, 3)
            use = lab.Settings(
                lr=float(10 ** rng.uniform(-4, 1)),
                beta1=float(rng.uniform(0, 0.999)),
                beta2=float(rng.uniform(0, 0.9999)),
                eps=float(10 ** rng.uniform(-9, 4)),
                weight_decay=float(rng.uniform(0, 1)),
            )
            before = {"theta": theta.tolist(), "m": m.tolist(), "v": v.tolist()}
            inputs.append([before, grad.tolist(), t, vars(use)])
            theta, (m, v) = lab.one_step(name, theta, grad, (m, v), t, use)
            expected.append([theta, m, v])
        answers = page.evaluate(
            """([name, inputs]) => inputs.map((input) => {
              const after = course.adam.steps[name](...input);
              return [after.theta, after.m, after.v];
            })""",
            [name, inputs],
        )
        np.testing.assert_allclose(answers, expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("turned", [False, True])
def test_the_walks_and_losses_drawn_are_the_references(
    page: Page, site: Site, turned: bool
) -> None:
    """200 steps; an error of 1e-9 a step may add up, and must not."""
    open_race(page, site)
    H, start = lab.surface(turned)
    for name in lab.LIVE_NAMES:
        use = lab.live_settings(name)
        walk, loss = page.evaluate(
            """([name, H, start, count, settings]) => {
              const walk = course.adam.walk(name, H, start, count, settings);
              return [walk, walk.map((theta) => course.adam.loss(H, theta))];
            }""",
            [name, H.tolist(), start.tolist(), lab.LIVE_STEPS, vars(use)],
        )
        right = lab.walk(name, H, start, lab.LIVE_STEPS, use)
        # At a minimum a rounding error turns a normalised step round: compared until it gets there.
        until = 20 if name == "normalised" else lab.LIVE_STEPS
        np.testing.assert_allclose(walk[:until], right[:until], atol=1e-9, err_msg=name)
        np.testing.assert_allclose(
            loss[:until], lab.quadratic(H, right)[:until], rtol=1e-7, atol=1e-7
        )


def test_it_says_its_state_in_numbers(page: Page, site: Site) -> None:
    box = open_race(page, site)
    expect(state(box)).to_contain_text("Loss after step 60, lowest first: ")
    words = state(box).inner_text()
    use = {name: lab.live_settings(name) for name in lab.NAMES}
    loss = {
        name: float(lab.quadratic(lab.RAVINE, lab.walk(name, *lab.surface(), 60, use[name])[-1]))
        for name in lab.NAMES
    }
    order = sorted(lab.NAMES, key=lambda name: loss[name])
    places = [words.index(f"{name} ") for name in order]
    assert places == sorted(places), f"{words} is not in the order {order}"
    assert f"GD {loss['GD']:.2g};" in words
    assert f"AdaGrad {loss['AdaGrad']:.2g}." in words


def test_every_control_works_by_keyboard(page: Page, site: Site) -> None:
    box = open_race(page, site)
    box.get_by_role("checkbox", name="AdamW").check()
    for name, value in (
        ("lr of GD and momentum", "0.020"),
        ("lr of the others", "0.13"),
        ("beta1", "0.95"),
        ("beta2", "0.999"),
        ("eps of the others", "0.01"),
        ("weight_decay", "0.3"),
        ("Step shown", "61"),
    ):
        before, drawn = state(box).inner_text(), box.locator(".live-panel svg").first.inner_html()
        slider(box, name).focus()
        page.keyboard.press("ArrowRight")
        expect(slider(box, name)).to_have_attribute("aria-valuetext", value)
        assert state(box).inner_text() != before, f"{name} changes no word"
        assert box.locator(".live-panel svg").first.inner_html() != drawn, f"{name} changes no walk"
    box.get_by_role("checkbox", name="RMSprop").focus()
    page.keyboard.press("Space")
    expect(state(box)).not_to_contain_text("RMSprop")
    lines = box.locator("polyline")
    assert lines.count() == 2 * (len(lab.LIVE_NAMES) - 1)
    box.get_by_role("radio", name="along the axes").focus()
    before = state(box).inner_text()
    page.keyboard.press("ArrowDown")
    expect(box.get_by_role("radio", name="turned")).to_be_checked()
    assert state(box).inner_text() != before


def test_too_large_a_learning_rate_is_told(page: Page, site: Site) -> None:
    box = open_race(page, site)
    slider(box, "lr of GD and momentum").focus()
    page.keyboard.press("End")
    expect(state(box)).to_contain_text("GD flown off")
    expect(state(box)).to_contain_text("momentum flown off")
    for checkbox in box.get_by_role("checkbox").all():
        checkbox.uncheck()
    expect(state(box)).to_have_text("No optimiser is chosen.")


def test_the_turned_rings_lie_where_the_turned_loss_is(page: Page, site: Site) -> None:
    """The long axis of a ring points along the floor, where the loss is lowest: up and right."""
    box = open_race(page, site)
    box.get_by_role("radio", name="turned").check()
    ring = box.locator("ellipse").nth(0)
    angle = ring.evaluate(
        "(e) => { const m = e.getCTM(), s = e.ownerSVGElement.getCTM();"
        " return Math.atan2(m.b, m.a) - Math.atan2(s.b, s.a); }"
    )
    assert np.degrees(angle) == pytest.approx(-45)  # on the screen y runs down
    along = np.array([1.0, 1.0])
    assert lab.turned_ravine(along) < lab.turned_ravine(np.array([1.0, -1.0])) / 50


def test_it_is_used_by_touch(phone: Page, site: Site) -> None:
    box = open_race(phone, site)
    handle = slider(box, "Step shown")
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    assert place is not None
    assert place["height"] >= 44, "too low for a thumb"
    phone.touchscreen.tap(place["x"] + 0.99 * place["width"], place["y"] + place["height"] / 2)
    expect(state(box)).to_contain_text(re.compile(r"after step (19\d|200)"))
    label = box.locator("label", has_text="AdaGrad")
    size = label.bounding_box()
    assert size is not None
    assert size["height"] >= 44
    label.tap()
    expect(state(box)).not_to_contain_text("AdaGrad")


def test_without_javascript_a_picture_stays(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    box = page.locator(".live-figure")
    expect(box).to_contain_text("needs JavaScript")
    assert box.locator("input, svg").count() == 0
    picture = box.locator("img")
    expect(picture).to_be_visible()
    size = picture.bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) > 200
    context.close()


def test_on_paper_the_picture_stands_in(page: Page, site: Site) -> None:
    box = open_race(page, site)
    page.emulate_media(media="print")
    expect(box.locator(".live-still img")).to_be_visible()
    expect(slider(box, "beta1")).to_be_hidden()
