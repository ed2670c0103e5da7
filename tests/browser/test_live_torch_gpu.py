"""Chapter 9's interactive figures: they draw and say what is in the files, by key and by thumb.

On a page of its own, with files of devices that never were: so that they are tested whatever has
been measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import torch_gpu_crossing as crossing
from book import torch_gpu_live as live
from book import torch_gpu_spot as spot
from book.timing.reading import Timings
from book.torch_gpu_spot import MISTAKES, NAMES, Round
from tests.made_up_timings import made
from tests.tiny_site import NOTEBOOK, build

from .loopback import Site, serve, strays
from .test_site import Scheme, axe

pytestmark = pytest.mark.browser

BOTH = [made("cpu"), made("cuda")]
ROUNDS = spot.rounds(BOTH)
ROOFLINE, SPOT, CROSSING = live.ROOFLINE_LABEL, spot.SPOT_LABEL, crossing.CROSSING_LABEL
GPUS = crossing.gpus(BOTH)

# The figures name their files from a folder of pages, as the site has one.
PAGE = f"""{NOTEBOOK}
# Page

```{{raw}} html
{{crossing}}
```

```{{raw}} html
{{roofline}}
```

```{{raw}} html
{{spot}}
```

The end.
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("torch_gpu")
    text = PAGE.replace("{roofline}", live.roofline_figure(BOTH))
    text = text.replace("{crossing}", crossing.crossing_figure(BOTH))
    folder, warnings = build(base, text.replace("{spot}", spot.spot_figure(BOTH)), look=True)
    assert "index.md" not in warnings, warnings
    (base / "_static").symlink_to(folder / "_static")
    with serve(base) as served:
        yield served


def open_figure(page: Page, tiny: Site, label: str) -> Locator:
    page.goto(f"{tiny.url}/html/index.html", wait_until="load")
    box = page.get_by_role("group", name=f"Interactive figure: {label}")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


def state(box: Locator) -> str:
    return box.locator(".live-state").inner_text()


def press(box: Locator, name: str) -> None:
    box.get_by_role("button", name=name, exact=True).click()


def choose(box: Locator, timings: Timings, way: live.Way, width: int, batch: int) -> None:
    """Set all controls, as a reader would."""
    box.get_by_role("combobox", name="Device").select_option(timings.device)
    box.get_by_role("combobox", name="How").select_option(live.way_name(way))
    widths, batches = live.sizes(BOTH)
    for name, values, value in (("Width", widths, width), ("Batch", batches, batch)):
        box.get_by_role("slider", name=name).fill(str(values.index(value)))


def line(box: Locator, name: str) -> list[tuple[float, float]]:
    """The corners of a line, in the units of the drawing."""
    text = box.locator(f"[data-line={name}]").get_attribute("points") or ""
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def height(box: Locator) -> float:
    """Where the chosen step stands."""
    return float(box.locator("circle[r='7']").get_attribute("cy") or "nan")


# Processor or GPU.


def hold(box: Locator, gpu: crossing.Gpu, width: int, batch: int, launch: int) -> None:
    """Set all controls, as a reader would."""
    box.get_by_role("combobox", name="GPU").select_option(gpu.name)
    widths, batches = crossing.sizes(BOTH[0])
    settings = [("Width", widths, width), ("Batch", batches, batch)]
    if not gpu.timings:
        settings.append(("Each launch", list(crossing.LAUNCH_MICROS), launch))
    for name, values, value in settings:
        box.get_by_role("slider", name=name).fill(str(values.index(value)))


def test_the_page_opens_where_the_processor_is_about_to_lose(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, CROSSING)
    setting = crossing.first_setting(BOTH[0], GPUS[0])
    assert state(box) == crossing.said(BOTH[0], GPUS[0], *setting)
    assert "The GPU wins, by" not in state(box)
    expect(box).to_contain_text(BOTH[0].source)
    expect(box).to_contain_text(BOTH[1].source)
    box.get_by_role("slider", name="Batch").press("ArrowRight")
    assert "The processor wins, by" not in state(box)


