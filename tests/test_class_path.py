"""The class's way there and back: every recipe of the instructors' page, run as it is printed."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_notebook

from autograder.engine.warm.handle import default_runner
from autograder.gradebook.record import read_records
from autograder.grading.rounds import current_round
from autograder.judging.judge import case_rng, local_caller
from autograder.release.notebook import WHEEL
from tests.attacks.test_shown import page as page_of
from tests.conftest import ROOT, read_recipe

# Other work on the machine may slow nbgrader down.
pytestmark = pytest.mark.timeout(900)

FULL = {
    "numerical_gradient": 2.0,
    "linear_gradient": 2.0,
    "gradient_descent": 2.0,
    "bracketing_line_search": 2.0,
    "is_convex_hessian": 2.0,
    "largest_learning_rate": 4.0,
    "gabor": 1.0,
    "gabor_gradient": 2.0,
    "newton_step": 1.0,
    "bfgs_update": 2.0,
}
ROSTER = """\
id,first_name,last_name,email,lms_user_id
amara,Amara,Okafor,amara@example.org,4711
ben,Ben,Lindqvist,,4712
chen,Wei,Chen,chen@example.org,
dora,Dora,Marković,,
eve,Eve,Absent,,
"""


@pytest.fixture(scope="module")
def graded(module_course):
    """A class that was enrolled and graded by the recipes: right, empty, mistaken, partly right."""
    course = module_course
    (course.folder / "roster.csv").write_text(ROSTER, "utf-8")
    course.follow("Roster")
    course.hand_in("amara", course.solved())
    course.hand_in("ben", course.stub())
    course.hand_in("chen", course.mistaken(gabor="no_scale", linear_gradient="wrong_sign"))
    course.hand_in(
        "dora",
        course.mistaken(numerical_gradient="h_of_its_own", is_convex_hessian="strictly_positive"),
    )
    course.said = course.follow("Grade", "folder, to grade")
    return course


def verdicts(course, student):
    """What was written down with the marks of one learner."""
    records = {record.student: record for record in read_records(course.project, "gradient")}
    return records[student].verdicts


# Marks.


def test_a_solved_notebook_gets_full_marks(graded):
    assert graded.marks("amara") == FULL
    assert graded.score("amara") == 20


def test_an_untouched_notebook_gets_nothing_and_is_told_so(graded):
    assert graded.marks("ben") == dict.fromkeys(FULL, 0.0)
    assert {v.status for v in verdicts(graded, "ben").values()} == {"not_attempted"}


def test_a_known_mistake_costs_its_function_alone_and_is_named(graded):
    assert graded.marks("chen") == {**FULL, "gabor": 0.0, "linear_gradient": 0.0}
    found = {name: v.mistake for name, v in verdicts(graded, "chen").items() if v.mistake}
    assert found == {"gabor": "no_scale", "linear_gradient": "wrong_sign"}


def test_partial_credit_is_stored(graded):
    marks = graded.marks("dora")
    # Half of the points for all kinds, and half of the rest for one of two.
    assert marks["numerical_gradient"] == 0.5
    assert 0 < marks["is_convex_hessian"] < 2
    others = set(FULL) - {"numerical_gradient", "is_convex_hessian"}
    assert {name: marks[name] for name in others} == {name: FULL[name] for name in others}
    assert graded.score("dora") == pytest.approx(sum(marks.values()))


def test_nothing_of_an_ordinary_class_needs_a_look(graded):
    assert [graded.flagged(name) for name in ("amara", "ben", "chen", "dora")] == [set()] * 4


def test_grading_says_what_protects_the_instructor(graded):
    assert default_runner().protects in graded.said


def test_the_report_of_the_class(graded):
    graded.follow("Grade", "to look at the class")
    assert (graded.grading / "reports" / "gradient.html").is_file()


# The seed.


def test_the_class_shares_a_seed_which_is_written_down_with_every_mark(graded):
    records = list(read_records(graded.project, "gradient"))
    seed = current_round(graded.project, "gradient").seed
    assert len(records) == 4
    assert {record.seed for record in records} == {seed}
    assert graded.graded("amara").metadata["autograder"]["seed"] == seed


def test_the_seed_is_in_no_folder_that_learners_or_submissions_see(graded):
    seed = current_round(graded.project, "gradient").seed.encode()
    for folder in ("exercises", "grading/submitted", "grading/release", "grading/source"):
        for path in (graded.folder / folder).rglob("*"):
            assert path.is_dir() or seed not in path.read_bytes(), path


def test_a_disputed_mark_is_had_again_from_the_seed_that_was_written_down(graded):
    recipe = "When a mark is disputed"
    told = graded.follow(recipe, "read the seed", STUDENT="dora")
    seed = re.fullmatch(r'\s*"seed": "(\w+)",?\s*', told)[1]
    assert seed == current_round(graded.project, "gradient").seed
    said = graded.follow(recipe, "grade again", STUDENT="dora", SEED=seed)
    assert f"{graded.score('dora'):g} of 20 points" in said
    path = "grading/submitted/dora/gradient/gradient.ipynb"
    out = graded.run(
        f"autograder grade-notebook {path} --assignment gradient --seed {seed} --json 2>/dev/null"
    )
    again = json.loads(out)
    assert {name: f["points"] for name, f in again["functions"].items()} == graded.marks("dora")
    for name, told in verdicts(graded, "dora").items():
        assert again["functions"][name]["message"] == told.message


# By hand, and again.


def test_marks_and_comments_by_hand_survive_a_regrade(graded, tmp_path):
    course = graded.copy(tmp_path / "all")
    before, seed = course.marks("chen"), current_round(course.project, "gradient").seed
    with course.gradebook() as book:
        ids = ("gradient", "gradient", "chen")
        grade = book.find_grade("check-gabor", *ids)
        grade.manual_score, grade.extra_credit = 0.5, 0.25
        book.find_comment("gabor", *ids).manual_comment = "Nearly: see me on Monday."
        book.db.commit()
    course.follow("Grade by hand")
    assert course.score("chen") == 18 - 1 + 0.75
    assert course.marks("chen") == before
    assert course.flagged("chen") == {"gabor"}
    with course.gradebook() as book:
        comment = book.find_comment("gabor", *ids)
        assert comment.comment == "Nearly: see me on Monday."
    assert {r.seed for r in read_records(course.project, "gradient")} == {seed}

    course.run("nbgrader generate_feedback gradient --student chen")
    assert "Nearly: see me on Monday." in course.page("chen")
    renewed = current_round(course.project, "gradient")
    assert renewed.number == 2
    assert renewed.seed != seed


def test_a_check_cell_without_a_verdict_is_zero_and_flagged(graded, tmp_path):
    """The stock rule would give full marks to every one of them."""
    course = graded.copy(tmp_path / "all")
    course.configure(
        "from nbgrader.preprocessors import NbGraderPreprocessor",
        "class Lose(NbGraderPreprocessor):",
        "    def preprocess(self, nb, resources):",
        "        lost = resources['nbgrader']['student']",
        "        if lost == 'the_record':",
        "            del nb.metadata['autograder']",
        "        if lost == 'one_verdict':",
        "            del nb.metadata['autograder']['verdicts']['gabor']",
        "        if lost == 'the_cell':",
        "            nb.cells = [c for c in nb.cells if c.id != 'check-gabor']",
        "        return nb, resources",
        "c.Autograde.autograde_preprocessors.insert(1, Lose)",
    )
    lost = {"nothing": set(), "the_record": set(FULL), "one_verdict": {"gabor"}}
    lost["the_cell"] = {"gabor"}
    for student in lost:
        course.hand_in(student, course.solved())
    course.run("nbgrader autograde gradient")
    for student, gone in lost.items():
        assert course.marks(student) == {n: 0.0 if n in gone else p for n, p in FULL.items()}
        assert course.flagged(student) == gone


# Export.


def test_the_export_has_a_row_for_everybody(graded):
    graded.follow("Export")
    text = (graded.folder / "grades.csv").read_text("utf-8")
    table = list(csv.DictReader(io.StringIO(text)))
    assert {row["assignment"] for row in table} == set(graded.project.sets)
    assert len(table) == 5 * len(graded.project.sets)
    rows = {row["student_id"]: row for row in table if row["assignment"] == "gradient"}
    columns = re.findall(r"`(\w+)`", _paragraph("a row for each learner"))
    assert list(rows["amara"]) == columns
    assert set(rows) == {"amara", "ben", "chen", "dora", "eve"}
    for name in ("amara", "ben", "chen", "dora"):
        assert float(rows[name]["score"]) == pytest.approx(graded.score(name))
    assert rows["eve"]["score"] == "0"
    assert rows["eve"]["timestamp"] == ""
    assert {row["max_score"] for row in rows.values()} == {"20"}
    amara = rows["amara"]
    assert (amara["first_name"], amara["last_name"]) == ("Amara", "Okafor")
    assert amara["email"] == "amara@example.org"


def test_the_export_has_the_form_that_somebody_wants(graded):
    graded.follow("Export")

    def table(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((graded.folder / name).read_text("utf-8"))))

    moodle = {row["Username"]: row for row in table("moodle.csv")}
    assert set(moodle) == {"amara", "ben", "chen", "dora", "eve"}
    assert moodle["eve"]["gradient"] == "", "no mark is not a mark of 0"
    maxima, *canvas = table("canvas.csv")
    assert (maxima["Student"].strip(), maxima["gradient"]) == ("Points Possible", "20")
    by_login = {row["SIS Login ID"]: row for row in canvas}
    assert by_login["amara"]["ID"] == moodle["amara"]["ID number"] == "4711"
    assert by_login["amara"]["Student"] == "Okafor, Amara"
    for name in ("amara", "ben", "chen", "dora"):
        assert float(moodle[name]["gradient"]) == pytest.approx(graded.score(name))
        assert float(by_login[name]["gradient"]) == pytest.approx(graded.score(name))

    questions = table("questions.csv")
    marks = [{part: float(row[f"gradient: {part}"] or "nan") for part in FULL} for row in questions]
    assert len(marks) == 5 and FULL in marks and sum(np.isnan(m["gabor"]) for m in marks) == 1
    text = (graded.folder / "questions.csv").read_text("utf-8")
    assert not any(name in text for name in (*moodle, "Okafor")), "anonymous"

    named = {(row["student_id"], row["part"], row["mistake"]) for row in table("mistakes.csv")}
    records = read_records(graded.project, "gradient")
    assert named == {
        (record.student, part, verdict.mistake or "")
        for record in records
        for part, verdict in record.verdicts.items()
    }
    said = graded.run("autograder export moodle gradint", wrong=True)
    assert "knows no assignment gradint; it has" in said and "gradient" in said
    said = graded.run("autograder export canvas --anonymous", wrong=True)
    assert "finds learners by their names" in said


def _paragraph(words: str) -> str:
    page = (Path(__file__).parent.parent / "book" / "instructors.md").read_text("utf-8")
    return next(text for text in page.split("\n\n") if words in text)


# Late work.


def test_a_late_penalty_of_the_instructors_own(course, recipe):
    for block in recipe("Late work"):
        with (course.folder / block.caption.split()[-1]).open("a", encoding="utf-8") as file:
            file.write(f"\n{block.code}\n")
    course.run('nbgrader db assignment add gradient --duedate="2030-01-31 23:59:00 UTC"')
    for student, day in {"amara": "2030-01-31", "dora": "2030-02-02"}.items():
        path = course.hand_in(student, course.mistaken(gabor="no_scale"))
        (path.parent / "timestamp.txt").write_text(f"{day} 12:00:00 UTC")
    course.run("nbgrader autograde gradient")
    with course.gradebook() as book:
        penalties = {
            name: book.find_submission("gradient", name).late_submission_penalty
            for name in ("amara", "dora")
        }
    assert penalties == {"amara": 0.0, "dora": pytest.approx(0.2 * 19)}


def test_a_new_terminal_finds_the_commands():
    """The page's recipe, in a shell that knows nothing of the environment."""
    [come_in] = read_recipe("Come in")
    asked = f"{come_in.code}\ncommand -v nbgrader autograder"
    done = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "bash", "-euc", asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(ROOT / f".venv/bin/{n}") for n in ("nbgrader", "autograder")]


