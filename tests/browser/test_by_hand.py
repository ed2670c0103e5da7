"""An instructor marks a report in Formgrader, beside the verdicts; the learner reads both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, Route, expect

from autograder.classes.run import grade_class, quietly
from tests.by_hand import COURSE, make_course, with_answer
from tests.conftest import Course, read_recipe

from .lab import PATIENCE_MS, jupyter_lab, stay_here
from .test_formgrader import press, row_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("formgrader"),
    pytest.mark.timeout(900),
]

SET, ANSWER = COURSE.name, COURSE.answer
DUE, ON_TIME, LATE = "2030-01-31 12:00:00 UTC", "2030-01-31 11:00:00 UTC", "2030-02-01 11:00:00 UTC"
REPORT = "With five seeds the loss fell to 0.31."
NEEDS = re.compile(r"\bneeds_manual_grade\b")
COMMENT = "Say how wide the spread is."
# What Formgrader's page wants of MathJax, which it asks another host for.
MATHJAX = """\
const signal = {Interest: tell => tell("End")};
window.MathJax = {Hub: {Config() {}, Queue() {}, Startup: {signal}}};
"""


@dataclass
class Desk:
    """An instructor's browser, with Formgrader open in JupyterLab."""

    course: Course
    page: Page
    frame: FrameLocator

    def go(self, *links: str) -> None:
        """Follow Formgrader's links, from its tabs on."""
        for link in links:
            # The page that is being left has links of the same names.
            with self.page.expect_event("framenavigated"):
                self.frame.get_by_role("link", name=link, exact=True).last.click()

    def submissions(self) -> None:
        """The table of who handed in, where everybody is graded and given feedback."""
        self.go("Manage Assignments")
        row = self.frame.locator("tr").filter(has=self.frame.get_by_role("link", name=SET))
        row.locator(".num-submissions a").click()
        expect(row_of(self.frame, "amara")).to_be_visible()

    def to_mark(self) -> dict[str, tuple[str, bool]]:
        """The Manual Grading tab: everybody's score, and whether a person has to mark it."""
        self.go("Manual Grading", SET)
        # The notebooks of the assignment, of which there is one.
        expect(self.frame.locator("#main-table .needs-manual-grade")).to_have_count(1)
        self.go(SET)
        rows = self.frame.locator("#main-table tr").filter(has=self.frame.locator(".reveal"))
        expect(rows).to_have_count(4, timeout=PATIENCE_MS)
        self.frame.get_by_role("button", name="Show All Names").click()
        found = {}
        for row in rows.all():
            looked_at = row.locator(".needs-manual-grade .glyphicon-ok").count() == 0
            name = row.locator(".name .name-shown").inner_text()
            found[name] = (row.locator(".score").inner_text(), not looked_at)
        return found

    def open(self, student: str) -> None:
        """One submission, from the Manual Grading tab's table."""
        self.frame.locator("#main-table .name-shown").get_by_text(student, exact=True).click()
        expect(self.frame.locator(".tabbable").first).to_be_focused()
        self.ready()

    def ready(self) -> None:
        """Wait until the page knows the points and saves what is typed."""
        expect(self.frame.locator(f"input#{ANSWER}_extra_credit")).to_have_attribute(
            "placeholder", "0", timeout=PATIENCE_MS
        )

    @property
    def score(self) -> Locator:
        """Where the points for the report are typed."""
        return self.frame.locator(f"input#{ANSWER}")

    @property
    def comment(self) -> Locator:
        """Where the comment on the report is typed."""
        return self.frame.locator(f"textarea#{ANSWER}-comment")

    def type_into(self, place: Locator, text: str) -> None:
        """Type, leave with Escape, and wait until the server has it."""
        place.fill(text)
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/formgrader/api/" in answer.url
        ) as saved:
            place.press("Escape")
        assert saved.value.ok


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Amara, ben and dara wrote reports, dara's came a day late; chen left it as it was."""
    course = make_course(tmp_path / "all")
    for block in read_recipe("Late work"):
        with (course.folder / block.caption.split()[-1]).open("a", encoding="utf-8") as file:
            file.write(f"\n{block.code}\n")
    with course.gradebook() as book:
        book.update_or_create_assignment(SET, duedate=DUE)
    hand_in(course, "amara", REPORT)
    hand_in(course, "ben", "The loss fell.", accuracy="counted")
    hand_in(course, "chen", "")
    hand_in(course, "dara", "It fell, later.", when=LATE)
    return course


def hand_in(
    course: Course, student: str, report: str, *, when: str = ON_TIME, **mistakes: str
) -> None:
    """A solved notebook, with mistakes, and a report."""
    notebook = course.mistaken(**mistakes) if mistakes else course.solved()
    path = course.hand_in(student, with_answer(notebook, report) if report else notebook)
    (path.parent / "timestamp.txt").write_text(when)


@pytest.fixture
def desk(course: Course, tmp_path: Path, page: Page) -> Iterator[Desk]:
    """Formgrader, opened from JupyterLab's menu."""
    page.set_default_timeout(PATIENCE_MS)
    refused: list[str] = []
    page.on("response", lambda r: refused.append(r.url) if r.status >= 400 else None)
    stay_here(page, [])
    page.context.route("**/mathjax/**", mathjax)
    with jupyter_lab(course.folder, tmp_path / "home") as lab:
        page.goto(lab.address("lab"))
        page.get_by_role("menuitem", name="Nbgrader").click()
        page.get_by_role("menuitem", name="Formgrader", exact=True).click()
        yield Desk(course, page, page.frame_locator("iframe"))
    assert refused == []