def test_what_is_said_and_drawn_is_measured_or_the_model(page: Page, tiny: Site) -> None:
    """`said` is held to the readings and to a formula by tests/test_live_torch_gpu.py."""
    box = open_figure(page, tiny, CROSSING)
    rng = np.random.default_rng(1)
    widths, batches = crossing.sizes(BOTH[0])
    rings = set()
    for gpu in GPUS:
        for _ in range(12):
            width, batch, launch = (
                int(rng.choice(values)) for values in (widths, batches, crossing.LAUNCH_MICROS)
            )
            hold(box, gpu, width, batch, launch)
            text = crossing.said(BOTH[0], gpu, width, batch, launch)
            assert state(box) == text
            ring = box.locator("[data-ring]")
            assert ring.count() == ("from a batch of" in text)
            rings.add(ring.count())
            marks = box.locator("circle[r='6']")
            assert marks.count() == 1 + ("not timed" not in text) - ("no time" in text)
            level = line(box, "gpu")
            # A GPU's line never falls, and as a model it is nowhere below its launches.
            if not gpu.timings:
                assert all(a[1] >= b[1] - 0.2 for a, b in pairwise(level))
                (_, launches), *_ = line(box, "price")
                assert max(y for _, y in level) <= launches + 0.2
            if ring.count():
                ours = crossing.numbers(batches, crossing.processor_micros(BOTH[0], width, batches))
                theirs = crossing.numbers(
                    batches, crossing.gpu_micros(gpu, width, batches, 60, launch * 1e-6)
                )
                meet = crossing.meeting(batches, ours, theirs)
                assert meet is not None
                # Its place among the processor's marks.
                (x0, y0), (x1, y1), *_ = line(box, "processor")
                ends = {
                    "cx": (x0, x1, meet[0], *batches[:2]),
                    "cy": (y0, y1, meet[1], *list(ours.values())[:2]),
                }
                for name, (start, far, value, first, second) in ends.items():
                    share = np.log(value / first) / np.log(second / first)
                    shown = float(ring.get_attribute(name) or "nan")
                    assert shown == pytest.approx(start + share * (far - start), abs=1.5)
    assert rings == {0, 1}


def test_two_marks_are_as_far_apart_as_their_times(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, CROSSING)
    gpu = GPUS[1]
    hold(box, gpu, 256, 64, 10)
    ours = float(np.log10(crossing.processor_micros(BOTH[0], 256, [64])[0]))
    theirs = float(np.log10(crossing.gpu_micros(gpu, 256, [64], 60, 1e-5)[0] or 0))
    theirs_y, ours_y = (
        float(mark.get_attribute("cy") or "nan") for mark in box.locator("circle[r='6']").all()
    )
    # A launch ten times as dear moves a step that its launches bind by one decade.
    (_, cheap), *_ = line(box, "price")
    hold(box, gpu, 256, 64, 1)
    (_, cheaper), *_ = line(box, "price")
    decade = cheaper - cheap
    assert decade > 20
    assert (theirs_y - ours_y) / decade == pytest.approx(ours - theirs, abs=0.02)


def test_a_measured_gpu_has_no_launch_to_set(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, CROSSING)
    launch = box.get_by_role("slider", name="Each launch")
    expect(launch).to_have_count(0)
    box.get_by_role("combobox", name="GPU").select_option(GPUS[-1].name)
    expect(launch).to_be_visible()
    expect(box).to_contain_text("67 TFLOP/s")
    assert "(model)" in state(box)


def test_the_crossing_by_keyboard_alone(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, CROSSING)
    box.get_by_role("slider", name="Width").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert state(box).startswith("Width 16, batch 65,536.")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    launch = box.get_by_role("slider", name="Each launch")
    assert launch.get_attribute("aria-valuetext") == "20\u00a0µs"
    assert state(box) == crossing.said(BOTH[0], GPUS[1], 16, 65536, 20)


def test_a_thumb_moves_the_batch(phone: Page, tiny: Site) -> None:
    box = open_figure(phone, tiny, CROSSING)
    before = state(box)
    batch = box.get_by_role("slider", name="Batch")
    place = batch.bounding_box()
    assert place is not None
    batch.tap(position={"x": 0.97 * place["width"], "y": place["height"] / 2})
    assert state(box) != before
    assert "batch 65,536." in state(box)


# The roofline.


def test_it_begins_with_a_step_that_its_launches_bind(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, ROOFLINE)
    assert state(box) == live.said(BOTH[0], live.first_step(BOTH[0]))
    assert "Its launches bind it" in state(box)
    expect(box).to_contain_text(BOTH[0].source)


def test_every_step_is_said_and_drawn_as_it_was_measured(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, ROOFLINE)
    rng = np.random.default_rng(0)
    for timings, device in zip(BOTH, live.roofline_data(BOTH)["devices"], strict=True):
        decade = 200 / (len(device["y"]) - 1)
        for way, found in live.steps(timings).items():
            keys = list(found)
            for at in rng.permutation(len(keys))[:5]:
                point = found[keys[at]]
                choose(box, timings, way, *keys[at])
                assert state(box) == live.said(timings, point)
                if "skipped" in point:
                    expect(box.locator("circle[r='7']")).to_have_count(0)
                    continue
                bound = timings.bound(point)
                # Its distance from the lowest limit, in decades, is the share that it reaches.
                (_, low), (_, high) = line(box, "gap")
                assert low == height(box)
                (_, peak), _ = line(box, "arithmetic")
                assert (low - high) / decade == pytest.approx(-np.log10(bound.share), abs=0.02)
                if bound.binds == "arithmetic":
                    assert high == pytest.approx(peak, abs=1.5)
                readings = len(live.readings_of(point))
                dots = box.locator(".live-readings").get_attribute("d") or ""
                assert dots.count("M") == readings
                expect(box).to_contain_text(f"{readings} readings")


