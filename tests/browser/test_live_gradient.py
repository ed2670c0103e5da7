"""The figures that move: by keyboard, by touch, in words, and still where no script runs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

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


def test_the_slider_moves_by_keyboard(page: Page, site: Site) -> None:
    slider = open_slider(page, site)
    assert slider.lr == 0.05
    expect(slider.state).to_have_attribute("aria-live", "polite")
    expect(slider.state).to_contain_text("0.050: it creeps")
    before = slider.walks
    assert len(before) == 2
    assert all(before)

    slider.handle.focus()
    page.keyboard.press("ArrowRight")
    assert slider.lr == 0.055
    expect(slider.state).to_contain_text("0.055: it creeps")
    assert all(new != old for new, old in zip(slider.walks, before, strict=True))

    page.keyboard.press("End")
    assert slider.lr > EDGE
    page.keyboard.press("Home")
    assert slider.lr < 0.05


def test_the_slider_says_where_the_walk_begins_to_diverge(page: Page, site: Site) -> None:
    slider = open_slider(page, site)
    slider.handle.focus()
    page.keyboard.press("Home")
    diverged: dict[float, bool] = {}
    while slider.lr not in diverged:
        words = "diverges" in slider.state.inner_text()
        colour = "diverges" in (slider.box.get_attribute("class") or "")
        assert words == colour, f"at {slider.lr} the words and the colour disagree"
        diverged[slider.lr] = words
        page.keyboard.press("ArrowRight")
    assert max(diverged) > EDGE > min(diverged)
    assert diverged == {lr: lr > EDGE for lr in diverged}


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


def test_without_javascript_the_still_pictures_remain(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    slider = page.locator(".live-figure")
    expect(slider).to_contain_text("a slider that needs JavaScript")
    assert slider.locator("input, svg").count() == 0
    for name in ("fig-ravine", "fig-steps"):
        picture = page.locator(f"#{name} img")
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) > 200, f"{name} is not drawn"
    context.close()
