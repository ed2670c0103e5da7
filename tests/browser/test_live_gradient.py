"""Chapter 2's figures: their steps are the reference's, and they can be used without a mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from autograder.datasets import gabor_data
from book import gradient_experiments as lab
from solutions.gradient import gradient_descent

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/gradient.html"
EDGE = 0.2  # 2 / L on the ravine of chapter 2


@dataclass(frozen=True)
class Slider:
    """Chapter 2's figure: the learning rate on a ravine."""

    page: Page
    box: Locator
    handle: Locator

    @property
    def lr(self) -> float:
        """The learning rate that the handle says to a screen reader."""
        return float(self.handle.get_attribute("aria-valuetext") or "nan")

    @property
    def walks(self) -> list[str]:
        """What is drawn: the walk on the map, and its loss."""
        lines = self.box.locator("polyline")
        return [lines.nth(i).get_attribute("points") or "" for i in range(lines.count())]

    @property
    def state(self) -> Locator:
        """The words that are read out after a change."""
        return self.box.locator("[aria-live]")


def open_slider(page: Page, site: Site) -> Slider:
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    box = page.get_by_role("group", name="Interactive figure: the learning rate")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return Slider(page, box, box.get_by_role("slider", name="Learning rate"))


@pytest.fixture(scope="module")
def loaded(browser: Browser, site: Site) -> Iterator[Page]:
    """The page, loaded once for the tests that only compute."""
    context = browser.new_context()
    page = context.new_page()
    open_slider(page, site)
    yield page
    context.close()


