"""Chapter 7's interactive figures: their arithmetic is the reference's, and they can be worked."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import logistic_regression_experiments as lab
from solutions.logistic_regression import accuracy, sigmoid

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/logistic_regression.html"
TRAIN, THRESHOLD = "train a classifier", "choose a threshold"
TOLERANCE = 1e-9
LOSSES = ("cross entropy", "squared error")


def open_figure(
    page: Page, site: Site, name: str = TRAIN, until: Literal["domcontentloaded", "load"] = "load"
) -> Locator:
    """One of the figures, awake. Its place is settled only after the formulas are: "load"."""
    page.goto(f"{site.url}/{PAGE}", wait_until=until)
    box = page.get_by_role("group", name=f"Interactive figure: {name}")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


def state(box: Locator) -> str:
    return box.locator("[aria-live]").inner_text().replace("\u2212", "-")


def said(box: Locator, before: str) -> float:
    """The number that follows these words in the figure's sentence."""
    found = re.search(re.escape(before) + r" (-?[\d.]+(?:e[-+]\d+)?)", state(box))
    assert found, state(box)
    return float(found[1].rstrip("."))


def test_each_update_is_the_references(page: Page, site: Site) -> None:
    """A thousand random updates of each loss, mid run, logits up to 50, to 1e-9 a step."""
    open_figure(page, site, until="domcontentloaded")
    rng = np.random.default_rng(7)
    rows: list[list[Any]] = []
    for _ in range(500):
        n = int(rng.integers(2, 12))
        X, y = rng.normal(size=(n, 2)).round(3), rng.integers(0, 2, n)
        theta = rng.normal(0, rng.choice([0.5, 10.0]), 3).round(6)
        index = rng.permutation(n)[: int(rng.integers(1, n + 1))]
        rows.append([*(a.tolist() for a in (theta, X, y, index)), float(rng.uniform(0.01, 5))])
    for loss in LOSSES:
        answers = page.evaluate(
            """([rows, loss]) => rows.map(([theta, X, y, index, lr]) => [
              course.logistic.step(theta, X, y, index, lr, loss),
              course.logistic.meanLoss(theta, X, y, loss),
              course.logistic.accuracy(theta, X, y),
            ])""",
            [rows, loss],
        )
        for row, (step, mean, share) in zip(rows, answers, strict=True):
            theta, X, y, index = (np.array(a) for a in row[:4])
            w, b = lab.follow(loss, theta, X, y, row[4], [index])[1]
            np.testing.assert_allclose(step, [*w, b], atol=TOLERANCE, rtol=TOLERANCE)
            w, b = theta[:2], float(theta[2])
            want = lab.mean_loss(loss, w, b, X, y)
            assert mean == pytest.approx(want, abs=TOLERANCE, rel=TOLERANCE)
            assert share == pytest.approx(accuracy(y, lab.labels(X @ w + b)))


def test_losses_and_slopes_hold_at_any_logit(page: Page, site: Site) -> None:
    open_figure(page, site, until="domcontentloaded")
    z = [-1000.0, -745.0, -40.0, -3.0, 0.0, 0.5, 30.0, 710.0, 1000.0]
    answers = page.evaluate(
        """(zs) => zs.map((z) => [0, 1].map((y) => [
          course.logistic.sigmoid(z),
          ...["cross entropy", "squared error"].flatMap((name) => [
            course.logistic.losses[name].value(z, y), course.logistic.losses[name].slope(z, y)]),
        ]))""",
        z,
    )
    places = np.array(z)
    for y in (0, 1):
        got = np.array([answer[y] for answer in answers], dtype=float)
        want = [sigmoid(places)]
        for loss, slope in (
            (lab.entropy_loss, lab.entropy_slope),
            (lab.squared_loss, lab.squared_slope),
        ):
            want += [loss(places, y), slope(places[2:-2], y)]
        for column, values in enumerate(want):
            # Chapter 6's neuron, the squared error's reference, overflows beyond.
            kept = got[:, column] if len(values) == len(z) else got[2:-2, column]
            np.testing.assert_allclose(kept, values, atol=TOLERANCE, rtol=TOLERANCE)


