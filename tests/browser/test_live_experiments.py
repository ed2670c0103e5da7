"""Chapter 8's interactive figures: the students' curves fall on one another; every curve of the
riddle is asked, every choice answered; by key and by thumb.

On pages of their own, so that a figure is tested whatever stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book import experiments_experiments as lab
from book import experiments_live as live
from book import experiments_students as students
from book.experiments_live import FAULTS, NAMES, RUNS, WORDS
from tests.tiny_site import NOTEBOOK, build

from .loopback import Site, serve, strays
from .test_site import Scheme, axe

pytestmark = pytest.mark.browser

# The figure names its files from a folder of pages, as the site has one.
PAGE = f"""{NOTEBOOK}
# Page

## Read the curve

```{{raw}} html
{{figure}}
```

The end.
"""


@contextmanager
def alone(base: Path, figure: str) -> Iterator[Site]:
    """A page with one figure."""
    folder, warnings = build(base, PAGE.replace("{figure}", figure), look=True)
    assert "index.md" not in warnings, warnings
    (base / "_static").symlink_to(folder / "_static")
    with serve(base) as served:
        yield served


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with alone(tmp_path_factory.mktemp("curves"), live.curves_figure()) as served:
        yield served


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with alone(tmp_path_factory.mktemp("students"), students.students_figure()) as served:
        yield served


def open_figure(page: Page, site: Site, label: str = live.LABEL) -> Locator:
    page.goto(f"{site.url}/html/index.html", wait_until="load")
    box = page.get_by_role("group", name=f"Interactive figure: {label}")
    box.scroll_into_view_if_needed()
    expect(box.locator(".live-still")).to_be_hidden()
    return box


# Two students.


def open_students(page: Page, site: Site) -> Locator:
    return open_figure(page, site, students.LABEL)


def lines(box: Locator, panel: int) -> dict[str, list[list[float]]]:
    """The corners of each form's line in a panel, in the units of the drawing."""
    drawn = box.locator(".live-panel").nth(panel).locator("polyline.live-line")
    found = [
        [[float(v) for v in pair.split(",")] for pair in (points or "").split()]
        for points in (line.get_attribute("points") for line in drawn.all())
    ]
    return dict(zip(students.FORMS, found, strict=True))


def furthest(one: list[list[float]], other: list[list[float]]) -> float:
    """The largest distance of two lines, corner by corner."""
    pairs = zip(one, other, strict=True)
    return max(abs(a - b) for points in pairs for a, b in zip(*points, strict=True))


def test_the_students_open_apart_and_fall_on_one_another(page: Page, opening: Site) -> None:
    box = open_students(page, opening)
    same, lr, beta = students.OPENING
    assert state(box) == students.state(same, lr, beta)
    before = lines(box, 0)
    assert furthest(before["pytorch"], before["averaged"]) > 40
    assert furthest(before["plain"], before["averaged"]) < 10
    box.get_by_role("radio", name=students.WORDS["options"]["step"]).check()
    assert state(box) == students.state("step", lr, beta)
    after = lines(box, 0)
    assert after["pytorch"] == before["pytorch"], "student 1's lr is as it was"
    assert furthest(after["pytorch"], after["averaged"]) <= 0.2
    assert furthest(after["pytorch"], after["plain"]) < 20


def test_what_the_students_figure_draws_is_the_runs(page: Page, opening: Site) -> None:
    """Higher in the runs is higher in the drawing, at every place of both sliders."""
    box = open_students(page, opening)
    runs, top = lab.two_students(), 4.0
    for same, label in students.WORDS["options"].items():
        box.get_by_role("radio", name=label).check()
        for beta in lab.STUDENT_BETAS:
            box.get_by_role("slider", name="β").fill(str(lab.STUDENT_BETAS.index(beta)))
            for i, lr in enumerate(lab.STUDENT_RATES):
                box.get_by_role("slider", name="lr").fill(str(i))
                assert state(box) == students.state(same, lr, beta)
                drawn, ends = lines(box, 0), lines(box, 1)
                pairs: list[tuple[float, float]] = []
                for form, key in students.keys(same, lr, beta).items():
                    losses = np.median(students.finite(runs[key].train_loss), axis=0)
                    pairs += zip(losses, (-y for _, y in drawn[form]), strict=True)
                    # The other panel is as high: what ends here stands there at the same height.
                    assert ends[form][i][1] == pytest.approx(drawn[form][-1][1], abs=0.11)
                heights = [height for loss, height in sorted(pairs) if loss < top]
                assert all(b >= a - 0.11 for a, b in pairwise(heights))


