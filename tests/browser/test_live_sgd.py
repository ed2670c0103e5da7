"""Chapter 3's figures that move: their arithmetic is the reference's, and they can be worked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from autograder.datasets import with_ones
from book import sgd_experiments as lab
from solutions.gradient import linear_gradient
from solutions.sgd import (
    cosine_decay,
    gradient_standard_error,
    minibatch_gradient,
    minibatches,
)

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/sgd.html"


@dataclass(frozen=True)
class Figure:
    """A figure of chapter 3: the cloud of gradient estimates, or the walk."""

    page: Page
    box: Locator
    handle: Locator

    @property
    def size(self) -> int:
        """The batch size that the handle says to a screen reader."""
        return int(self.handle.get_attribute("aria-valuetext") or "0")

    @property
    def state(self) -> Locator:
        """The words that are read out after a change."""
        return self.box.locator("[aria-live]")

    def said(self, what: str) -> float:
        """A number of the state, by the word before it."""
        found = re.search(rf"{what} (\d+(?:\.\d+)?)", self.state.inner_text())
        assert found, self.state.inner_text()
        return float(found[1])

    def panel(self, title: str) -> Locator:
        """One of the drawings."""
        return self.box.locator(".live-panel", has_text=title)

    def line(self, title: str) -> str:
        """Where the first line of a drawing goes, height lines apart."""
        lines = self.panel(title).locator("polyline:not(.live-ring)")
        return lines.first.get_attribute("points") or ""


CLOUD, WALK = "the batch size and the cloud", "a walk, its price and its floor"


def open_figure(page: Page, site: Site, name: str = CLOUD) -> Figure:
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    return found(page, name)


def found(page: Page, name: str) -> Figure:
    """A figure of the page that is open, awake."""
    box = page.get_by_role("group", name=f"Interactive figure: {name}")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return Figure(page, box, box.get_by_role("slider", name="Batch size"))


@pytest.fixture(scope="module")
def loaded(browser: Browser, site: Site) -> Iterator[Page]:
    """The page, loaded once for the tests that only compute."""
    context = browser.new_context()
    page = context.new_page()
    open_figure(page, site)
    yield page
    context.close()


def in_browser(page: Page, name: str, *arguments: Any) -> Any:
    """Call a function of the figure's arithmetic."""
    return page.evaluate(f"(given) => course.sgd.{name}(...given)", list(arguments))


def test_its_arithmetic_is_the_references(loaded: Page) -> None:
    """Gradient, standard error and a long walk, to 1e-9 a step, on random data."""
    rng = np.random.default_rng(0)
    for n, m, lr in ((7, 2, 0.4), (50, 8, 0.1), (400, 1, 0.3)):
        x, y, theta = rng.normal(size=n), rng.normal(size=n), rng.normal(size=2)
        rows = with_ones(x)
        given = (theta.tolist(), x.tolist(), y.tolist())
        index = rng.integers(0, n, m)
        right = minibatch_gradient(linear_gradient, theta, rows, y, index)
        np.testing.assert_allclose(
            in_browser(loaded, "gradient", *given, index.tolist()), right, atol=1e-9
        )
        each = (rows @ theta - y)[:, None] * rows
        np.testing.assert_allclose(
            in_browser(loaded, "standardError", *given, m),
            gradient_standard_error(each, m),
            atol=1e-9,
        )
        batches = [np.asarray(b) for _ in range(3) for b in minibatches(n, m, rng)]
        walk = in_browser(loaded, "walk", *given, lr, [b.tolist() for b in batches])
        assert len(walk) == len(batches) + 1
        for step, batch in enumerate(batches):
            here = np.array(walk[step])
            next_one = here - lr * minibatch_gradient(linear_gradient, here, rows, y, batch)
            np.testing.assert_allclose(walk[step + 1], next_one, atol=1e-9)
        scheduled = loaded.evaluate(
            """([theta, x, y, lr, batches]) => course.sgd.scheduledWalk(
              theta, x, y, course.sgd.cosine(lr, batches.length), batches)""",
            [*given, lr, [b.tolist() for b in batches]],
        )
        for step, batch in enumerate(batches):
            here, rate = np.array(scheduled[step]), cosine_decay(lr, step, len(batches))
            next_one = here - rate * minibatch_gradient(linear_gradient, here, rows, y, batch)
            np.testing.assert_allclose(scheduled[step + 1], next_one, atol=1e-9)
        cloud = rng.normal(size=(20, 2))
        spread = in_browser(loaded, "spread", cloud.tolist(), theta.tolist())
        assert spread == pytest.approx(np.sqrt(np.mean(np.sum((cloud - theta) ** 2, axis=1))))


