"""The class report: what it says, what it must not say, and how it looks in a browser."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from autograder.classes.report import bins, write_report
from autograder.classes.run import grade_class, quietly
from autograder.exercise import AuthorError
from autograder.gradebook.record import read_records
from autograder.grading.rounds import current_round

AXE = Path(__file__).parent / "browser" / "vendor" / "axe.min.js"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
EVIL = "<img src=x onerror=alert(1)>"


class Outline(HTMLParser):
    """The start tags of a page, and whether each is closed again."""

    VOID = frozenset(("meta", "link", "br", "wbr", "line", "rect"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def course(module_course):
    """Four learners, one of whom has a notebook with a name like markup, and one who is absent."""
    module_course.hand_in("amara", module_course.solved())
    module_course.hand_in("ben", module_course.mistaken(gabor="no_scale"))
    module_course.hand_in("chen", module_course.mistaken(gabor="no_scale"), f"{EVIL}.ipynb")
    module_course.hand_in("dara", module_course.answered({"gabor": "def gabor(t, x):\n    oops"}))
    with module_course.gradebook() as book:
        book.add_student("eve")
    grade_class(module_course.project, "gradient", progress=quietly, say=lambda text: None)
    return module_course


@pytest.fixture(scope="module")
def page(course) -> Path:
    return write_report(course.project, "gradient")


@pytest.fixture(scope="module")
def text(page) -> str:
    return page.read_text("utf-8")


def visible(text: str) -> str:
    """What a reader sees, in one line."""
    words = re.sub(r"<[^>]+>", " ", text[text.index("<body>") :])
    return " ".join(html.unescape(words).split())


def test_it_lies_where_it_is_said_to_be(course, page):
    assert page == course.grading / "reports" / "gradient.html"


def test_the_headline_numbers(text):
    for told in ("Graded 4 of 5", "Mean 14.5 of 20", "Median 19.0 of 20", "Full marks 1"):
        assert told in visible(text)
    # Of what a person marks nothing is said where there is none.
    assert "by hand" not in visible(text)


def test_each_functions_success(text):
    assert "gabor 25 % (1) · 2 1 · · · 0.25 of 1" in visible(text)
    assert "bfgs_ update 75 % (3)" in visible(text)


def test_mistakes_by_name_and_count_with_who_made_them(text):
    told = visible(text)
    assert "2 × gabor The factor 0.06 before theta[1] is missing. no_scale ben chen" in told
    assert "1 × gabor It raises NameError: name 'oops' is not defined. dara" in told


def test_who_is_stuck_and_who_is_absent(text):
    told = visible(text)
    assert "ben 19" in told and "✗ wrong no_ scale" in told
    assert "1 on the roster without a graded submission eve" in told


def test_what_learners_wrote_is_text(text):
    assert "&lt;img src=x onerror=alert(1)&gt;.ipynb was graded as gradient.ipynb" in text
    assert "img" not in {tag for tag, _ in Outline(text).tags}


def test_it_is_one_file_that_asks_nobody_for_anything(text):
    page = Outline(text)
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    links = [value for _, a in page.tags for key, value in a.items() if key in ("src", "href")]
    assert links == ["data:,"]
    assert not re.search(r"@import|url\(|https?:", text)


def test_tables_have_captions_and_their_headers_scopes(text):
    tags = [tag for tag, _ in Outline(text).tags]
    assert tags.count("table") == tags.count("caption") >= 3
    assert all(a.get("scope") in ("col", "row") for tag, a in Outline(text).tags if tag == "th")


def test_the_seed_is_told_by_its_fingerprint_alone(course, text):
    seed = current_round(course.project, "gradient").seed
    assert seed not in text
    assert hashlib.sha256(seed.encode()).hexdigest()[:8] in text


def test_marks_are_held_against_the_predicted_ones(course, tmp_path):
    wanted = {
        record.student: {
            "functions": {
                name: {key: getattr(verdict, key) for key in ("points", "status", "mistake")}
                for name, verdict in record.verdicts.items()
            }
        }
        for record in read_records(course.project, "gradient")
    }
    file = tmp_path / "expected.json"
    file.write_text(json.dumps(wanted))
    page = write_report(course.project, "gradient", expected=file)
    assert "All 4 submissions got exactly the marks" in page.read_text()
    wanted["ben"]["functions"]["gabor"]["points"] = 1.0
    file.write_text(json.dumps(wanted))
    write_report(course.project, "gradient", expected=file)
    assert "1 marks of the 4 predicted" in visible(page.read_text())
    assert "ben, gabor: predicted" in page.read_text()


def test_a_mark_by_hand_counts_and_is_told(course, tmp_path):
    course = course.copy(tmp_path / "all")
    with course.gradebook() as book:
        grade = book.find_grade("check-gabor", "gradient", "gradient", "ben")
        grade.manual_score = 0.5
        book.db.commit()
    told = visible(write_report(course.project, "gradient").read_text())
    assert "by hand: 0.5" in told and "ben 19.5" in told


def test_nothing_graded_is_said(built_course):
    with pytest.raises(AuthorError, match="autograder autograde gradient"):
        write_report(built_course.project, "gradient")


def test_every_score_is_in_one_bin():
    made = bins([0, 0.1, 1.99, 2, 19.99, 20], 20)
    assert [b.count for b in made] == [3, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (made[0].low, made[-1].high) == (0, 20)
    assert [b.count for b in bins([0, 3], 3)] == [1, 0, 1]


@pytest.mark.browser
def test_in_a_browser_wide_narrow_and_dark(page):
    # In a thread: the browser tests' own Playwright may be at work in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(look, page).result()


def look(page):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width, scheme in ((1280, "light"), (390, "light"), (1280, "dark")):
            context = browser.new_context(
                viewport={"width": width, "height": 850}, color_scheme=scheme
            )
            shown = context.new_page()
            asked: list[str] = []
            errors: list[str] = []
            shown.on("request", lambda request, asked=asked: asked.append(request.url))
            shown.on("console", lambda message, errors=errors: errors.append(message.text))
            shown.goto(page.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            shown.add_script_tag(path=str(AXE))
            found = shown.evaluate("() => axe.run()")["violations"]
            assert not [(v["id"], v["nodes"][0]["html"]) for v in found]
            paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
            dark = sum(map(int, re.findall(r"\d+", paper)[:3])) < 200
            assert dark == (scheme == "dark")
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            assert errors == []
            context.close()
        browser.close()
