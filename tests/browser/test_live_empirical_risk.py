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
    "G": lab.moments(13)[0].tolist(),
    "c": lab.moments(13)[1].tolist(),
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
        n, degree = int(rng.integers(12, 200)), int(rng.integers(0, 6))
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


def test_the_best_constants_are_numpys(page: Page, site: Site) -> None:
    open_figure(page, site)
    rng = np.random.default_rng(1)
    for _ in range(10):
        y, c = rng.normal(20, 5, 5), float(rng.normal(20, 5))
        got = page.evaluate(
            """([y, c]) => [course.risk.mean(y), course.risk.median(y),
                            course.risk.losses.mse(y, c), course.risk.losses.mae(y, c)]""",
            [y.tolist(), c],
        )
        wanted = np.mean(y), np.median(y), mse(y, np.full(5, c)), np.mean(np.abs(y - c))
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_the_figure_at_the_top_by_keyboard(page: Page, site: Site) -> None:
    """Its numbers are those of a fit of the drawn sample; Home is a constant; it plays."""
    open_figure(page, site)
    box = page.get_by_role("group", name="Interactive figure: a polynomial fitted to a sample")
    state = box.locator("[aria-live]")
    x, y = page.evaluate(
        "([population, seed]) => course.risk.readings(population, 24, 7919 * seed)",
        [POPULATION, lab.FIT_SEED],
    )
    x, y = np.array(x), np.array(y)
    slider = box.get_by_role("slider", name="Degree of the polynomial")
    slider.focus()
    for key, degree in (("", 9), ("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2)):
        if key:
            page.keyboard.press(key)
        theta = lab.fit_polynomial(x, y, degree)
        training, risk = lab.measured_risk(theta, x, y), lab.risk(theta)
        expect(state).to_contain_text(f"Degree {degree}, 24 readings")
        expect(state).to_contain_text(
            f"{training:.2f} on these readings, {risk:.2f} on all days to come"
        )
    before = state.inner_text()
    box.get_by_role("button", name="Play").click()
    expect(state).not_to_have_text(before)
    box.get_by_role("button", name="Pause").click()
    expect(state).to_have_attribute("aria-live", "polite")


def test_the_hot_thermometer_is_dragged_and_slid(phone: Page, site: Site) -> None:
    """By a finger's pointer and by keyboard; the mean follows, the median does not."""
    phone.goto(f"{site.url}/{PAGE}", wait_until="load")
    phone.locator("details").evaluate_all("all => all.forEach((d) => (d.open = true))")
    box = phone.get_by_role("group", name="Interactive figure: one constant for five readings")
    box.scroll_into_view_if_needed()
    state, slider = box.locator("[aria-live]"), box.get_by_role("slider")
    expect(state).to_have_text(
        "The fifth thermometer reads 33.0: the MSE is lowest at 22.2, the MAE at 19.6."
    )
    slider.focus()
    phone.keyboard.press("End")
    expect(state).to_contain_text("reads 40.0: the MSE is lowest at 23.6, the MAE at 19.6.")
    ring = box.locator(".live-handle").first
    ring.scroll_into_view_if_needed()
    place, drawing = ring.bounding_box(), box.locator("svg").first.bounding_box()
    assert place is not None and drawing is not None and place["height"] >= 44
    phone.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    phone.mouse.down()
    phone.mouse.move(drawing["x"] + 10, place["y"] + place["height"] / 2)
    phone.mouse.up()
    expect(state).to_contain_text("reads 16.0: the MSE is lowest at 18.8, the MAE at 19.4.")


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
    dots = box.locator(".live-panel svg").first.locator("path")
    assert (dots.get_attribute("d") or "").count("M") == numbers(box)["n"] == 32
    box.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert (dots.get_attribute("d") or "").count("M") == numbers(box)["n"] == 45


def test_the_controls_are_large_enough_for_a_thumb(browser: Browser, site: Site) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    box = open_figure(page, site)
    buttons = box.get_by_role("button").all()
    for control in [*box.locator("label:has(input[type=radio])").all(), *buttons]:
        place = control.bounding_box()
        assert place is not None and place["height"] >= 44
    box.get_by_text("a fitted cubic").tap()
    expect(box.locator("[aria-live]")).to_contain_text("The cubic fitted to this sample")
    slider = box.get_by_role("slider")
    slider.scroll_into_view_if_needed()
    place = slider.bounding_box()
    assert place is not None and place["height"] >= 44
    page.touchscreen.tap(place["x"] + 0.98 * place["width"], place["y"] + place["height"] / 2)
    assert numbers(box)["n"] == lab.LIVE_NS[-1]
    context.close()


def test_without_javascript_a_still_picture_remains(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    page.locator("details").evaluate_all("all => all.forEach((d) => (d.open = true))")
    stills = page.locator(".live-figure img")
    assert stills.count() == 2, "the third is the drawing above it"
    for still in stills.all():
        expect(still).to_be_visible()
        assert len(still.get_attribute("alt") or "") > 50
        size = still.bounding_box()
        assert size is not None and min(size["width"], size["height"]) > 200
    assert page.locator(".live-figure input").count() == 0
    context.close()
