"""Predictions as a reader meets them: keys, thumbs, ears, paper, and no script at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.test_predict import CHOICES, END, box
from tests.tiny_site import NOTEBOOK, build

from .loopback import Site, serve
from .test_site import Scheme, axe

pytestmark = pytest.mark.browser

NUMBERS = [
    # The truth as the page writes it, the rule, what is typed, what is said.
    ("13,002", "within: 0.1", "500", r"✗ Not quite\.You said 500; it is 13,002: 26 times as many"),
    ("13,002", "within: 0.1", "13,000", r"✓ Right\.You said 13,000; it is 13,002\."),
    ("13,002", "within: 0", "13000", r"✗ .*you are 0\.015 % too low"),
    ("13,002", "within: 0", "13 002", r"✓ Right\.It is 13,002\."),
    ("−0.25", "within: 0", "-0.25", r"✓ Right\.It is −0\.25"),
    ("−0.25", "within: 0", "0,25", r"✗ .*you are too high"),
    ("0.5", "within: 0", "0,5", r"✓"),
    ("6\u00a0×\u00a010⁻¹¹", "factor: 2", "1e-10", r"✓ Right\.You said 1e-10; it is 6 × 10⁻¹¹"),
    ("6\u00a0×\u00a010⁻¹¹", "factor: 2", "3 x 10^-11", r"✓ "),
    ("6\u00a0×\u00a010⁻¹¹", "factor: 2", "6e-9", r"✗ .*yours is 100 times too large"),
    ("6\u00a0×\u00a010⁻¹¹", "factor: 2", "10⁻¹³", r"✗ .*600 times as large"),
    ("1.5e−05", "within: 0", "1.5e-5", r"✓ "),
    ("0", "within: 0", "1", r"✗ .*you are too high"),
    ("20", "within: 0.1", "two", r"^Write a number"),
    ("20", "within: 0.1", "1/3", r"^Write a number"),
    ("20", "within: 0.1", "20 %", r"^Write a number"),
]
ASKED = "\n".join(
    box(f":::{{number}} How many?\n:{rule}\n{truth}\n:::", f"Number {i}") + f"\nSee.\n{END}"
    for i, (truth, rule, _, _) in enumerate(NUMBERS)
)

PAGE = f"""{NOTEBOOK}
# Page

To [the figure](fig-one).

{box("Look at $x^2$." + CHOICES)}
The result is $y$.

```{{code-cell}} python
---
tags: [hide-input]
mystnb:
  figure: {{name: fig-one, caption: One.}}
  image: {{alt: a line that rises}}
---
import matplotlib.pyplot as plt
plt.figure(figsize=(4, 2))
plt.plot([1, 2])
plt.show()
```
{END}

{box(":::{sketch} Draw the loss" + chr(10) + ":name: line" + chr(10) + ":::", "All start at 0.")}

```{{code-cell}} python
:tags: [remove-input]
from IPython.display import HTML, display
from book.page import sketch_curve
x = list(range(13))
display(HTML(sketch_curve("line", x, [1 - i / 12 for i in x], xlabel="epoch", ylabel="loss")))
gap = [10.0**-i for i in x]
display(HTML(sketch_curve("log", x, gap, xlabel="epoch", ylabel="gap", ylog=True)))
```
The loss falls.
{END}

{box(":::{sketch} Draw the gap" + chr(10) + ":name: log" + chr(10) + ":::", "And the gap?")}
The gap falls.
{END}

## Numbers

{ASKED}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, warnings = build(tmp_path_factory.mktemp("tiny"), PAGE, look=True)
    assert "index.md" not in warnings, warnings
    with serve(folder) as served:
        yield served


def visit(page: Page, tiny: Site, anchor: str = "") -> None:
    """Open the page and wait until its boxes are awake."""
    page.goto("about:blank")
    page.goto(f"{tiny.url}/index.html{anchor}")
    page.locator(".predict-box.predict-live").last.wait_for()


def part(page: Page, number: int) -> tuple:
    """A box and its fold."""
    return page.locator(".predict-box").nth(number), page.locator("details.reveal").nth(number)


