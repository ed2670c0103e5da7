"""Chapter 6's interactive figures: their arithmetic is the reference's, and they can be worked."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import backprop_live as live
from solutions.backprop import heaviside, neuron_gradient, relu, relu_grad

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/backprop.html"
TOLERANCE = 1e-9


def open_figure(
    page: Page, site: Site, label: str, until: Literal["domcontentloaded", "load"]
) -> Locator:
    """A figure, awake. Its place on the screen is settled only after the formulas are: "load"."""
    page.goto(f"{site.url}/{PAGE}", wait_until=until)
    box = page.get_by_role("group", name=f"Interactive figure: {label}")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


def neuron(page: Page, site: Site) -> Locator:
    return open_figure(page, site, live.NEURON_LABEL, "domcontentloaded")


def graph(page: Page, site: Site) -> Locator:
    return open_figure(page, site, live.GRAPH_LABEL, "domcontentloaded")


def state(box: Locator) -> str:
    return box.locator(".live-state[aria-live]").inner_text()


def stop_the_clock(page: Page) -> None:
    """Let time pass by `run_for` alone: a slow machine must not play on between two lines."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)


def press(box: Locator, name: str) -> None:
    box.get_by_role("button", name=name, exact=True).click()


# The neuron.


def test_each_slope_is_the_references(page: Page, site: Site) -> None:
    neuron(page, site)
    rng = np.random.default_rng(6)
    rows = [(*rng.normal(size=2) * 3, rng.normal(size=(4, 2)).tolist()) for _ in range(300)]
    answers = page.evaluate(
        """(rows) => rows.map(([w, b, points]) => ["sigmoid", "relu", "step"].map((kind) => [
          ...course.backprop.gradient(kind, w, b, points), course.backprop.loss(kind, w, b, points),
        ]))""",
        rows,
    )
    for (w, b, points), (smooth, bent, stairs) in zip(rows, answers, strict=True):
        x, y = np.array(points).T
        each = [neuron_gradient(np.array([p]), np.array([w]), b, q) for p, q in points]
        want = [np.mean([dw[0] for dw, _ in each]), np.mean([db for _, db in each])]
        assert smooth[:2] == pytest.approx(want, rel=TOLERANCE, abs=TOLERANCE)
        z = w * x + b
        delta = (relu(z) - y) * relu_grad(z)
        want = [np.mean(delta * x), np.mean(delta), np.mean((relu(z) - y) ** 2) / 2]
        assert bent == pytest.approx(want, rel=TOLERANCE, abs=TOLERANCE)
        assert stairs == pytest.approx([0, 0, np.mean((heaviside(z) - y) ** 2) / 2], abs=TOLERANCE)


def test_walks_and_losses_are_pythons(page: Page, site: Site) -> None:
    neuron(page, site)
    points = live.neuron_data()["points"]
    for kind in live.KINDS:
        for w, b in ((0.4, -1.0), (-6.0, -1.0), (3.0, 0.5)):
            walk, loss = page.evaluate(
                """([kind, w, b, points, lr]) => {
                  const ws = course.backprop.walk(kind, w, b, points, lr, 200);
                  return [ws, course.backprop.loss(kind, ws[200], b, points)];
                }""",
                [kind, w, b, points, live.NEURON_LR],
            )
            want = live.neuron_walk(kind, w, b, 200)
            np.testing.assert_allclose(walk, want, rtol=TOLERANCE, atol=TOLERANCE)
            assert loss == pytest.approx(live.neuron_loss(kind, want[-1], b), abs=TOLERANCE)


def test_the_step_stays_and_the_sigmoid_far_out_crawls(page: Page, site: Site) -> None:
    box = neuron(page, site)
    assert "Step: w = 0.4, " in state(box)
    assert live.NEURON_WORDS["flat"] in state(box)
    box.get_by_role("slider", name="Steps").focus()
    page.keyboard.press("End")
    assert "200 steps from w = 0.4" in state(box)
    assert "Step: w = 0.4, " in state(box)
    assert state(box).count(live.NEURON_WORDS["arrived"]) == 2
    box.get_by_role("slider", name="Start of w").focus()
    page.keyboard.press("Home")
    assert live.NEURON_WORDS["crawls"] in state(box).split("Sigmoid:")[1].split("ReLU:")[0]
    box.get_by_role("checkbox", name="ReLU").uncheck()
    expect(box.locator("[aria-live]")).not_to_contain_text("ReLU:")