# The exchange.


def of_this_year(course):
    """The course in a folder whose name nbgrader takes for a pattern."""
    return replace(course, folder=course.folder.rename(course.folder.with_name("course [2026]*")))


def test_through_the_exchange_and_back(course, tmp_path):
    course = of_this_year(course)
    exchange = {"EXCHANGE": str(tmp_path / "exchange")}
    amara = course.learner("amara")
    course.follow("Once: the exchange", **exchange)
    amara.follow("Once: the exchange", "each learner", **exchange)
    # Her account's name, which nbgrader would ask the system for.
    with (amara.home / ".jupyter" / "nbgrader_config.py").open("a") as file:
        file.write('c.CourseDirectory.student_id = "amara"\n')

    course.follow("Release")
    amara.follow("What the learner does", "fetches")
    theirs = amara.folder / "gradient"
    fetched = {path.name: path.read_bytes() for path in theirs.iterdir()}
    released = course.project.exercises / "gradient"
    wheel = fetched.pop(WHEEL)
    assert "autograder/learning/check.py" in zipfile.ZipFile(io.BytesIO(wheel)).namelist()
    assert fetched == {path.name: path.read_bytes() for path in released.iterdir()}

    notebook = course.mistaken(gabor="no_scale", numerical_gradient="h_of_its_own")
    (theirs / "gradient.ipynb").chmod(0o644)
    (theirs / "gradient.ipynb").write_text(json.dumps(notebook), "utf-8")
    amara.follow("What the learner does", "submits")
    [inbound] = (tmp_path / "exchange" / "descent" / "inbound").iterdir()
    (inbound / "data").mkdir()
    (inbound / "data" / "mine.csv").write_text("1,2")
    (inbound / "loot.db").symlink_to(course.project.grading / "gradebook.db")
    (inbound / "data" / "more").symlink_to(course.project.solutions)
    os.mkfifo(inbound / "data" / "pipe")
    with (inbound / "data" / "huge.csv").open("w") as file:
        file.truncate(2**40)
    (inbound.parent / inbound.name.replace("amara", "aaron")).symlink_to(course.project.solutions)
    said = course.follow("Collect")
    collected = course.project.grading / "submitted" / "amara" / "gradient"
    assert sorted(str(p.relative_to(collected)) for p in (collected / "data").rglob("*")) == [
        "data/mine.csv"
    ]
    assert not (collected / WHEEL).exists(), "everybody has the same"
    assert not (collected / "loot.db").exists() and (collected / "timestamp.txt").exists()
    for left_out in ("data/more", "data/pipe", "data/huge.csv", "loot.db"):
        assert f"left out: '{left_out}'" in said
    assert (
        "Not collected: " in said
        and not (course.project.grading / "submitted/aaron/gradient").exists()
    )
    # Newer, and nothing that can be collected: what was collected before stays.
    newer = inbound.parent / inbound.name.replace("+20", "+21")
    newer.symlink_to(course.project.solutions)
    (inbound.parent / "ben+gradient+some day").mkdir()
    (inbound.parent / "amara+gradient+").mkdir()
    said = course.run("nbgrader collect gradient --update")
    assert f"Not collected: '{newer}'" in said and "ben+gradient+some day' (its name" in said
    assert (collected / "timestamp.txt").exists()
    course.follow("Grade", "folder, to grade")
    assert course.marks("amara") == {
        **FULL,
        "gabor": 0.0,
        "numerical_gradient": 0.5,
    }
    seed = course.graded("amara").metadata["autograder"]["seed"]
    course.follow("Feedback", "In the course's folder")
    amara.follow("Feedback", "The learner")
    [page] = theirs.glob("feedback/*/gradient.html")
    html = page.read_text("utf-8")
    for name, mistake in {
        "gabor": "no_scale",
        "numerical_gradient": "h_of_its_own",
    }.items():
        told = next(m for m in course.exercises.part(name).mistakes if m.name == mistake)
        assert told.text in html
    assert seed not in html
    shown = set(re.findall(r"\d\.\d{3,}", html))
    assert shown, "the notebook's own figures are there: the comparison would see a number"
    hidden = set(numbers_of_hidden_cases(course.exercises, seed))
    assert len(hidden) > 1000
    assert not shown & hidden
    # Style sheets that every page has hold thousands of numbers, and now and then one of these.
    of_every_page = page_of(new_notebook())
    for block in re.finditer(r"<(style|script)\b.*?</\1>", html, re.DOTALL):
        if block[0] in of_every_page:
            html = html.replace(block[0], "")
    assert not [number for number in hidden if number in html]