def test_a_size_that_is_not_in_the_plan_says_so(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, ROOFLINE)
    compiled = ("torch", "bf16", "compile")
    assert (16, 1) not in live.steps(BOTH[1])[compiled]
    choose(box, BOTH[1], compiled, 16, 1)
    assert live.ROOFLINE_WORDS["absent"] in state(box)


def test_another_device_keeps_the_library_if_it_has_it(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, ROOFLINE)
    way = box.get_by_role("combobox", name="How")
    device = box.get_by_role("combobox", name="Device")
    way.select_option("torch, float32")
    device.select_option(BOTH[1].device)
    assert way.locator("option:checked").inner_text() == "torch, float32"
    expect(box).to_contain_text(BOTH[1].source)
    device.select_option(BOTH[0].device)
    assert way.locator("option:checked").inner_text() == "torch, float32"
    device.select_option(BOTH[1].device)
    way.select_option("torch, BF16")
    device.select_option(BOTH[0].device)
    assert way.locator("option:checked").inner_text() == "NumPy, float64"


def test_the_roofline_by_keyboard_alone(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, ROOFLINE)
    before = state(box)
    batch = box.get_by_role("slider", name="Batch")
    batch.focus()
    page.keyboard.press("ArrowRight")
    assert state(box) != before
    assert batch.get_attribute("aria-valuetext") == "4"
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert box.get_by_role("slider", name="Width").get_attribute("aria-valuetext") == "8,192"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(box).to_contain_text(BOTH[1].source)


# Spot the bug.


def asked(box: Locator) -> Round:
    text = box.locator(".live-about").text_content()
    (found,) = [r for r in ROUNDS if text == f"{spot.about(r)} {spot.numbers(r)}"]
    return found


def test_all_rounds_in_their_order_and_first_tries_count(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny, SPOT)
    found = 0
    for number, r in enumerate(ROUNDS):
        assert asked(box) == r
        progress = box.locator(".live-progress").inner_text()
        assert progress.startswith(f"Timing {number + 1} of {len(ROUNDS)}")
        if number:
            assert progress.endswith(f"{found} of {number} right")
        dots = box.locator(".live-readings").get_attribute("d") or ""
        assert dots.count("M") == len(r.readings)
        # Faster than possible is below the dashed line.
        (_, reported), _ = line(box, "reported")
        (_, least), _ = line(box, "least")
        assert (reported > least) is (r.share > 1)
        expect(box.locator(".live-span").first).to_be_visible(visible=r.simulated)
        if number % 3 == 1:
            wrong = next(m for m in MISTAKES if m != r.mistake and m not in spot.alike(r))
            press(box, NAMES[wrong])
            assert state(box) == spot.feedback(r, wrong)
            expect(box.get_by_role("button", name=f"✗ {NAMES[wrong]}")).to_be_visible()
        if number % 3 == 2:
            press(box, spot.SPOT_WORDS["tell"])
            assert state(box) == spot.told(r)
        else:
            press(box, NAMES[r.mistake])
            assert state(box) == spot.feedback(r, r.mistake)
            found += number % 3 == 0
        last = number == len(ROUNDS) - 1
        press(box, spot.SPOT_WORDS["results" if last else "next"])
    result = spot.SPOT_WORDS["result"].format(found=found, all=len(ROUNDS))
    expect(box.locator(".live-progress")).to_have_text(result)
    press(box, spot.SPOT_WORDS["again"])
    assert asked(box) == ROUNDS[0]


def test_each_choice_is_answered_and_one_that_looks_alike_is_no_miss(
    page: Page, tiny: Site
) -> None:
    box = open_figure(page, tiny, SPOT)
    for r in ROUNDS:
        for chosen in MISTAKES:
            if chosen != r.mistake:
                box.get_by_role("button", name=re.compile(f"{NAMES[chosen]}$")).click()
                assert state(box) == spot.feedback(r, chosen)
        assert box.get_by_role("button", name=re.compile("^≈")).count() == len(spot.alike(r))
        press(box, spot.SPOT_WORDS["tell"])
        box.locator(".live-side .live-row").last.get_by_role("button").click()
    press(box, spot.SPOT_WORDS["again"])
    for number, r in enumerate(ROUNDS):
        for chosen in spot.alike(r):
            press(box, NAMES[chosen])
        press(box, NAMES[r.mistake])
        if number + 1 < len(ROUNDS):
            press(box, spot.SPOT_WORDS["next"])
            expect(box.locator(".live-progress")).to_contain_text(f"{number + 1} of {number + 1}")