def test_play_walks_and_a_slider_stops_it(page: Page, site: Site) -> None:
    page.clock.install()
    box = neuron(page, site)
    stop_the_clock(page)
    steps = box.get_by_role("slider", name="Steps")
    press(box, "Play")
    expect(steps).to_have_value("0")
    # Not read out step by step.
    assert box.locator(".live-state").get_attribute("aria-live") == "off"
    page.clock.run_for(600)
    assert 5 <= int(steps.input_value()) <= 15
    box.get_by_role("slider", name="Bias b").focus()
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("button", name="Play")).to_be_visible()
    assert box.locator(".live-state").get_attribute("aria-live") == "polite"
    at = int(steps.input_value())
    page.clock.run_for(600)
    expect(steps).to_have_value(str(at))
    press(box, "Play")
    expect(steps).to_have_value(str(at + 1))
    page.clock.run_for(60_000)
    expect(steps).to_have_value(str(live.NEURON_STEPS))
    expect(box.get_by_role("button", name="Play")).to_be_visible()


# The graph.


def test_the_graph_is_walked_one_node_at_a_time(page: Page, site: Site) -> None:
    box = graph(page, site)
    frames = list(live.frames("right"))
    told = [frame["said"] for frame in frames]
    assert state(box) == told[-1]
    press(box, "Start")
    for frame in frames:
        assert state(box) == frame["said"]
        # An edge is a line and the head of an arrow; what goes back is coloured.
        expect(box.locator("svg .live-back")).to_have_count(2 * len(frame["shares"]))
        forward = len(live.MADE_FROM.get(frame["at"], ())) if not frame["shares"] else 0
        active = box.locator("svg .live-edge.live-active")
        expect(active).to_have_count(2 * (forward + len(frame["shares"])))
        expect(box.locator("svg .live-box.live-active")).to_have_count(1 if frame["at"] else 0)
        box.get_by_role("button", name="Next").focus()
        page.keyboard.press("Enter")
    assert state(box) == told[-1]
    press(box, "Back")
    assert state(box) == told[-2]


def test_what_is_drawn_is_what_was_computed(page: Page, site: Site) -> None:
    """Every number of the last state stands in the drawing, and none is drawn before its turn."""
    box = graph(page, site)
    drawn = box.locator("svg text.live-value")
    count = drawn.count()
    nodes, grads = live.values(), live.run("right").grads
    entries = [*nodes.values(), *grads.values()]
    shares = sum(4 for edge in live.EDGES.values() if "share" in edge)
    assert count == sum(a.size for a in entries) + shares
    texts = set(drawn.all_text_contents())
    for rows in entries:
        assert {entry for row in live.listed(rows) for entry in row} <= texts
    press(box, "Start")
    assert drawn.count() == sum(live.values()[leaf].size for leaf in live.LEAVES)
    expect(box.locator("svg text.live-grad")).to_have_count(0)


def test_each_mistake_shows_what_is_wrong_and_what_is_right(page: Page, site: Site) -> None:
    box = graph(page, site)
    for name in live.MISTAKES:
        box.get_by_role("combobox", name="Break it").select_option(live.NAMES[name])
        assert live.summary(name) in state(box)
        assert live.NAMES[name] in state(box)
        found = list(live.statuses(name).values())
        for status, mark in live.GRAPH_WORDS["marks"].items():
            expect(box.locator("svg text", has_text=mark)).to_have_count(found.count(status))
        bad = found.count("wrong") + found.count("stop")
        expect(box.locator("svg .live-box.live-bad")).to_have_count(bad)
        for frame in reversed(list(live.frames(name))[:-1]):
            press(box, "Back")
            assert state(box) == frame["said"]


def test_unbroken_again_nothing_is_marked(page: Page, site: Site) -> None:
    box = graph(page, site)
    choice = box.get_by_role("combobox", name="Break it")
    choice.focus()
    page.keyboard.press("ArrowDown")
    assert live.NAMES[live.MISTAKES[0]] in state(box)
    page.keyboard.press("ArrowUp")
    assert state(box) == live.UNBROKEN
    expect(box.locator("svg .live-bad")).to_have_count(0)


def test_a_round_asks_each_mistake_and_answers_each_choice(page: Page, site: Site) -> None:
    box = graph(page, site)
    press(box, "Which bug is this?")
    asked = []
    for number in range(1, len(live.MISTAKES) + 1):
        (true,) = [name for name in live.MISTAKES if live.summary(name) in state(box)]
        asked.append(true)
        assert not any(words in state(box) for words in live.NAMES.values())
        expect(box.get_by_role("combobox")).to_have_count(0)
        if number == 1:
            for chosen in live.MISTAKES:
                if chosen != true:
                    press(box, live.NAMES[chosen])
                    assert state(box) == live.feedback(chosen, true)
        press(box, live.NAMES[true])
        assert live.feedback(true, true) in state(box)
        assert f"{number - 1} of {number} found at the first try." in state(box)
        press(box, "Another one")
    assert sorted(asked) == sorted(live.MISTAKES)
    press(box, "Leave the round")
    expect(box.get_by_role("combobox", name="Break it")).to_be_focused()
    assert state(box) == live.UNBROKEN
    expect(box.get_by_role("group", name="Which bug is this?")).to_have_count(0)