def test_its_epochs_hold_every_index_once_and_are_shuffled(loaded: Page) -> None:
    epochs = loaded.evaluate(
        """() => {
          const random = course.sgd.generator(5);
          return Array.from({length: 300}, () => course.sgd.epoch(10, 4, random));
        }"""
    )
    firsts = np.zeros(10)
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(i for batch in epoch for i in batch) == list(range(10))
        firsts[epoch[0][0]] += 1
    # Each of ten indices comes first in a tenth of 300 epochs: 30, give or take 5 x 5.2.
    assert np.all(np.abs(firsts - 30) < 26)


def test_its_draws_are_even(loaded: Page) -> None:
    drawn = loaded.evaluate("() => course.sgd.withReplacement(10, 3000, course.sgd.generator(2))")
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == 3000
    # 300 each, give or take 5 x 16.4.
    assert np.all(np.abs(counts - 300) < 82)
    apart = loaded.evaluate(
        """() => {
          const random = course.sgd.generator(3);
          return Array.from({length: 1000}, () => course.sgd.withoutReplacement(10, 3, random));
        }"""
    )
    assert all(len(set(batch)) == len(batch) == 3 for batch in apart)
    # Each place of a batch has each index a hundred times, give or take 5 x 9.5.
    for place in np.transpose(apart):
        assert np.all(np.abs(np.bincount(place, minlength=10) - 100) < 48)


def test_it_moves_by_keyboard_and_says_the_references_numbers(page: Page, site: Site) -> None:
    figure = open_figure(page, site)
    expect(figure.state).to_have_attribute("aria-live", "polite")
    assert figure.size == 10
    figure.handle.focus()
    page.keyboard.press("Home")
    sizes = []
    while figure.size not in sizes:
        m = figure.size
        sizes.append(m)
        expect(figure.state).to_contain_text(f"m = {m},")
        said = lab.predicted_error(lab.FAR, m)
        assert figure.said("predicted") == pytest.approx(said, abs=6e-4)
        corrected = said * lab.finite_population(m)
        assert figure.said("points") == pytest.approx(corrected, abs=6e-4)
        # 200 estimates: the measured error is itself off by 5 %; 4 times that.
        assert figure.said("measured") == pytest.approx(corrected, rel=0.2, abs=6e-4)
        length = np.linalg.norm(linear_gradient(lab.FAR, lab.X, lab.Y))
        assert figure.said("length") == pytest.approx(length, abs=6e-4)
        page.keyboard.press("ArrowRight")
    assert sizes == list(lab.LIVE_SIZES)
    # At the right end it is gradient descent.
    assert figure.said("measured") == 0
    # Each size that was visited has left its dot.
    assert figure.panel("Standard error").locator(".live-dot").count() == len(sizes)


def test_at_the_minimum_the_cloud_stays(page: Page, site: Site) -> None:
    figure = open_figure(page, site)
    figure.box.get_by_role("radio", name="at the minimum").check()
    expect(figure.state).to_contain_text("full gradient is zero here")
    assert figure.said("predicted") == pytest.approx(lab.predicted_error(lab.BEST, 10), abs=6e-4)
    assert figure.said("measured") == pytest.approx(figure.said("predicted"), rel=0.2)


def test_with_replacement_there_is_no_correction(page: Page, site: Site) -> None:
    figure = open_figure(page, site)
    expect(figure.state).to_contain_text("correction for 400 points")
    figure.box.get_by_role("radio", name="with replacement", exact=True).check()
    expect(figure.state).to_contain_text("m = 10, with replacement")
    expect(figure.state).not_to_contain_text("correction")
    figure.handle.focus()
    page.keyboard.press("End")
    assert figure.said("measured") == pytest.approx(figure.said("predicted"), rel=0.2)


def test_new_batches_are_new(page: Page, site: Site) -> None:
    figure = open_figure(page, site)
    words = figure.state.inner_text()
    figure.box.get_by_role("button", name="Draw new batches").press("Enter")
    expect(figure.state).not_to_have_text(words)
    assert figure.said("predicted") == pytest.approx(lab.predicted_error(lab.FAR, 10), abs=6e-4)