def test_each_step_is_the_references(loaded: Page) -> None:
    """A thousand random steps, below and above the cliff, to 1e-9 a step; and whole walks."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        curvatures, lr = rng.uniform(0.1, 40, 3), float(rng.uniform(0, 0.4))
        start = rng.normal(size=3)
        walk, losses = loaded.evaluate(
            """([curvatures, start, lr]) => {
              const points = course.gradient.walk(curvatures, start, lr, 25);
              return [points, points.map((p) => course.gradient.loss(curvatures, p))];
            }""",
            [curvatures.tolist(), start.tolist(), lr],
        )
        walk, losses = np.array(walk, float), np.array(losses, float)
        right = gradient_descent(lambda theta, c=curvatures: c * theta, start, lr, 25)
        np.testing.assert_allclose(walk, right, rtol=1e-9, atol=1e-12)
        for here, there in pairwise(walk):
            step = gradient_descent(lambda theta, c=curvatures: c * theta, here, lr, 1)
            np.testing.assert_allclose(there, step[-1], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(losses, right**2 @ curvatures / 2, rtol=1e-9, atol=1e-12)


def test_its_steps_to_a_millionth_are_the_references(loaded: Page) -> None:
    """At every place of the slider, for every ravine."""
    rates = lab.SLIDER_LRS.tolist()
    for curvature in lab.SLIDER_CURVATURES:
        counted = loaded.evaluate(
            """([curvature, start, rates]) =>
              rates.map((lr) => course.gradient.stepsUntil([1, curvature], start, lr))""",
            [curvature, lab.RAVINE_START.tolist(), rates],
        )
        assert counted == [lab.steps_until(lr, curvature=curvature) for lr in rates]
        assert None in counted and min(filter(None, counted)) < 200


def test_the_gabor_walk_is_the_references(loaded: Page) -> None:
    """Losses, slopes and whole walks from random starts, to 1e-9."""
    x, y = gabor_data()
    rng = np.random.default_rng(3)
    for _ in range(20):
        theta, lr = rng.uniform([-8, 4], [8, 22]), float(rng.uniform(0.001, 0.05))
        (loss, slope), walk = loaded.evaluate(
            """([theta, xs, ys, lr]) => {
              const { gabor, descend } = course.gradient;
              return [gabor(theta, xs, ys), descend(theta, xs, ys, lr, 25)];
            }""",
            [theta.tolist(), x.tolist(), y.tolist(), lr],
        )
        assert loss == pytest.approx(lab.gabor_loss(theta), rel=1e-9)
        np.testing.assert_allclose(slope, lab.gabor_slope(theta), rtol=1e-9, atol=1e-9)
        right = gradient_descent(lab.gabor_slope, theta, lr, 25)
        np.testing.assert_allclose(walk, right, rtol=1e-8, atol=1e-8)


def test_its_words_name_what_the_walk_does(loaded: Page) -> None:
    rates = (0.05, 0.1, 0.15, 0.2, 0.21)
    kinds = loaded.evaluate(
        "(rates) => rates.map((lr) => course.gradient.behaviour(10, lr).kind)", list(rates)
    )
    assert kinds == ["creeps", "floor", "zigzags", "edge", "diverges"]


def test_the_slider_moves_by_keyboard(page: Page, site: Site) -> None:
    slider = open_slider(page, site)
    assert slider.lr == 0.18
    expect(slider.state).to_have_attribute("aria-live", "polite")
    expect(slider.state).to_contain_text("0.180: it zigzags")
    before = slider.walks
    assert len(before) == 2
    assert all(before)

    slider.handle.focus()
    page.keyboard.press("ArrowRight")
    assert slider.lr == 0.185
    expect(slider.state).to_contain_text("0.185: it zigzags")
    assert all(new != old for new, old in zip(slider.walks, before, strict=True))

    page.keyboard.press("End")
    assert slider.lr > EDGE
    page.keyboard.press("Home")
    assert slider.lr < 0.05


def test_the_slider_says_where_the_walk_begins_to_diverge(page: Page, site: Site) -> None:
    """Two places below the cliff, on it, and two above, by keyboard."""
    slider = open_slider(page, site)
    slider.handle.focus()
    for _ in range(2):  # from 0.180 to 0.190
        page.keyboard.press("ArrowRight")
    for lr, diverges in ((0.19, False), (0.195, False), (0.2, False), (0.205, True), (0.21, True)):
        assert slider.lr == lr
        assert ("diverges" in slider.state.inner_text()) is diverges
        assert ("diverges" in (slider.box.get_attribute("class") or "")) is diverges
        assert ("equally far" in slider.state.inner_text()) is (lr == EDGE)
        page.keyboard.press("ArrowRight")


def test_twice_as_steep_brings_the_cliff_to_half(page: Page, site: Site) -> None:
    slider = open_slider(page, site)
    expect(slider.state).to_contain_text("The cliff 2/L is at 0.2.")
    before = slider.walks
    slider.box.get_by_role("radio", name="20", exact=True).check()
    expect(slider.state).to_contain_text("0.180: it diverges")
    expect(slider.state).to_contain_text("The cliff 2/L is at 0.1.")
    assert all(new != old for new, old in zip(slider.walks, before, strict=True))
    slider.box.get_by_role("radio", name="40", exact=True).check()
    expect(slider.state).to_contain_text("The cliff 2/L is at 0.05.")
    page.keyboard.press("ArrowLeft")  # a radio button's neighbour, by keyboard
    expect(slider.state).to_contain_text("The cliff 2/L is at 0.1.")


def test_the_slider_moves_by_touch(phone: Page, site: Site) -> None:
    slider = open_slider(phone, site)
    before = slider.walks
    place = slider.handle.bounding_box()
    assert place is not None
    assert place["height"] >= 44, "too low for a thumb"
    phone.touchscreen.tap(place["x"] + 0.97 * place["width"], place["y"] + place["height"] / 2)
    expect(slider.state).to_contain_text("diverges")
    assert slider.lr > EDGE
    assert all(new != old for new, old in zip(slider.walks, before, strict=True))
    for label in slider.box.locator("label:has(input[type=radio])").all():
        box = label.bounding_box()
        assert box is not None and box["height"] >= 44
    slider.box.locator("label", has_text="5").first.tap()
    expect(slider.state).to_contain_text("The cliff 2/L is at 0.4.")


def test_the_start_is_dragged_and_moved_by_keys_and_the_cliff_stays(page: Page, site: Site) -> None:
    slider = open_slider(page, site)
    start = slider.box.get_by_role("slider", name="The start")
    assert start.get_attribute("aria-valuetext") == "4.0, 1.0"
    before = slider.walks
    start.focus()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    assert start.get_attribute("aria-valuetext") == "4.0, 0.0"
    assert all(new != old for new, old in zip(slider.walks, before, strict=True))
    slider.handle.focus()
    page.keyboard.press("End")  # beyond the cliff, which is none for whoever begins on the floor
    expect(slider.state).to_contain_text("begins on the floor and stays there")
    ring, place = start.bounding_box(), slider.box.locator(".live-panel svg").first.bounding_box()
    assert ring is not None and place is not None
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + 0.4 * place["width"], place["y"] + 0.7 * place["height"], steps=3)
    page.mouse.up()
    assert (start.get_attribute("aria-valuetext") or "").count("\u2212") == 2
    expect(slider.state).to_contain_text("it diverges")
    expect(slider.state).to_contain_text("The cliff 2/L is at 0.2.")


def hillside(page: Page, site: Site) -> tuple[Locator, Locator, Locator]:
    """The figure at the top: its box, its map, and its sentence."""
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    box = page.get_by_role("group", name="Interactive figure: a walk downhill")
    box.scroll_into_view_if_needed()
    return box, box.locator(".live-panel svg").first, box.locator("[aria-live]")


def test_the_ring_is_dragged_and_its_sliders_follow_and_lead(page: Page, site: Site) -> None:
    box, drawing, state = hillside(page, site)
    expect(state).to_contain_text("step 120 of 120")
    expect(state).to_contain_text("but not the lowest")
    across = box.get_by_role("slider", name="θ\u2080")
    assert across.get_attribute("aria-valuetext") == "4"
    ring = box.locator(".live-handle").bounding_box()
    place = drawing.bounding_box()
    assert ring is not None and place is not None
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + 0.52 * place["width"], place["y"] + 0.45 * place["height"])
    page.mouse.up()
    expect(state).to_contain_text("in the lowest pit of all")
    dragged = float((across.get_attribute("aria-valuetext") or "").replace("\u2212", "-"))
    assert dragged < 2
    # By keyboard, to the left edge, which is in another pit.
    across.focus()
    page.keyboard.press("Home")
    expect(state).not_to_contain_text("in the lowest pit of all")
    assert across.get_attribute("aria-valuetext") == "\u22128"


def test_steps_by_keyboard_and_a_walk_that_plays_itself(page: Page, site: Site) -> None:
    box, _, state = hillside(page, site)
    box.get_by_role("button", name="To the start").focus()
    page.keyboard.press("Enter")
    expect(state).to_contain_text("step 0 of 120")
    box.get_by_role("button", name="One step").click()
    expect(state).to_contain_text("step 1 of 120")
    box.get_by_role("button", name="Play").click()
    expect(state).to_have_attribute("aria-live", "off")
    expect(state).to_contain_text(re.compile(r"step ([2-9]|\d\d) of 120"))
    box.get_by_role("button", name="Pause").click()
    expect(state).to_have_attribute("aria-live", "polite")


def test_on_a_phone_the_map_is_seen_while_the_sliders_move(phone: Page, site: Site) -> None:
    """Both figures: at the place of the lowest control, half of the first drawing is in view."""
    for label in ("a walk downhill", "the learning rate"):
        phone.goto(f"{site.url}/{PAGE}", wait_until="load")
        box = phone.get_by_role("group", name=f"Interactive figure: {label}")
        box.scroll_into_view_if_needed()
        box.get_by_role("slider").last.evaluate("e => e.scrollIntoView({block: 'end'})")
        drawing = box.locator(".live-panel svg").first.bounding_box()
        assert drawing is not None and drawing["y"] + drawing["height"] / 2 > 0
        size = phone.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert size[0] == size[1]


def test_without_javascript_the_still_pictures_remain(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    figures = page.locator(".live-figure")
    assert figures.locator("input, svg").count() == 0 and figures.count() == 2
    for still in figures.get_by_role("img").all():
        expect(still).to_be_visible()
        assert len(still.get_attribute("alt") or "") > 60
        size = still.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) > 200
    page.locator("details").evaluate_all("all => all.forEach((d) => (d.open = true))")
    for name in ("fig-ravine", "fig-steps"):
        picture = page.locator(f"#{name} img.by-day")
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) > 200, f"{name} is not drawn"
    context.close()
