"""Chapter 3's figure that moves: its arithmetic is the reference's, and it answers to everybody."""

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
from solutions.sgd import gradient_standard_error, minibatch_gradient, minibatches

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/sgd.html"


@dataclass(frozen=True)
class Figure:
    """Chapter 3's figure: the batch size and the cloud of gradient estimates."""

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

    @property
    def walk(self) -> str:
        """Where the walk's line goes."""
        lines = self.panel("A walk").locator("polyline:not(.live-ring)")
        return lines.first.get_attribute("points") or ""


def open_figure(page: Page, site: Site) -> Figure:
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    box = page.get_by_role("group", name="Interactive figure: the batch size")
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


def test_its_draws_with_replacement_are_even(loaded: Page) -> None:
    drawn = loaded.evaluate("() => course.sgd.withReplacement(10, 3000, course.sgd.generator(2))")
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == 3000
    # 300 each, give or take 5 x 16.4.
    assert np.all(np.abs(counts - 300) < 82)


def test_it_moves_by_keyboard_and_says_the_references_numbers(page: Page, site: Site) -> None:
    figure = open_figure(page, site)
    expect(figure.state).to_have_attribute("aria-live", "polite")
    assert figure.size == 10
    figure.handle.focus()
    page.keyboard.press("Home")
    before = figure.walk
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
    assert figure.walk != before
    # At the right end it is gradient descent.
    assert figure.said("measured") == 0
    end = lab.walk(lab.N, updates=lab.live_data()["updates"])[-1]
    assert figure.said("ends") == pytest.approx(np.linalg.norm(end - lab.BEST), abs=6e-4)
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
    before, words = figure.walk, figure.state.inner_text()
    figure.box.get_by_role("button", name="Draw new batches").press("Enter")
    expect(figure.state).not_to_have_text(words)
    assert figure.walk != before
    assert figure.said("predicted") == pytest.approx(lab.predicted_error(lab.FAR, 10), abs=6e-4)


def test_it_moves_by_touch(phone: Page, site: Site) -> None:
    figure = open_figure(phone, site)
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
    figure = page.locator(".live-figure")
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
    weight = len(html.encode()) + sum(
        (site.folder / "_static" / name).stat().st_size for name in own
    )
    assert weight < 1_500_000
