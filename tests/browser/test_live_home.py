"""The home page's figure: what it says is what the course's functions do, and it moves."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from book.home_live import CURVATURES, LABELS, METHODS, START, UPDATES, loss, walks

from .loopback import Site, strays

pytestmark = pytest.mark.browser
MINUS = str.maketrans("-", "\u2212")


def test_the_walks_are_those_of_the_methods() -> None:
    """Against each rule written out, from the same start."""
    found = walks()
    theta, shrink = START.copy(), 1 - 2 / CURVATURES.sum() * CURVATURES
    np.testing.assert_allclose(found["descent"][-1], theta * shrink**UPDATES, rtol=1e-9)
    velocity = np.zeros(2)
    for _t in range(UPDATES):
        velocity = 0.9 * velocity + 0.1 * CURVATURES * theta
        theta = theta - 3 * velocity
    np.testing.assert_allclose(found["momentum"][-1], theta, rtol=1e-9)
    # Adam's first step is its learning rate in each component, whatever the slope.
    np.testing.assert_allclose(found["adam"][1], START - 0.4 * np.sign(START), rtol=1e-6)
    heights = {name: loss(points[-1]) for name, points in found.items()}
    assert heights["adam"] < heights["momentum"] < heights["descent"] < loss(START)


def test_it_says_what_the_walks_are_and_plays(phone: Page, site: Site) -> None:
    page = phone
    page.emulate_media(reduced_motion="reduce")
    found = strays(page, site)
    page.goto(f"{site.url}/book/index.html")
    figure = page.locator(".live-figure[data-figure='home-descent']")
    slider, state = figure.locator("input[type=range]"), figure.locator(".live-state")
    # Already where something is to be seen, and at rest for whoever asked for that.
    expect(slider).to_have_value(str(UPDATES // 5))
    slider.focus()
    slider.press("End")
    losses = {n: float(f"{loss(points[-1]):.3g}") for n, points in walks().items()}
    said = LABELS["state"].format(update=UPDATES, start=round(loss(START), 3), **losses)
    expect(state).to_have_text(said.translate(MINUS))
    for name in METHODS.values():
        expect(figure.locator(".live-legend")).to_contain_text(name)
    figure.get_by_role("button", name=LABELS["play"]).click()
    expect(slider).not_to_have_value(str(UPDATES))
    figure.get_by_role("button", name=LABELS["pause"]).click()
    assert int(slider.input_value()) < UPDATES
    assert not found


def test_it_begins_by_itself_once_it_is_seen(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/book/index.html")
    page.wait_for_function(
        """(n) => {
          const lines = [...document.querySelectorAll(".live-figure polyline.home-draw")];
          return lines.length === n &&
            lines.every((e) => getComputedStyle(e).animationName === "home-draw");
        }""",
        arg=len(METHODS),
    )
