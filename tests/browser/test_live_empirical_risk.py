"""Chapter 1's figure: its arithmetic is the reference's, and it can be used without a mouse."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from scipy import stats

from book import empirical_risk_experiments as lab
from solutions.empirical_risk import fit_least_squares, mse, polynomial_features

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/empirical_risk.html"
NUMBER = r"(\u2212?\d+\.\d+)"
POPULATION = {
    "amplitude": lab.AMPLITUDE,
    "noise": lab.NOISE,
    "G": lab.moments(7)[0].tolist(),
    "c": lab.moments(7)[1].tolist(),
}


def open_figure(page: Page, site: Site) -> Locator:
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    box = page.get_by_role("group", name="Interactive figure: sample size")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


def numbers(box: Locator) -> dict[str, float]:
    """What the sentence under the drawings says."""
    text = box.locator("[aria-live]").inner_text()
    found = re.search(
        rf"n = (\d+)\. .*: risk {NUMBER}, empirical risk {NUMBER}, gap {NUMBER}\. "
        rf".* is {NUMBER}, expected {NUMBER}\.",
        text,
    )
    assert found, text
    names = ("n", "risk", "empirical", "gap", "typical", "expected")
    values = (float(v.replace("\u2212", "-")) for v in found.groups())
    return dict(zip(names, values, strict=True))


def test_its_arithmetic_is_the_references(page: Page, site: Site) -> None:
    """Fit, empirical risk and risk, on random samples, to 1e-9."""
    open_figure(page, site)
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, degree = int(rng.integers(12, 200)), int(rng.integers(1, 6))
        x, y = rng.uniform(-1, 1, n), rng.normal(0, 3, n)
        first = int(rng.integers(10, n + 1))
        theta = rng.normal(size=degree + 1)
        got = page.evaluate(
            """([population, x, y, theta, degree, first]) => [
                course.risk.fit([x, y], degree, first),
                course.risk.empirical(theta, [x, y], first),
                course.risk.exact(population, theta),
                x.map((v) => course.risk.polynomial(theta, v)),
            ]""",
            [POPULATION, x.tolist(), y.tolist(), theta.tolist(), degree, first],
        )
        X = polynomial_features(x, degree)
        right = fit_least_squares(X[:first], y[:first])
        np.testing.assert_allclose(got[0], right, rtol=1e-9, atol=1e-9)
        assert got[1] == pytest.approx(mse(y[:first], X[:first] @ theta), rel=1e-9)
        assert got[2] == pytest.approx(lab.risk(theta), rel=1e-9)
        np.testing.assert_allclose(got[3], X @ theta, rtol=1e-9, atol=1e-9)


def test_its_samples_are_drawn_from_the_population(page: Page, site: Site) -> None:
    open_figure(page, site)
    draw = "([population, n, seed]) => course.risk.readings(population, n, seed)"
    x, y = np.array(page.evaluate(draw, [POPULATION, 20_000, 1]))
    assert stats.kstest(x, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(y - lab.truth(x), stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(x, y - lab.truth(x))[0, 1]) < 0.03
    # A sample grows: the shorter one is the beginning of the longer one.
    shorter = page.evaluate(draw, [POPULATION, 50, 1])
    np.testing.assert_array_equal(shorter, [x[:50], y[:50]])
    another = page.evaluate(draw, [POPULATION, 50, 2])
    assert not np.any(np.array(another) == np.array(shorter))


@pytest.mark.parametrize("judged", ["rule", "fit"])
def test_the_gaps_are_what_theory_expects(page: Page, site: Site, judged: str) -> None:
    """At every position of the slider, within what 300 samples leave to chance."""
    box = open_figure(page, site)
    box.locator(f"input[value={judged}]").check()
    handle = box.get_by_role("slider", name="Readings in the sample")
    handle.focus()
    page.keyboard.press("Home")
    for n in lab.LIVE_NS:
        said = numbers(box)
        assert said["n"] == n == float(handle.get_attribute("aria-valuetext") or "nan")
        assert said["gap"] == pytest.approx(said["risk"] - said["empirical"], abs=0.0111)
        if judged == "rule":
            assert said["risk"] == pytest.approx(lab.risk(lab.RULE), abs=0.005)
            assert said["expected"] == pytest.approx(
                lab.loss_spread(lab.RULE) / math.sqrt(n), abs=0.0051
            )
            assert said["typical"] == pytest.approx(said["expected"], rel=0.2)
        else:
            # One gap scatters by 1.5 / sqrt(n), and by 2.5 / sqrt(n) in the smallest samples.
            chance = 4 * 2.5 / math.sqrt(n) / math.sqrt(300)
            assert said["typical"] == pytest.approx(said["expected"], abs=chance)
        page.keyboard.press("ArrowRight")


def test_a_new_sample_by_keyboard(page: Page, site: Site) -> None:
    box = open_figure(page, site)
    expect(box.locator("[aria-live]")).to_have_attribute("aria-live", "polite")
    before, drawn = numbers(box), box.locator(".live-panel svg").first.inner_html()
    box.get_by_role("button", name="Draw another sample").focus()
    page.keyboard.press("Enter")
    after = numbers(box)
    assert after["n"] == before["n"] and after["risk"] == before["risk"]
    assert after["empirical"] != before["empirical"]
    assert after["typical"] == before["typical"], "the cloud of samples stays"
    assert box.locator(".live-panel svg").first.inner_html() != drawn


def test_a_larger_sample_has_more_dots(page: Page, site: Site) -> None:
    box = open_figure(page, site)
    dots = box.locator(".live-panel svg").first.locator("circle")
    assert dots.count() == numbers(box)["n"] == 32
    box.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert dots.count() == numbers(box)["n"] == 45


def test_the_controls_are_large_enough_for_a_thumb(browser: Browser, site: Site) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    box = open_figure(page, site)
    for control in [*box.locator("label:has(input[type=radio])").all(), box.locator("button")]:
        place = control.bounding_box()
        assert place is not None and place["height"] >= 44
    box.get_by_text("a fitted cubic").tap()
    expect(box.locator("[aria-live]")).to_contain_text("The cubic fitted to this sample")
    slider = box.get_by_role("slider")
    place = slider.bounding_box()
    assert place is not None and place["height"] >= 44
    page.touchscreen.tap(place["x"] + 0.98 * place["width"], place["y"] + place["height"] / 2)
    assert numbers(box)["n"] == lab.LIVE_NS[-1]
    context.close()


def test_without_javascript_a_still_picture_remains(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    still = page.locator(".live-figure img")
    expect(still).to_be_visible()
    assert len(still.get_attribute("alt") or "") > 50
    size = still.bounding_box()
    assert size is not None and min(size["width"], size["height"]) > 200
    assert page.locator(".live-figure input").count() == 0
    context.close()