def test_spot_the_bug_by_keyboard_alone(page: Page, tiny: Site) -> None:
    """Each press leaves the focus on something that is there."""
    box = open_figure(page, tiny, SPOT)
    box.get_by_role("button", name=NAMES[MISTAKES[0]]).focus()
    for _ in range(MISTAKES.index(ROUNDS[0].mistake)):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert state(box).startswith("Yes: ")
    for _ in range(len(MISTAKES) - MISTAKES.index(ROUNDS[0].mistake)):
        page.keyboard.press("Tab")
    expect(box.get_by_role("button", name=spot.SPOT_WORDS["next"])).to_be_focused()
    page.keyboard.press("Enter")
    expect(box.locator(".live-progress")).to_be_focused()
    box.get_by_role("button", name=spot.SPOT_WORDS["tell"]).focus()
    page.keyboard.press("Space")
    expect(box.get_by_role("button", name=spot.SPOT_WORDS["next"])).to_be_focused()


# Both.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, tiny: Site, scheme: Scheme) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    box = open_figure(page, tiny, SPOT)
    press(box, NAMES[MISTAKES[2]])
    assert not axe(page)
    context.close()


def test_they_ask_no_other_host_and_throw_nothing(page: Page, tiny: Site) -> None:
    found = strays(page, tiny)
    box = open_figure(page, tiny, ROOFLINE)
    for timings in BOTH:
        for way in live.steps(timings):
            for key in ((16, 1), (8192, 65536), (256, 64)):
                choose(box, timings, way, *key)
    assert not found


@pytest.mark.parametrize("label", [CROSSING, ROOFLINE, SPOT])
def test_a_phone_sees_the_drawing_while_its_thumb_is_on_a_control(
    phone: Page, tiny: Site, label: str
) -> None:
    box = open_figure(phone, tiny, label)
    if label == CROSSING:
        box.get_by_role("combobox", name="GPU").select_option(GPUS[1].name)
    drawing = box.locator(".live-panel svg").first.bounding_box()
    assert drawing is not None
    controls = box.get_by_role("slider").or_(box.get_by_role("combobox"))
    if label == SPOT:
        controls = box.get_by_role("group", name=spot.SPOT_WORDS["question"]).get_by_role("button")
    assert controls.count() >= 4
    for control in controls.all():
        place = control.bounding_box()
        assert place is not None
        assert place["height"] >= 44
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
        # Both share a screen, below the page's header.
        assert place["y"] + place["height"] - drawing["y"] < 844 - 60
    if label == SPOT:
        controls.nth(MISTAKES.index(ROUNDS[0].mistake)).tap()
        assert state(box).startswith("Yes: ")
        box.get_by_role("button", name=spot.SPOT_WORDS["next"]).tap()
        expect(box.locator(".live-progress")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_in_print_and_without_javascript(browser: Browser, tiny: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{tiny.url}/html/index.html", wait_until="load")
    either, roofline, riddle = page.locator(".live-figure").all()
    check_stills(either, roofline, riddle)
    answers = riddle.locator("details li")
    expect(answers).to_have_count(len(ROUNDS))
    expect(answers.first).to_be_hidden()
    riddle.locator("summary").click()
    for answer, r in zip(answers.all(), ROUNDS, strict=True):
        expect(answer).to_have_text(spot.told(r))
        expect(answer).to_be_visible()
    context.close()
    page = browser.new_page()
    open_figure(page, tiny, ROOFLINE)
    page.emulate_media(media="print")
    either, roofline, riddle = page.locator(".live-figure").all()
    check_stills(either, roofline, riddle)
    expect(riddle.locator("details li").first).to_be_visible()
    page.close()


def check_stills(either: Locator, roofline: Locator, riddle: Locator) -> None:
    for box in (either, roofline, riddle):
        for picture in box.locator(".live-still img").all():
            size: Any = picture.bounding_box()
            assert min(size["width"], size["height"]) > 200
        expect(box.locator(".live-panel").first).to_be_hidden()
        assert box.locator("input:visible, button:visible").count() == 0
    setting = crossing.first_setting(BOTH[0], GPUS[0])
    expect(either).to_contain_text(crossing.said(BOTH[0], GPUS[0], *setting))
    for timings in BOTH:
        expect(roofline).to_contain_text(live.said(timings, live.first_step(timings)))
    for r in ROUNDS:
        expect(riddle.locator(".live-still > ol")).to_contain_text(spot.about(r))
