"""What comes up once a term: the recipes of the page, run as they are printed."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from autograder.classes.run import grade_class, quietly
from autograder.cli import main
from tests.conftest import Course, read_recipe, write

pytestmark = pytest.mark.timeout(900)

LATE = """\
from nbgrader.plugins import BasePlugin


class OneADay(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return -(-total_seconds_late // 86400)
"""


@pytest.fixture(scope="module")
def term(module_course: Course) -> Course:
    """Two learners, both two days late, at a point a day; a roster of four."""
    course = module_course
    (course.folder / "late.py").write_text(LATE)
    (course.folder / "local_config.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(course.folder)!r})\n"
        "c.AssignLatePenalties.plugin_class = 'late.OneADay'\n"
    )
    roster = (
        "id,first_name,last_name\namara,Amara,Okafor\nben,Ben,Berg\nchen,Chen,Li\ndora,Dora,Do\n"
    )
    (course.folder / "roster.csv").write_text(roster)
    # As nbgrader leaves it; its own commands close it, too.
    course.grading.chmod(0o755)
    assert f"{course.grading}: other accounts" in course.run(
        "nbgrader db student import roster.csv"
    )
    course.run('nbgrader db assignment add gradient --duedate="2030-01-31 12:00:00 UTC"')
    for student, notebook in {
        "amara": course.solved(),
        "dora": course.mistaken(gabor="no_scale"),
    }.items():
        path = course.hand_in(student, notebook)
        (path.parent / "timestamp.txt").write_text("2030-02-02 10:00:00 UTC")
    grade_class(course.project, "gradient", progress=quietly, say=lambda text: None)
    return course


def scores(course: Course) -> dict[str, str]:
    """What Moodle would get, by learner."""
    course.run("autograder export moodle")
    text = (course.folder / "moodle.csv").read_text("utf-8")
    return {row["Username"]: row["gradient"] for row in csv.DictReader(io.StringIO(text))}


def test_marks_are_for_whoever_grades_and_nobody_else(term, monkeypatch, capfd):
    """A course that stood open is closed, and that is told once; what a group was given stays."""
    monkeypatch.chdir(term.folder)
    table, book = term.folder / "moodle.csv", term.grading / "gradebook.db"
    inner = term.grading / "submitted"

    def export(closed: int, *told: Path) -> None:
        assert main(["export", "moodle"]) == 0
        said = capfd.readouterr().err
        assert said.count("other accounts") == bool(told)
        assert all(str(path) in said for path in told)
        assert [p.stat().st_mode & 0o7777 for p in (term.grading, inner)] == [closed] * 2
        assert book.stat().st_mode & 0o777 == closed & 0o660
        assert table.stat().st_mode & 0o777 == 0o600

    term.grading.chmod(0o755)
    table.touch(0o644)
    for path, mode in {term.grading: 0o755, inner: 0o755, book: 0o644}.items():
        path.chmod(mode)
    export(0o700, term.grading)
    # Below a door that is closed nobody could read anything.
    inner.chmod(0o755)
    export(0o700)
    for path, mode in {term.grading: 0o2750, inner: 0o2755, book: 0o640}.items():
        path.chmod(mode)
    export(0o2750)
    term.grading.chmod(0o2755)
    export(0o2700, term.grading)
    term.grading.chmod(0o700)


def test_more_time_is_granted_before_and_after(term):
    """It counts at once, is no hand-in of somebody who has handed nothing in, and is taken back."""
    assert scores(term) == {"amara": "18", "ben": "", "chen": "", "dora": "17"}
    said = term.follow("More time")
    assert "gradient of amara is due at 2030-02-03 12:00 UTC" in said and "later still" not in said
    said = term.run("autograder extend gradient chen --hours 12")
    assert "gradient of chen is due at 2030-02-01 00:00 UTC" in said
    assert scores(term) == {"amara": "20", "ben": "", "chen": "", "dora": "17"}
    term.run("autograder extend gradient amara --hours 30")
    assert scores(term)["amara"] == "19"
    term.run("autograder extend gradient amara")
    assert scores(term)["amara"] == "18"
    for wrong, told in {
        "autograder extend gradient nobody --days 1": "no learner 'nobody'",
        "autograder extend gradiant amara --days 1": "knows no assignment gradiant",
        "autograder extend sgd amara --days 1": "sgd is due at no time",
    }.items():
        assert told in term.run(wrong, wrong=True)


def test_a_question_at_fault_is_given_to_everybody(term):
    assert term.follow("A question that was at fault").split("\n")[:2] == [
        "amara gabor: 1",
        "dora gabor: 1",
    ]
    assert scores(term)["dora"] == "18"
    grade_class(
        term.project, "gradient", ["dora"], force=True, progress=quietly, say=lambda text: None
    )
    assert scores(term)["dora"] == "18", "as a mark by hand it survives another grading"
    term.run("autograder award gradient gabor --undo")
    assert scores(term)["dora"] == "17"
    assert "gabor has 1 points, not 2" in term.run(
        "autograder award gradient gabor --points 2", wrong=True
    )
    said = term.run("autograder award gradient garbor", wrong=True)
    assert "no question 'garbor': bfgs_update, " in said


def test_who_leaves_is_nowhere_any_more(term, tmp_path):
    """Neither in the gradebook nor among what the next grading finds; others stay."""
    for erase in (False, True):
        course = term.copy(tmp_path / str(erase))
        (course.grading / "logs" / "gradient" / "dora.b.log").write_text("somebody else's")
        if erase:
            said = course.run("autograder remove-learner dora --erase")
            assert not (course.grading / "removed").exists()
        else:
            said = course.follow("Somebody leaves")
            [kept] = (course.grading / "removed").iterdir()
            assert (kept / "submitted" / "gradient" / "gradient.ipynb").is_file()
            assert (kept / "logs" / "gradient" / "dora.log").is_file()
        assert "out of the gradebook: dora, with 1 submissions" in said
        shutil.rmtree(course.grading / "removed", ignore_errors=True)
        left = [path for path in course.grading.rglob("*") if path.name.split(".")[0] == "dora"]
        assert [path.name for path in left] == ["dora.b.log"]
        course.run("autograder autograde gradient")
        assert set(scores(course)) == {"amara", "ben", "chen"}
        assert "no learner 'dora'" in course.run("autograder remove-learner dora", wrong=True)


def test_back_up_and_restore_and_a_new_term(term, tmp_path):
    """The old term lies in its archive, the new one begins with nobody's marks."""
    course = term.copy(tmp_path / "all")
    before = scores(course)
    backup = {"BACKUP": str(tmp_path / "backup.tgz"), "ARCHIVE": str(tmp_path / "spring")}
    course.follow("Back up, and restore", "to back up", **backup)
    course.run("autograder remove-learner amara --erase")
    course.follow("Back up, and restore", "to restore", **backup)
    assert scores(course) == before
    course.run("autograder autograde gradient --force --student amara")
    assert scores(course) == before

    exchange = {"EXCHANGE": str(tmp_path / "exchange")}
    course.follow("Once: the exchange", "You, once", **exchange)
    with (course.folder / "local_config.py").open("a") as file:
        file.write(f"c.Exchange.root = {exchange['EXCHANGE']!r}\n")
    course.run("nbgrader release_assignment gradient")
    old = tmp_path / "exchange" / "descent"
    assert (old / "outbound" / "gradient" / "gradient.ipynb").is_file()
    attempt = old / "inbound" / "amara+gradient+2030-02-01 10:00:00 UTC+x"
    shutil.copytree(course.grading / "submitted" / "amara" / "gradient", attempt)
    write(attempt / "gradient.ipynb", course.mistaken(gabor="no_scale"))
    (attempt / "timestamp.txt").write_text("2030-02-01 10:00:00 UTC")
    dora = course.graded("dora")
    # What is there was handed in later, by its own account.
    shutil.rmtree(course.grading / "submitted" / "amara")
    course.follow("Another attempt")
    assert scores(course) == {**before, "amara": "18"}, "a day late, and a point less"
    assert course.graded("dora") == dora
    course.follow("Take a release back")
    assert not (old / "outbound" / "gradient").exists()
    course.follow("A new term", **backup)
    assert (tmp_path / "spring" / "gradebook.db").is_file()
    assert set(scores_of_nobody(course).values()) == {""}
    course.run("nbgrader release_assignment gradient")
    assert "0 submissions" in course.run("nbgrader collect gradient").replace("No", "0")
    assert not (course.grading / "submitted").exists()


def scores_of_nobody(course: Course) -> dict[str, str]:
    """By learner; there is no column of a set."""
    course.run("autograder export questions gradient")
    text = (course.folder / "questions.csv").read_text("utf-8")
    return {row["student_id"]: row["gradient: score"] for row in csv.DictReader(io.StringIO(text))}


def test_settings_of_ones_own_decide(course):
    blocks = read_recipe("Settings of your own")
    for block in blocks:
        (course.folder / block.caption.split()[-1]).write_text(block.code)
    assert course.project.released_sets == ("empirical_risk", "gradient")
    said = course.run(
        "python -c 'from autograder.release.configuration import course_config as c;"
        'from pathlib import Path; print(c(Path(".")).CourseDirectory.course_id)\''
    )
    assert said.strip() == "descent-2030-spring"
    (course.folder / "local_config.toml").write_text("released_sets = [")
    assert "local_config.toml" in course.run("autograder build --check gradient", wrong=True)
    (course.folder / "local_config.toml").unlink()
    (course.folder / "local_config.py").write_text("c.CourseDirectory.course_id = oops")
    for command in ("autograder build gradient", "nbgrader db student add eve"):
        said = course.run(command, wrong=True)
        assert "local_config.py: NameError: name 'oops'" in said and "Traceback" not in said
    assert not (course.folder / "gradebook.db").exists(), "another course's"