def test_a_choice_by_keyboard_is_answered_and_unfolds(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, fold = part(page, 0)
    assert fold.get_attribute("open") is None
    both, sigmoid = asked.get_by_role("button").all()
    both.focus()
    page.keyboard.press("Enter")
    expect(fold).to_have_attribute("open", "")
    expect(fold.locator("figure")).to_be_visible()
    answers = asked.locator("[aria-live=polite] .predict-answer")
    expect(answers.nth(0)).to_contain_text("✗ Not quite.")
    expect(answers.nth(1)).to_be_hidden()
    assert both.get_attribute("aria-pressed") == "true"
    assert both.text_content() == "Both✗Not quite."
    page.keyboard.press("Tab")
    expect(sigmoid).to_be_focused()
    page.keyboard.press("Space")
    expect(answers.nth(1)).to_contain_text("✓ Right.")
    expect(answers.nth(0)).to_be_hidden()
    assert [b.get_attribute("aria-pressed") for b in (both, sigmoid)] == ["false", "true"]


def test_a_choice_by_thumb(phone: Page, tiny: Site) -> None:
    visit(phone, tiny)
    asked, fold = part(phone, 0)
    asked.get_by_role("button", name="sigmoid").tap()
    expect(fold).to_have_attribute("open", "")
    expect(asked.locator(".predict-answer:visible")).to_contain_text("Right.")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390


def test_what_a_thumb_presses_is_as_large_as_a_thumb(phone: Page, tiny: Site) -> None:
    visit(phone, tiny)
    pressed = phone.locator(".predict-box button, .predict-box input, details.reveal > summary")
    boxes = [target.bounding_box() for target in pressed.all()]
    sizes = [shape for shape in boxes if shape]
    assert len(sizes) == len(boxes) > 30
    assert all(min(size["width"], size["height"]) >= 44 for size in sizes)


def test_show_me_needs_no_choice(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, fold = part(page, 0)
    fold.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(fold.locator("figure")).to_be_visible()
    expect(asked.locator(".predict-answer:visible")).to_have_count(0)


def test_a_group_is_named_by_its_question(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    expect(page.get_by_role("group", name="Which moves?")).to_have_count(1)
    expect(page.get_by_role("textbox", name="How many?")).to_have_count(len(NUMBERS))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, tiny: Site, scheme: Scheme) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    visit(page, tiny)
    part(page, 0)[0].get_by_role("button").first.click()
    part(page, 1)[0].get_by_role("button").click()
    part(page, 3)[0].get_by_role("textbox").fill("500")
    part(page, 3)[0].get_by_role("button").click()
    found = [line for line in axe(page) if "predict" in line or "reveal" in line]
    context.close()
    assert not found


def test_numbers_are_read_and_judged(page: Page, tiny: Site) -> None:
    sent: list[str] = []
    visit(page, tiny)
    page.on("request", lambda request: sent.append(request.url))
    for number, (_, _, typed, said) in enumerate(NUMBERS, 3):
        asked, fold = part(page, number)
        field = asked.get_by_role("textbox")
        field.fill(typed)
        field.press("Enter")
        words = asked.locator("[aria-live=polite]").text_content()
        words = (words or "").replace("\u00a0", " ")
        assert re.search(said, words), (typed, words)
        refused = said.startswith("^")
        assert (fold.get_attribute("open") is None) is refused
        assert field.get_attribute("aria-invalid") == str(refused).lower()
    assert not sent


def test_a_curve_by_keyboard(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, fold = part(page, 1)
    knots = asked.get_by_role("slider")
    assert knots.count() == 7
    first = asked.get_by_role("slider", name="loss, where epoch is 0")
    assert first.get_attribute("aria-valuetext") == "0.5"
    curve = asked.locator("svg .predict-curve")
    expect(curve).to_have_css("visibility", "hidden")
    # The curve falls from 1 to 0 by sixths: a knot at each even epoch.
    for number, knot in enumerate(knots.all()):
        knot.focus()
        page.keyboard.press("End")
        for _ in range(number * 20 // 3 // 4):
            page.keyboard.press("PageDown")
    assert first.get_attribute("aria-valuetext") == "1"
    knots.last.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    assert knots.last.get_attribute("aria-valuetext") == "0.025"
    asked.get_by_role("button", name="Show the curve").press("Enter")
    expect(asked.locator("[aria-live=polite]")).to_contain_text("✓ Close.You are off by 0.0")
    expect(curve).to_have_css("visibility", "visible")
    expect(fold).to_have_attribute("open", "")
    # Committed: what was drawn stays.
    knots.last.press("End")
    assert knots.last.get_attribute("aria-valuetext") == "0.025"


def test_show_me_shows_the_curve_to_who_has_not_sketched(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, fold = part(page, 1)
    fold.locator("summary").first.click()
    expect(asked.locator("svg .predict-curve")).to_have_css("visibility", "visible")


def test_a_curve_by_finger(phone: Page, tiny: Site) -> None:
    visit(phone, tiny)
    asked, fold = part(phone, 1)
    drawing = asked.locator("svg").first
    drawing.scroll_into_view_if_needed()
    shape = drawing.bounding_box()
    assert shape
    at = [
        (shape["x"] + right * shape["width"], shape["y"] + down * shape["height"])
        for right, down in ((0.16, 0.06), (0.95, 0.06))
    ]
    touch = phone.context.new_cdp_session(phone)

    def finger(kind: str, *points: tuple[float, float]) -> None:
        where = [{"x": x, "y": y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    scrolled = phone.evaluate("scrollY")
    finger("touchStart", at[0])
    finger("touchMove", at[1])
    finger("touchEnd")
    # One stroke along the top takes every knot along, and does not scroll the page.
    heights = [float(k.get_attribute("aria-valuetext")) for k in asked.get_by_role("slider").all()]
    assert min(heights) > 0.9
    assert phone.evaluate("scrollY") == scrolled
    # Not a tap: Chromium takes one that soon for the end of the stroke.
    asked.get_by_role("button").click()
    says = asked.locator("[aria-live=polite]")
    expect(says).to_contain_text("✗ Not quite.You are off by 0.")
    expect(says).to_contain_text("Most where epoch is 12: there you drew")
    expect(says).to_contain_text("and it is 0.")
    expect(fold).to_have_attribute("open", "")


def test_a_curve_on_a_logarithmic_axis_is_off_by_a_factor(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, _ = part(page, 2)
    asked.get_by_role("button").click()
    # Flat at 10⁻⁶; the curve goes from 1 to 10⁻¹²: 42 decades of gaps at 13 places.
    expect(asked.locator("[aria-live=polite]")).to_contain_text("a factor of 1,700 on average")
    expect(asked.locator("[aria-live=polite]")).to_contain_text("Most where epoch is 0")


def test_without_a_script_all_are_folds(browser: Browser, tiny: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{tiny.url}/index.html")
    asked, fold = part(page, 0)
    expect(fold.locator("figure")).to_be_hidden()
    asked.locator("summary").first.click()
    expect(asked.locator(".predict-answer").first).to_contain_text("Not quite.")
    fold.locator("summary").first.click()
    expect(fold.locator("figure")).to_be_visible()
    asked, _ = part(page, 3)
    asked.locator("summary").press("Enter")
    expect(asked.locator(".predict-answer")).to_have_text("13,002")
    context.close()


def test_on_paper_everything_is_open(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, fold = part(page, 0)
    page.emulate_media(media="print")
    expect(fold.locator("figure")).to_be_visible()
    for answer in asked.locator(".predict-answer").all():
        expect(answer).to_be_visible()
    expect(part(page, 3)[0].locator(".predict-answer")).to_be_visible()
    expect(part(page, 1)[0].locator("svg .predict-curve")).to_have_css("visibility", "visible")
    expect(page.locator(".predict-field button:visible")).to_have_count(0)
    page.emulate_media(media="screen")
    expect(fold.locator("figure")).to_be_hidden()
    # Where the style sheet cannot open a fold, a script does, and closes it again.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.reveal:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.reveal[open]").count() == 0


def test_a_link_into_a_fold_opens_it(page: Page, tiny: Site) -> None:
    visit(page, tiny, "#fig-one")
    expect(page.locator("#fig-one")).to_be_in_viewport()
    visit(page, tiny)
    _, fold = part(page, 0)
    link = page.get_by_role("link", name="the figure")
    for _ in range(2):  # the second time the address does not change
        expect(fold).not_to_have_attribute("open", "")
        link.click()
        expect(page.locator("#fig-one")).to_be_in_viewport()
        fold.locator("summary").first.click()


def test_a_search_hit_in_a_fold_opens_it(page: Page, tiny: Site) -> None:
    page.goto(f"{tiny.url}/search.html?q=result")
    page.locator("#search-results li a").first.click()
    page.locator(".predict-live").last.wait_for()
    expect(page.locator("details.reveal[open]")).to_have_count(1)
    expect(page.get_by_text("The result is")).to_be_visible()


def test_formulas_in_folds_and_answers_are_typeset_at_full_size(page: Page, tiny: Site) -> None:
    visit(page, tiny)
    asked, fold = part(page, 0)
    asked.get_by_role("button", name="sigmoid").click()
    sizes = {
        formula.evaluate("(e) => getComputedStyle(e).fontSize")
        for formula in [*asked.locator("math").all(), *fold.locator("math").all()]
    }
    assert asked.locator("math").count() == 2
    assert fold.locator("math").count() == 1
    assert len(sizes) == 1