def test_the_walk_opens_on_its_floor_and_says_the_references_numbers(
    page: Page, site: Site
) -> None:
    figure = open_figure(page, site, WALK)
    words = figure.state.inner_text()
    assert words.startswith("800 updates, 800 examples")
    assert figure.said("floor predicted for this m and lr is") == pytest.approx(
        lab.predicted_floor(0.3, 1), rel=0.05
    )
    # Its line of full batches is gradient descent's.
    heights = page.evaluate(
        """([x, y, lr, start, best, hessian]) => {
          const all = x.map((_, i) => i);
          return course.sgd.excess(
            course.sgd.walk(start, x, y, lr, Array(10).fill(all)), best, hessian);
        }""",
        [
            lab.X[:, 1].tolist(),
            lab.Y.tolist(),
            0.3,
            lab.FAR.tolist(),
            lab.BEST.tolist(),
            lab.H.tolist(),
        ],
    )
    np.testing.assert_allclose(heights, lab.excess(lab.walk(lab.N, epochs=10)), rtol=1e-9)
    # A batch of ten: a tenth of the floor, and of the updates.
    figure.handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert figure.state.inner_text().startswith("80 updates, 800 examples")
    assert figure.said("floor predicted for this m and lr is") == pytest.approx(
        lab.predicted_floor(0.3, 10), rel=0.05
    )
    page.keyboard.press("End")
    expect(figure.state).to_contain_text("The full gradient has no floor")
    figure.box.get_by_role("slider", name="lr").focus()
    page.keyboard.press("End")
    figure.box.get_by_role("radio", name="cosine").check()
    expect(figure.state).to_contain_text("2 updates, 800 examples")


def test_the_walk_steps_plays_stops_and_begins_elsewhere(page: Page, site: Site) -> None:
    figure = open_figure(page, site, WALK)
    press = lambda name: figure.box.get_by_role("button", name=name).press("Enter")  # noqa: E731
    press("Step")
    expect(figure.state).to_contain_text("801 updates")
    press("Restart")
    expect(figure.state).to_contain_text("0 updates, 0 examples")
    press("Play")
    expect(figure.state).to_contain_text(re.compile(r"[1-9][\d,]* updates"))
    press("Pause")
    expect(figure.box.get_by_role("button", name="Play")).to_be_visible()
    before = figure.line("The walk")
    press("New batches")
    assert figure.line("The walk") != before
    # The start, by the arrow keys and by the mouse.
    start = figure.box.get_by_role("slider", name="The start")
    said = start.get_attribute("aria-valuetext")
    start.focus()
    page.keyboard.press("ArrowRight")
    assert start.get_attribute("aria-valuetext") != said
    place = start.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] / 2 + 60, place["y"] + 40, steps=4)
    page.mouse.up()
    moved = start.get_attribute("aria-valuetext")
    assert moved != said
    page.mouse.move(place["x"] + 200, place["y"] + 100)
    assert start.get_attribute("aria-valuetext") == moved, "let go, it stays"


def test_on_a_phone_both_fit_one_screen_and_move_by_touch(phone: Page, site: Site) -> None:
    for name in (WALK, CLOUD):
        figure = open_figure(phone, site, name) if name == WALK else found(phone, name)
        boxes = [
            *(panel.bounding_box() for panel in figure.box.locator(".live-panel svg").all()),
            figure.handle.bounding_box(),
        ]
        edges = [(box["y"], box["y"] + box["height"]) for box in boxes if box]
        assert len(edges) == 3
        assert max(bottom for _, bottom in edges) - min(top for top, _ in edges) <= 844 - 60
    # The figure is taller than the screen: bring the slider into its middle.
    figure.handle.evaluate("(slider) => slider.scrollIntoView({block: 'center'})")
    place = figure.handle.bounding_box()
    assert place is not None
    phone.touchscreen.tap(place["x"] + 0.99 * place["width"], place["y"] + place["height"] / 2)
    expect(figure.state).to_contain_text("m = 400,")
    for control in (
        figure.handle,
        figure.box.get_by_role("button"),
        *figure.box.locator("fieldset label").all(),
    ):
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44, "too low for a thumb"
    figure.box.get_by_text("at the minimum").tap()
    expect(figure.state).to_contain_text("full gradient is zero here")


def test_without_javascript_a_still_picture_remains(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    figures = page.locator(".live-figure")
    assert figures.count() == 2
    for figure in figures.all():
        assert figure.locator("input, button").count() == 0
        picture = figure.get_by_role("img")
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) > 200
        assert len(picture.get_attribute("alt") or "") > 60
    context.close()


def test_the_page_is_light(site: Site) -> None:
    """HTML with its drawings, and the scripts and styles that this page alone brings."""
    html = (site.folder / PAGE).read_text("utf8")
    own = set(re.findall(r'"\.\./_static/((?:interactive|figures)[^"?]*)', html))
    own |= {f"../_images/{name}" for name in re.findall(r'src="\.\./_images/([^"]+)"', html)}
    # A page shows a figure by day or by night.
    own = {name for name in own if not name.endswith(".dark.svg")}
    weight = len(html.encode()) + sum(
        (site.folder / "_static" / name).stat().st_size for name in own
    )
    assert weight < 1_500_000