def test_play_goes_through_the_graph_and_stops(page: Page, site: Site) -> None:
    page.clock.install()
    box = graph(page, site)
    stop_the_clock(page)
    told = [frame["said"] for frame in live.frames("right")]
    press(box, "Play")
    assert state(box) == told[0]
    page.clock.run_for(1500)
    assert state(box) == told[1]
    press(box, "Pause")
    page.clock.run_for(5000)
    assert state(box) == told[1]
    press(box, "Play")
    page.clock.run_for(60_000)
    assert state(box) == told[-1]
    expect(box.get_by_role("button", name="Play")).to_be_visible()


# Both.


@pytest.mark.parametrize("label", [live.NEURON_LABEL, live.GRAPH_LABEL])
def test_a_phone_has_room_for_a_thumb_and_sees_the_drawing(
    phone: Page, site: Site, label: str
) -> None:
    box = open_figure(phone, site, label, "load")
    drawing = box.locator(".live-panels, .live-graph").bounding_box()
    assert drawing is not None
    before = state(box)
    controls = [
        *box.get_by_role("slider").all(),
        *box.get_by_role("button").all(),
        *box.get_by_role("combobox").all(),
        *box.locator(".live-choice label").all(),
    ]
    assert len(controls) >= 6
    for control in controls:
        place = control.bounding_box()
        assert place is not None
        assert place["height"] >= 44
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
        # What changes the drawing shares a screen with it, below the page's header.
        if control.inner_text() != live.GRAPH_WORDS["quiz"]:
            assert place["y"] + place["height"] - drawing["y"] < 844 - 60
    if label == live.GRAPH_LABEL:
        box.get_by_role("button", name="Back").tap()
    else:
        slider = box.get_by_role("slider", name="Start of w")
        slider.scroll_into_view_if_needed()
        place = slider.bounding_box()
        assert place is not None
        phone.touchscreen.tap(place["x"] + 0.9 * place["width"], place["y"] + place["height"] / 2)
    assert state(box) != before
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_phone_the_answers_of_a_round_are_large_enough(phone: Page, site: Site) -> None:
    box = open_figure(phone, site, live.GRAPH_LABEL, "load")
    box.get_by_role("button", name="Which bug is this?").tap()
    answers = box.get_by_role("group", name="Which bug is this?").get_by_role("button")
    expect(answers).to_have_count(len(live.MISTAKES))
    for answer in answers.all():
        place = answer.bounding_box()
        assert place is not None
        assert min(place["width"], place["height"]) >= 44
    answers.first.tap()
    assert state(box).startswith(("Yes", "No"))


def test_numbers_of_the_graph_do_not_run_into_each_other(phone: Page, site: Site) -> None:
    """Nor out of their box, whatever is broken."""
    box = open_figure(phone, site, live.GRAPH_LABEL, "load")
    for name in ("right", *live.MISTAKES):
        box.get_by_role("combobox").select_option(live.NAMES[name])
        clashes = box.locator("svg.live-graph").evaluate(
            """(svg) => {
              const box = (element) => element.getBBox();
              const texts = [...svg.querySelectorAll("text")].map((t) => [t.textContent, box(t)]);
              const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
              const found = [];
              texts.forEach(([text, a], i) => {
                if (a.x < 0 || a.x + a.width > width || a.y + a.height > height) found.push(text);
                for (const [other, b] of texts.slice(i + 1)) {
                  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
                  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
                  // Lines of text may touch: a box is taller than its digits.
                  if (across > 0 && down > 3) found.push(`${text} and ${other}`);
                }
              });
              return found;
            }"""
        )
        assert clashes == [], name


def test_without_javascript_pictures_and_words_remain(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/{PAGE}", wait_until="load")
    for name in ("backprop-neuron", "backprop-graph"):
        box = page.locator(f'.live-figure[data-figure="{name}"]')
        picture = box.locator(".live-still img")
        expect(picture).to_be_visible()
        size = picture.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) > 200
        assert box.locator("input, button, svg").count() == 0
    for mistake in live.MISTAKES:
        assert live.summary(mistake) in box.inner_text()
    context.close()