def test_the_students_by_keyboard_alone(page: Page, opening: Site) -> None:
    box = open_students(page, opening)
    _, lr, beta = students.OPENING
    box.get_by_role("slider", name="lr").focus()
    page.keyboard.press("ArrowRight")
    following = lab.STUDENT_RATES[lab.STUDENT_RATES.index(lr) + 1]
    assert state(box) == students.state("lr", following, beta)
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert state(box) == students.state("lr", following, 0.0)
    drawn = lines(box, 0)
    assert drawn["pytorch"] == drawn["plain"] == drawn["averaged"], "without memory all are one"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert state(box) == students.state("step", following, 0.0)


def test_on_a_phone_the_students_curves_stay_in_sight(phone: Page, opening: Site) -> None:
    """What a thumb or a key brings into sight leaves the drawings there, and is not below them."""
    box = open_students(phone, opening)
    controls = box.locator("input").all()
    assert len(controls) == 4
    for control in controls:
        for block in ("start", "end"):
            control.evaluate(
                "(e, block) => e.scrollIntoView({ block, behavior: 'instant' })", block
            )
            place, held = control.bounding_box(), box.locator(".live-held").bounding_box()
            assert place is not None
            assert held is not None
            assert place["y"] >= held["y"] + held["height"] - 1
            for drawing in box.locator(".live-panel svg").all():
                expect(drawing).to_be_in_viewport(ratio=0.9)
    for target in [*box.get_by_role("slider").all(), *box.locator(".live-choice label").all()]:
        place = target.bounding_box()
        assert place is not None
        assert place["height"] >= 44
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
    box.locator(".live-choice label").last.tap()
    assert state(box) == students.state("step", *students.OPENING[1:])
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [320, 1366])
def test_the_students_fit_the_screen(page: Page, opening: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    box = open_students(page, opening)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for words in box.locator("text, legend, label, .live-legend > span").all():
        place = words.bounding_box()
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_with_the_students(
    browser: Browser, opening: Site, scheme: Scheme
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    found = strays(page, opening)
    open_students(page, opening)
    assert not axe(page)
    assert not found
    context.close()


def test_the_students_in_print_and_without_javascript(browser: Browser, opening: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{opening.url}/html/index.html", wait_until="load")
    box = page.locator(".live-figure")
    check_picture(box)
    assert box.locator("input, button, svg").count() == 0
    context.close()
    page = browser.new_page()
    box = open_students(page, opening)
    page.emulate_media(media="print")
    check_picture(box)
    expect(box.locator(".live-held")).to_be_hidden()
    page.close()


# Read the curve.


def press(box: Locator, name: str) -> None:
    box.get_by_role("button", name=name, exact=True).click()


def state(box: Locator) -> str:
    return box.locator(".live-state[aria-live]").inner_text()


def asked(box: Locator) -> tuple[str, str]:
    """The run that is asked. Where two have the same curve in numbers, a closer look parts them."""
    told = box.locator(".live-about").text_content()
    found = [key for key in RUNS if told and told.endswith(live.curve(*key))]
    for look, label in WORDS["looks"].items():
        if len(found) > 1:
            box.get_by_role("combobox").select_option(label)
            said = box.locator(".live-tall p[aria-live]").inner_text()
            found = [key for key in found if live.looks(*key)[look] == said]
    box.get_by_role("combobox").select_option("")
    assert len(found) == 1, found
    return found[0]


def go_to(box: Locator, fault: str, name: str | None = None) -> tuple[str, str]:
    """Go on to a curve with this fault."""
    for _ in RUNS:
        key = asked(box)
        if key[1] == fault and name in (None, key[0]):
            return key
        press(box, WORDS["tell"])
        press(box, WORDS["next"])
    raise AssertionError(fault)


def points(box: Locator, panel: int, line: int, suspect: bool = False) -> list[list[float]]:
    """The corners of a line, in the units of the drawing."""
    lines = ".live-suspect" if suspect else "g[class^=live-c]:not(.live-suspect)"
    drawn = box.locator(".live-panel").nth(panel).locator(f"{lines} polyline").nth(line)
    text = drawn.get_attribute("points") or ""
    return [[float(v) for v in pair.split(",")] for pair in text.split()]


def check_heights(box: Locator, runs: dict[bool, tuple[str, str]]) -> None:
    """What is higher in a run is higher in the drawing: lines of this run, or of a suspect's."""
    pairs: list[tuple[float, float]] = []
    for suspect, key in runs.items():
        found = live.run(*key)
        for line, losses in enumerate((found.train_loss, found.test_loss)):
            places = points(box, 0, line, suspect)
            assert len(places) == len(losses)
            # The drawing ends at a million.
            pairs += [(z, -y) for z, (_, y) in zip(losses, places, strict=True) if z < 1e6]
    heights = [height for _, height in sorted(pairs)]
    # It is rounded to a tenth of its unit.
    assert all(b >= a - 0.11 for a, b in pairwise(heights))


def test_a_round_asks_every_curve_once_and_counts_first_tries(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny)
    keys, found = [], 0
    for number in range(len(RUNS)):
        key = asked(box)
        keys.append(key)
        progress = box.locator(".live-progress").inner_text()
        assert progress.startswith(f"Curve {number + 1} of {len(RUNS)}")
        if number:
            assert progress.endswith(f"{found} of {number} right")
        expect(box.get_by_role("button", name=re.compile("[✓✗]"))).to_have_count(0)
        wrong = FAULTS[0] if key[1] == FAULTS[3] else FAULTS[3]
        if number % 3 == 1:
            press(box, NAMES[wrong])
        if number % 3 == 2:
            press(box, WORDS["tell"])
            assert state(box) == live.curve_data(*key)["told"]
        else:
            press(box, NAMES[key[1]])
            assert state(box) == live.feedback(*key, key[1])
            found += number % 3 == 0
        expect(box.get_by_role("button", name=f"✓ {NAMES[key[1]]}")).to_be_visible()
        last = number == len(RUNS) - 1
        press(box, WORDS["results" if last else "next"])
    assert sorted(keys) == sorted(RUNS)
    assert keys != list(RUNS)
    expect(box.locator(".live-progress")).to_have_text(WORDS["result"].format(found=found, all=18))
    assert found == 6
    for number, (_, fault) in enumerate(keys):
        wrong = FAULTS[0] if fault == FAULTS[3] else FAULTS[3]
        if number % 3 == 1:
            assert f"“{NAMES[fault]}” taken for “{NAMES[wrong]}”" in state(box)
        if number % 3 == 2:
            assert f"“{NAMES[fault]}” (told)" in state(box)
    press(box, WORDS["again"])
    again = []
    for _ in RUNS:
        again.append(asked(box))
        press(box, NAMES[again[-1][1]])
        box.locator(".live-side .live-row").last.get_by_role("button").click()
    assert sorted(again) == sorted(RUNS)
    assert again != keys
    assert again[0] != keys[-1]
    assert state(box) == WORDS["all_found"]


def test_each_wrong_choice_is_answered_and_drawn(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny)
    for _ in range(3):
        key = asked(box)
        for chosen in FAULTS:
            if chosen == key[1]:
                continue
            box.get_by_role("button", name=re.compile(f"^(✗ )?{NAMES[chosen]}$")).click()
            assert state(box) == live.feedback(*key, chosen)
            expect(box.locator(".live-suspect polyline")).to_have_count(2)
            check_heights(box, {False: key, True: (key[0], chosen)})
            expect(box.locator(".live-legend").first).to_contain_text(NAMES[chosen])
        expect(box.get_by_role("button", name=WORDS["next"])).to_be_hidden()
        press(box, NAMES[key[1]])
        expect(box.locator(".live-suspect polyline")).to_have_count(0)
        press(box, WORDS["next"])
    expect(box.locator(".live-progress")).to_contain_text("0 of 3 right")


def test_after_the_answer_another_choice_costs_nothing(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny)
    key = asked(box)
    press(box, NAMES[key[1]])
    other = FAULTS[1] if key[1] == FAULTS[0] else FAULTS[0]
    press(box, NAMES[other])
    assert state(box) == live.feedback(*key, other)
    box.get_by_role("button", name=f"✓ {NAMES[key[1]]}").click()
    press(box, WORDS["next"])
    expect(box.locator(".live-progress")).to_contain_text("1 of 1 right")


def test_a_closer_look_draws_and_says_what_was_measured(page: Page, tiny: Site) -> None:
    box = open_figure(page, tiny)
    key = go_to(box, "uncleared")
    expect(box.locator(".live-panel")).to_have_count(1)
    for look, label in WORDS["looks"].items():
        box.get_by_role("combobox", name=WORDS["look"]).select_option(label)
        expect(box.locator(".live-panel")).to_have_count(2)
        assert box.locator(".live-tall p[aria-live]").inner_text() == live.looks(*key)[look]
        made = live.curve_data(*key)[look]
        for i, line in enumerate(made):
            assert len(points(box, 1, i)) == len(line)
    box.get_by_role("combobox").select_option(WORDS["nothing"])
    expect(box.locator(".live-panel")).to_have_count(1)
    press(box, NAMES["uncleared"])
    expect(box.get_by_role("combobox")).to_have_value(live.DECIDES["uncleared"])


def test_the_lines_are_the_runs(page: Page, tiny: Site) -> None:
    """What is higher in the run is higher in the drawing, and the first dot is the first loss."""
    box = open_figure(page, tiny)
    for _ in RUNS:
        key = asked(box)
        check_heights(box, {False: key})
        dot = box.locator(".live-panel").first.locator("circle")
        assert float(dot.get_attribute("cy") or "nan") == points(box, 0, 0)[0][1]
        press(box, WORDS["tell"])
        box.locator(".live-side .live-row").last.get_by_role("button").click()


def test_by_keyboard_alone(page: Page, tiny: Site) -> None:
    """Each press leaves the focus on something that is there."""
    box = open_figure(page, tiny)
    key = asked(box)
    box.get_by_role("combobox").focus()
    page.keyboard.press("ArrowDown")
    expect(box.locator(".live-panel")).to_have_count(2)
    for _ in range(1 + FAULTS.index(key[1])):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert state(box) == live.feedback(*key, key[1])
    for _ in range(len(FAULTS) - FAULTS.index(key[1])):
        page.keyboard.press("Tab")
    expect(box.get_by_role("button", name=WORDS["next"])).to_be_focused()
    page.keyboard.press("Enter")
    expect(box.locator(".live-progress")).to_be_focused()
    box.get_by_role("button", name=WORDS["tell"]).focus()
    page.keyboard.press("Space")
    expect(box.get_by_role("button", name=WORDS["next"])).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, tiny: Site, scheme: Scheme) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    box = open_figure(page, tiny)
    key = asked(box)
    press(box, NAMES[FAULTS[1] if key[1] == FAULTS[0] else FAULTS[0]])
    box.get_by_role("combobox").select_option(WORDS["looks"]["gradient"])
    assert not axe(page)
    context.close()


def test_it_asks_no_other_host_and_throws_nothing(page: Page, tiny: Site) -> None:
    found = strays(page, tiny)
    box = open_figure(page, tiny)
    for label in WORDS["looks"].values():
        box.get_by_role("combobox").select_option(label)
    press(box, WORDS["tell"])
    assert not found


def test_a_phone_has_room_for_a_thumb(phone: Page, tiny: Site) -> None:
    box = open_figure(phone, tiny)
    key = asked(box)
    drawing = box.locator(".live-panel svg").first.bounding_box()
    assert drawing is not None
    answers = box.get_by_role("group", name=WORDS["question"]).get_by_role("button")
    expect(answers).to_have_count(len(FAULTS))
    for control in [*answers.all(), box.get_by_role("combobox")]:
        place = control.bounding_box()
        assert place is not None
        assert place["height"] >= 44
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
        # The curve and what is said of it share a screen, below the page's header.
        assert place["y"] + place["height"] - drawing["y"] < 844 - 60
    answers.nth(FAULTS.index(key[1])).tap()
    assert state(box).startswith("Yes, ")
    for label in WORDS["looks"].values():
        box.get_by_role("combobox").select_option(label)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    # Where the numbers take too much room they are still read out.
    size = box.locator(".live-numbers").bounding_box()
    assert size is not None
    assert max(size["width"], size["height"]) <= 2
    box.get_by_role("button", name=WORDS["next"]).tap()
    expect(box.locator(".live-progress")).to_be_in_viewport()


def test_the_curves_in_print_and_without_javascript(browser: Browser, tiny: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{tiny.url}/html/index.html", wait_until="load")
    box = page.locator(".live-figure")
    check_still(box)
    assert box.locator("input, button, svg").count() == 0
    context.close()
    page = browser.new_page()
    box = open_figure(page, tiny)
    page.emulate_media(media="print")
    check_still(box)
    expect(box.locator(".live-tall")).to_be_hidden()
    page.close()


def check_picture(box: Locator) -> None:
    picture = box.locator(".live-still img")
    expect(picture).to_be_visible()
    size = picture.bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) > 200


def check_still(box: Locator) -> None:
    check_picture(box)
    for fault, name in live.STILL_RUNS.items():
        expect(box.locator(".live-still")).to_contain_text(live.why(name, fault))