def test_a_run_of_the_figure_is_a_run_of_the_reference(page: Page, site: Site) -> None:
    """Its own batches, each epoch a permutation, followed for 60 updates by the reference."""
    open_figure(page, site, until="domcontentloaded")
    X, y = lab.live_points()
    for m, loss in ((10, "cross entropy"), (1, "squared error"), (20, "cross entropy")):
        batches, walk = page.evaluate(
            """([m, loss, X, y, start]) => {
              const rows = (t) => course.logistic.batch(X.length, m, t);
              const batches = Array.from({ length: 60 }, (_, t) => rows(t));
              const walk = [start];
              for (const index of batches)
                walk.push(course.logistic.step(walk.at(-1), X, y, index, 0.5, loss));
              return [batches, walk];
            }""",
            [m, loss, X.tolist(), y.tolist(), list(lab.LIVE_STARTS["wrong"])],
        )
        epoch = -(-len(y) // m)
        for first in range(0, 60 - epoch + 1, epoch):
            rows = [i for index in batches[first : first + epoch] for i in index]
            assert sorted(rows) == list(range(len(y)))
        path = lab.follow(
            loss, lab.LIVE_STARTS["wrong"], X, y, 0.5, [np.array(index) for index in batches]
        )
        want = [[*w, b] for w, b in path]
        np.testing.assert_allclose(walk, want, atol=TOLERANCE, rtol=TOLERANCE)


def test_the_page_opens_on_a_neuron_that_is_stuck_and_the_switch_frees_it(
    page: Page, site: Site
) -> None:
    box = open_figure(page, site)
    assert state(box).startswith("After 40 updates on the squared error")
    assert said(box, "accuracy") < 0.2
    assert "on the wrong side" in state(box)
    assert abs(said(box, "gradient at its logit")) < 1e-3
    box.get_by_role("radio", name="cross entropy").check()
    assert state(box).startswith("After 40 updates on the cross entropy")
    assert said(box, "accuracy") > 0.85
    assert "on the right side" in state(box)


def test_step_play_pause_and_restart(page: Page, site: Site) -> None:
    box = open_figure(page, site)
    box.get_by_role("button", name="Step").click()
    assert state(box).startswith("After 41 updates")
    box.get_by_role("button", name="Restart").click()
    assert state(box).startswith("After 0 updates")
    line = box.locator(".live-panel").first.locator("polyline").first
    before = line.get_attribute("points")
    box.get_by_role("radio", name="cross entropy").check()
    box.get_by_role("button", name="Play").press("Enter")
    expect(box.locator("[aria-live]")).to_contain_text("After 40 updates")
    box.get_by_role("button", name="Pause").press("Enter")
    expect(box.get_by_role("button", name="Play")).to_be_visible()
    assert line.get_attribute("points") != before
    assert said(box, "After") >= 40


def test_a_point_moves_by_keyboard_and_its_loss_and_gradient_are_said(
    page: Page, site: Site
) -> None:
    box = open_figure(page, site)
    box.get_by_role("radio", name="cross entropy").check()
    mean = said(box, "mean loss")
    right = said(box, "Its own loss is")
    for name in ("Across", "Up"):
        box.get_by_role("slider", name=name).focus()
        page.keyboard.press("Home")
    assert "on the wrong side" in state(box)
    z = said(box, "its logit is")
    assert said(box, "Its own loss is") == pytest.approx(np.logaddexp(0, -z), abs=6e-3)
    assert said(box, "gradient at its logit") == pytest.approx(-1 / (1 + np.exp(z)), abs=2e-3)
    assert said(box, "Its own loss is") > right + 3
    assert said(box, "mean loss") == mean  # that of the last update: only an update changes it
    box.get_by_role("button", name="Step").click()
    assert said(box, "mean loss") > mean


def test_a_point_is_dragged_across_the_line(page: Page, site: Site) -> None:
    box = open_figure(page, site)
    box.get_by_role("radio", name="cross entropy").check()
    assert "on the right side" in state(box)
    handle = box.locator(".live-handle")
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    drawing = box.locator(".live-panel svg").first.bounding_box()
    assert place is not None
    assert drawing is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(
        drawing["x"] + 0.15 * drawing["width"], drawing["y"] + 0.85 * drawing["height"], steps=8
    )
    assert "on the wrong side" in state(box)
    page.mouse.up()
    across = box.get_by_role("slider", name="Across").get_attribute("aria-valuetext") or ""
    assert float(across.replace("\u2212", "-")) < -1.5
    page.mouse.move(drawing["x"] + drawing["width"] / 2, drawing["y"] + 10)
    assert "on the wrong side" in state(box), "let go, it stays"


def test_another_point_is_chosen_without_moving_any(page: Page, site: Site) -> None:
    box = open_figure(page, site)
    marks = box.locator(".live-panel").first.locator("circle.live-dot, rect.live-dot")
    before = marks.evaluate_all("(all) => all.map((e) => e.outerHTML)")
    box.get_by_role("slider", name="Point").focus()
    for key in ("Home", "ArrowRight", "End"):
        page.keyboard.press(key)
    assert "class 1" in state(box)
    assert marks.evaluate_all("(all) => all.map((e) => e.outerHTML)") == before


def test_counts_and_costs_are_the_experiments(page: Page, site: Site) -> None:
    box = open_figure(page, site, THRESHOLD)
    for name, columns in (("2", (lab.RADIUS, lab.TEXTURE)), ("30", None)):
        box.get_by_role("radio", name=f"{name} measurements").check()
        y, y_hat = lab.answers(columns)
        for key in ("Home", "ArrowRight", "PageUp", "End"):
            handle = box.get_by_role("slider", name="Threshold")
            handle.focus()
            page.keyboard.press(key)
            threshold = float(handle.get_attribute("aria-valuetext") or "nan")
            counts = [int(cell) for cell in box.locator("td").all_inner_texts()]
            np.testing.assert_array_equal(counts, lab.confusion(y, y_hat, threshold).ravel())
            assert said(box, "cost") == lab.cost(y, y_hat, threshold, 20)
        costs = [lab.cost(y, y_hat, t, 20) for t in lab.THRESHOLDS]
        assert said(box, "slider costs") == min(costs)


def test_a_dearer_miss_moves_the_cheapest_threshold_down(page: Page, site: Site) -> None:
    box = open_figure(page, site, THRESHOLD)
    price = box.get_by_role("slider", name="A miss costs")
    price.focus()
    page.keyboard.press("Home")
    even = said(box, "1 / (1 + price) is")
    assert even == 0.5
    page.keyboard.press("End")
    assert said(box, "1 / (1 + price) is") == pytest.approx(1 / 101, abs=1e-3)


@pytest.mark.parametrize("name", [TRAIN, THRESHOLD])
def test_everything_is_large_enough_for_a_thumb(phone: Page, site: Site, name: str) -> None:
    box = open_figure(phone, site, name)
    controls = [
        *box.get_by_role("slider").all(),
        *box.get_by_role("button").all(),
        *box.locator(".live-choice label").all(),
        *box.locator(".live-handle").all(),
    ]
    for control in controls:
        place = control.bounding_box()
        assert place is not None
        assert place["height"] >= 44


@pytest.mark.parametrize("name", [TRAIN, THRESHOLD])
def test_on_a_phone_the_drawing_is_in_sight_of_every_control(
    phone: Page, site: Site, name: str
) -> None:
    """Control and first drawing fit into one screen together, below the page's own bar."""
    box = open_figure(phone, site, name)
    drawing = box.locator(".live-panel svg").first.bounding_box()
    assert drawing is not None
    room = 844 - 60
    for control in [*box.get_by_role("slider").all(), *box.locator(".live-choice").all()]:
        place = control.bounding_box()
        assert place is not None
        top = min(place["y"], drawing["y"])
        bottom = max(place["y"] + place["height"], drawing["y"] + drawing["height"])
        assert bottom - top <= room


def test_a_finger_drags_the_point_and_taps_another(phone: Page, site: Site) -> None:
    box = open_figure(phone, site)
    handle = box.locator(".live-handle")
    assert handle.evaluate("(e) => getComputedStyle(e).touchAction") == "none"
    handle.scroll_into_view_if_needed()
    chosen = box.get_by_role("slider", name="Point")
    before = chosen.get_attribute("aria-valuetext")
    other = box.locator(".live-panel").first.locator("circle.live-dot").first
    place = other.bounding_box()
    assert place is not None
    phone.touchscreen.tap(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(chosen).not_to_have_attribute("aria-valuetext", before or "")
    assert "of class 0" in state(box)


def test_without_javascript_pictures_remain(browser: Browser, site: Site) -> None:
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