def mathjax(route: Route) -> None:
    """In the place of another host."""
    route.fulfill(body=MATHJAX, content_type="text/javascript")


def test_a_report_is_marked_beside_its_verdicts_and_both_make_one_score(desk: Desk) -> None:
    course, frame = desk.course, desk.frame
    desk.submissions()
    for student in ("amara", "ben", "chen", "dara"):
        press(frame, student, ".autograde")
    assert desk.to_mark() == {
        "amara": ("2 / 6", True),
        "ben": ("0 / 6", True),
        "chen": ("2 / 6", False),
        "dara": ("2 / 6", True),
    }

    keys_lead_through_the_reports(desk)
    desk.to_mark()
    desk.open("amara")
    page_of_amara(desk)
    desk.type_into(desk.comment, COMMENT)
    desk.type_into(desk.score, "3")
    expect(desk.score).not_to_have_class(NEEDS)
    for student, points in (("ben", "1"), ("dara", "4")):
        desk.to_mark()
        desk.open(student)
        desk.type_into(desk.score, points)
    marked = {
        "amara": ("5 / 6", False),
        "ben": ("1 / 6", False),
        "chen": ("2 / 6", False),
        "dara": ("6 / 6", False),
    }
    assert desk.to_mark() == marked

    desk.submissions()
    for student in ("amara", "dara"):
        press(frame, student, ".generate-feedback")
    told = feedback(desk, "amara")
    for text in ("Score: 5.0 / 6.0", "accuracy: Correct.", "Score: 3.0 / 4.0", REPORT, COMMENT):
        expect(told).to_contain_text(text)
    # A tenth of six: of what the check and the person gave together.
    told = feedback(desk, "dara")
    expect(told).to_contain_text("Score: 5.4 / 6.0")
    expect(told).to_contain_text("Late submission penalty (Score: -0.6)")

    # Everybody again: what is marked stays marked, and the penalty is taken once.
    grade_class(course.project, SET, force=True, progress=quietly, say=lambda text: None)
    assert desk.to_mark() == marked
    assert penalty(course, "dara") == pytest.approx(0.6)

    # Amara hands in another function and the same report; ben the same function, another report.
    hand_in(course, "amara", REPORT, accuracy="counted")
    hand_in(course, "ben", "The loss fell in five of five runs.", accuracy="counted")
    desk.submissions()
    for student in ("amara", "ben"):
        press(frame, student, ".autograde")
    assert desk.to_mark() == {
        **marked,
        "amara": ("3 / 6", False),
        "ben": ("1 / 6", True),
    }
    desk.open("amara")
    expect(frame.get_by_role("main")).to_contain_text("The right rows are counted")
    expect(desk.score).to_have_value("3")
    expect(desk.comment).to_have_value(COMMENT)
    desk.to_mark()
    desk.open("ben")
    expect(frame.get_by_role("main")).to_contain_text("five of five runs")
    expect(desk.score).to_have_value("1")
    expect(desk.score).to_have_class(NEEDS)
    with desk.page.expect_response(lambda answer: "/formgrader/api/grade/" in answer.url):
        frame.locator(".nbgrader_cell").filter(has=desk.score).locator(".mark-graded").click()
    assert desk.to_mark()["ben"] == ("1 / 6", False)


def page_of_amara(desk: Desk) -> None:
    """The verdict and the report are on one page."""
    frame = desk.frame
    panel = frame.locator("div[style*='border-left']").filter(has_text="accuracy")
    expect(panel).to_contain_text("Correct.")
    expect(frame.locator("#check-accuracy")).to_have_attribute("placeholder", "2")
    report = frame.locator(".nbgrader_cell").filter(has=desk.score)
    expect(report).to_contain_text(REPORT)
    expect(report).to_contain_text("/ 4.0")
    expect(frame.get_by_role("main")).to_contain_text("a conclusion that follows from it")
    expect(desk.score).to_have_class(NEEDS)
    expect(desk.score).to_have_value("")


def keys_lead_through_the_reports(desk: Desk) -> None:
    """Tab to the report's points; Control and a full stop to the next one's, a comma back."""
    keyboard, title = desk.page.keyboard, desk.frame.locator(".panel-title").first
    first = desk.frame.locator("#main-table td.name[data-order='0'] .name-shown")
    desk.open(first.inner_text())
    expect(title).to_contain_text("Submission 1 / 4")
    for _place in range(desk.frame.locator(".tabbable").count()):
        if desk.score.evaluate("input => input === document.activeElement"):
            break
        keyboard.press("Tab")
    for key, number in ((".", 2), (".", 3), (",", 2)):
        expect(desk.score).to_be_focused()
        desk.ready()
        keyboard.press(f"Control+{key}")
        expect(title).to_contain_text(f"Submission {number} / 4")
    expect(desk.score).to_be_focused()


def feedback(desk: Desk, student: str) -> Locator:
    """The page that a learner is sent, in a tab of its own."""
    place = desk.course.grading / "feedback" / student / SET / f"{SET}.html"
    page = desk.page.context.new_page()
    page.set_content(place.read_text("utf-8"))
    return page.locator("body")


def penalty(course: Course, student: str) -> float:
    """What the gradebook takes off."""
    with course.gradebook() as book:
        return float(book.find_submission(SET, student).late_submission_penalty)