def numbers_of_hidden_cases(exercise_set, seed: str) -> Iterator[str]:
    """Every number with a fraction in the inputs and right answers of a round, as Python writes it
    and cut to six digits after the point."""
    for part in exercise_set.parts:
        for family in part.families:
            for draw in range(part.draws):
                rng = case_rng(seed, part.name, family.name, draw)
                for case in family.draw(rng):
                    answer = local_caller(part.reference)(part, case.args).value
                    yield from _numbers([list(case.args.values()), answer, case.facts])


def _numbers(thing) -> Iterator[str]:
    if callable(thing) and getattr(thing, "recipe", None) is not None:
        thing = [thing.recipe.args, thing.recipe.kwargs]
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, list | tuple):
        for item in thing:
            yield from _numbers(item)
    elif isinstance(thing, np.ndarray) and thing.dtype.kind == "f":
        for value in thing.ravel():
            yield from _numbers(float(value))
    elif isinstance(thing, float | np.floating) and len(repr(float(thing))) > 8:
        yield repr(float(thing))
        yield f"{thing:.6f}"


# The archive of a learning platform.


def test_an_archive_from_a_learning_platform(course, tmp_path):
    course = of_this_year(course)
    (course.folder / "roster.csv").write_text(ROSTER, "utf-8")
    course.follow("Roster")
    notebook = {
        name: json.dumps(course.mistaken(gabor=mistake) if mistake else course.solved())
        for name, mistake in {
            "amara": "",
            "ben": "no_scale",
            "chen": "no_envelope",
            "dora": "envelope_of_x",
            "stranger": "envelope_not_squared",
        }.items()
    }
    inner = zipped(
        {
            "gradient.ipynb": notebook["dora"],
            "__MACOSX/work/._gradient.ipynb": b"\0\5\26\7",
            "work/.ipynb_checkpoints/gradient-checkpoint.ipynb": "{}",
            # Names that point out of the folder, or at somebody else.
            "../../../../../escaped.ipynb": notebook["ben"],
            "/tmp/escaped-absolute.ipynb": notebook["ben"],
            "../Amara Okafor_101_assignsubmission_file_gradient.ipynb": notebook["ben"],
            "zip/Wei Chen_103_assignsubmission_file_/gradient.ipynb": notebook["ben"],
        }
    )
    archive = tmp_path / "Descent-Gradient-99.zip"
    archive.write_bytes(
        zipped(
            {
                "Amara Okafor_101_assignsubmission_file_gradient.ipynb": notebook["amara"],
                "Ben Lindqvist_102_assignsubmission_file_/my gradient (1).ipynb": notebook["ben"],
                "Ben Lindqvist_102_assignsubmission_file_/report.pdf": b"%PDF",
                "chenwei_LATE_4710_555_gradient.ipynb.txt": notebook["chen"],
                "Dora Marković_104_assignsubmission_file_all of it.zip": inner,
                "Sam Stranger_105_assignsubmission_file_gradient.ipynb": notebook["stranger"],
                "Eve Absent_106_assignsubmission_file_work.zip": b"PK\3\4 no zip",
                ".._107_assignsubmission_file_gradient.ipynb": notebook["ben"],
                "..": b"",
                "nobody.ipynb": notebook["ben"],
            }
        )
    )
    outside = everything(tmp_path, course.grading)
    said = course.follow(
        "Without the exchange: an archive from a learning platform", ARCHIVE=str(archive)
    )
    assert everything(tmp_path, course.grading) == outside
    submitted = course.grading / "submitted"
    assert sorted(p.name for p in submitted.iterdir()) == [
        "amara",
        "ben",
        "chen",
        "dora",
        "eve",
        "samstranger_105",
        "unknown_107",
    ]
    assert (submitted / "amara/gradient/gradient.ipynb").read_text("utf-8") == notebook["amara"]
    assert (submitted / "dora/gradient/gradient.ipynb").read_text("utf-8") == notebook["dora"]
    assert [p.name for p in (submitted / "amara/gradient").iterdir()] == ["gradient.ipynb"]
    assert sorted(p.name for p in (submitted / "ben/gradient").iterdir()) == [
        "my gradient (1).ipynb",
        "report.pdf",
    ]
    assert [p.name for p in (submitted / "chen/gradient").iterdir()] == ["gradient.ipynb"]
    assert "Sam Stranger: not in the roster; collected as samstranger_105" in said
    assert "Eve Absent_106_assignsubmission_file_work.zip" in said
    assert "Whose is this? Not collected: Descent-Gradient-99/nobody.ipynb" in said

    course.run("nbgrader autograde gradient")
    wrong = {**FULL, "gabor": 0.0}
    assert course.marks("amara") == FULL
    assert course.marks("samstranger_105") == wrong
    found = {
        name: verdicts(course, name)["gabor"].mistake
        for name in ("ben", "chen", "dora", "samstranger_105")
    }
    assert found == {
        "ben": "no_scale",
        "chen": "no_envelope",
        "dora": "envelope_of_x",
        "samstranger_105": "envelope_not_squared",
    }

    said = course.follow("Feedback to a learning platform")
    with zipfile.ZipFile(course.folder / "feedback.zip") as made:
        replies = {name: made.read(name).decode() for name in made.namelist()}
    assert f"{len(replies)} of them in feedback.zip" in said and len(replies) >= 5
    for student in ("amara", "ben", "samstranger_105"):
        assert course.page(student) in replies.values()
    with zipfile.ZipFile(archive) as sent:
        above = {name.partition("_assignsubmission")[0] for name in sent.namelist()}
    of_moodle = [name for name in replies if "_assignsubmission" in name]
    assert {name.partition("_assignsubmission")[0] for name in of_moodle} <= above
    assert "chenwei_LATE_4710_555_gradient.html" in replies
    assert all(name.endswith("gradient.html") for name in replies)


def zipped(files: dict[str, str | bytes]) -> bytes:
    """An archive with any names in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def everything(folder: Path, without: Path) -> set[Path]:
    """All files below a folder, except those of another; and the two that an attack would make."""
    found = {p for p in folder.rglob("*") if p.is_file() and not p.is_relative_to(without)}
    return found | {p for p in [Path("/tmp/escaped-absolute.ipynb")] if p.exists()}
