"""Chapter 5's live figures: arithmetic as in the references; used by keyboard and by touch."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import adam_experiments as lab
from book import adam_live as live

from .loopback import Site

pytestmark = pytest.mark.browser

PAGE = "book/adam.html"
LABEL = "Interactive figure: a race of optimisers"
DESK = "Interactive figure: a slider for each direction"
TOLERANCE = 1e-9  # a step, relative to the size of the parameters


def open_race(page: Page, site: Site, label: str = LABEL) -> Locator:
    # The figure wakes before this event; formulas and pictures need not be waited for.
    page.goto(f"{site.url}/{PAGE}", wait_until="domcontentloaded")
    box = page.get_by_role("group", name=label)
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
    for name in live.LIVE_NAMES:
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


def test_the_walks_and_losses_drawn_are_the_references(page: Page, site: Site) -> None:
    """200 steps, turned, and in noise; an error of 1e-9 a step may add up, and must not."""
    open_race(page, site)
    settings = [(False, 0), (True, 0), (False, 30)]
    for name, (turned, size) in itertools.product(live.LIVE_NAMES, settings):
        H, start = lab.surface(turned)
        noise = size * live.live_noise() if size else None
        use = live.live_settings(name)
        walk, loss = page.evaluate(
            """([name, H, start, count, settings, noise]) => {
              const walk = course.adam.walk(name, H, start, count, settings, noise);
              return [walk, walk.map((theta) => course.adam.loss(H, theta))];
            }""",
            [
                *(name, H.tolist(), start.tolist(), live.LIVE_STEPS, vars(use)),
                None if noise is None else noise.tolist(),
            ],
        )
        right = lab.walk(name, H, start, live.LIVE_STEPS, use, noise)
        # At a minimum a rounding error turns a normalised step round: compared until it gets there.
        until = 20 if name == "normalised" else live.LIVE_STEPS
        np.testing.assert_allclose(walk[:until], right[:until], atol=1e-9, err_msg=name)
        np.testing.assert_allclose(
            loss[:until], lab.quadratic(H, right)[:until], rtol=1e-7, atol=1e-7
        )


def test_it_says_its_state_in_numbers(page: Page, site: Site) -> None:
    box = open_race(page, site)
    expect(state(box)).to_contain_text("Loss after step 60, lowest first: ")
    words = state(box).inner_text()
    use = {name: live.live_settings(name) for name in lab.NAMES}
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
        ("Noise in each gradient", "1"),
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
    assert lines.count() == 2 * (len(live.LIVE_NAMES) - 1)
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
    handle.evaluate("(e) => e.scrollIntoView({ block: 'end' })")  # the drawings stay above it
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
    boxes = page.locator(".live-figure")
    assert boxes.count() == 2
    for box in boxes.all():
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


# The desk, and what both figures share: play, one step, drawings that stay in sight.


def test_the_desk_shows_the_references_and_is_used_by_keyboard(page: Page, site: Site) -> None:
    """One slider, two, or Adam's: each mode has its own, and only its own."""
    box = open_race(page, site, DESK)
    data = live.desk_data()
    settings = [(0.018, 0.018, 0.1), (1.0, 0.01, 0.5), (0.005, 0.003, 0.02)]
    for mode, (along, across, length) in itertools.product(live.DESK_MODES, settings):
        answer = page.evaluate(
            "([mode, data, set]) => course.adam.desk(mode, data, set)",
            [mode, data, {"along": along, "across": across, "length": length}],
        )
        points, rates = live.desk_walk(mode, along, across, length)
        walked = np.array(answer["points"], dtype=float)
        np.testing.assert_allclose(walked, points, rtol=1e-9, atol=1e-9, err_msg=mode)
        np.testing.assert_allclose(answer["rates"], rates, rtol=1e-9, err_msg=mode)
    walk = live.desk_walk("one", 0.018, 0.018, 0.1)[0]
    expect(state(box)).to_contain_text(f"Step 40: loss {lab.ravine(walk[40]):.2g}, of 208")
    assert slider(box, "lr").count() == 1
    slider(box, "lr for both").focus()
    page.keyboard.press("ArrowRight")
    expect(state(box)).to_contain_text("Learning rate 0.02 along the floor, 0.02 across")
    box.get_by_role("radio", name="one for both").focus()
    page.keyboard.press("ArrowRight")
    slider(box, "lr along the floor").focus()
    page.keyboard.press("End")
    slider(box, "lr across").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    expect(slider(box, "lr across")).to_have_attribute("aria-valuetext", "0.0089")
    page.keyboard.press("ArrowRight")
    expect(state(box)).to_contain_text("loss below 10")
    box.get_by_role("radio", name="one each, by you").focus()
    page.keyboard.press("ArrowRight")
    expect(slider(box, "lr of Adam")).to_be_visible()
    expect(slider(box, "lr across")).to_be_hidden()
    along, across = live.desk_walk("itself", 1, 1, 0.1)[1][39]
    expect(state(box)).to_contain_text(f"{along:.2g} along the floor, {across:.2g} across")


def test_it_plays_steps_and_stops(page: Page, site: Site) -> None:
    box = open_race(page, site, DESK)
    box.get_by_role("button", name="One step").click()
    expect(state(box)).to_contain_text("Step 41")
    box.get_by_role("button", name="Play").click()
    expect(state(box)).to_contain_text("Step 60", timeout=10_000)
    expect(box.get_by_role("button", name="Play")).to_be_visible()
    box.get_by_role("button", name="Play").click()
    expect(box.locator(".live-state")).to_contain_text(re.compile("Step [1-9]:"))
    expect(box.get_by_role("button", name="Pause")).to_be_visible()
    slider(box, "lr for both").focus()
    page.keyboard.press("ArrowLeft")
    expect(box.get_by_role("button", name="Play")).to_be_visible()


def test_the_drawings_are_in_sight_while_the_last_slider_moves(page: Page, site: Site) -> None:
    """On a phone and on a small laptop: panels and sentence whole, the slider below them."""
    screens, figures = [(390, 844), (1366, 768)], [(LABEL, "weight_decay"), (DESK, "Step shown")]
    open_race(page, site)
    bar = page.locator(".bd-header-article")
    for (width, height), (label, last) in itertools.product(screens, figures):
        page.set_viewport_size({"width": width, "height": height})
        box = page.get_by_role("group", name=label)
        slider(box, last).evaluate(
            "(e) => { e.scrollIntoView({ block: 'end' }); scrollBy(0, 30); }"
        )
        parts = (bar, box.locator(".live-held"), slider(box, last))
        top, held, knob = (part.bounding_box() for part in parts)
        assert top and held and knob
        assert held["y"] >= top["y"] + top["height"] - 1, "the page's bar covers the drawing"
        assert held["y"] + held["height"] <= knob["y"] + 1, "the drawing covers the slider"
        assert knob["y"] + knob["height"] <= height
