"""What comes up once a term: the recipes of the page, run as they are printed."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from autograder.classes.run import grade_class, quietly
from autograder.cli import main
from tests.conftest import ROOT, Course, Person, read_recipe, write

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
    (course.folder / "by_days.py").write_text(LATE)
    (course.folder / "local_config.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(course.folder)!r})\n"
        "c.AssignLatePenalties.plugin_class = 'by_days.OneADay'\n"
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


def points(course: Course) -> dict[str, float]:
    """What the gradebook has, by who handed in, less what was late."""
    with course.gradebook() as book:
        handed_in = book.assignment_submissions("gradient")
        return {s.student.id: s.score - (s.late_submission_penalty or 0) for s in handed_in}


def kept(course: Course) -> list[Path]:
    """The files that a backup must bring back."""
    files = [p for p in sorted(course.grading.rglob("*")) if "cache" not in p.parts]
    return [course.folder / "local_config.py", *(path for path in files if path.is_file())]


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
            course.run("autograder report gradient && autograder export moodle")
            (course.folder / "roster.csv").write_text("id\namara\ndora\n")
            (course.folder / "others.csv").write_text("id\nisadora\ndora.b\n")
            said = course.run("autograder remove-learner dora --erase")
            assert not (course.grading / "removed").exists()
            assert not (course.grading / "reports" / "gradient.html").exists()
            assert "dora is still named in: moodle.csv, roster.csv\n" in said
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


def test_who_was_graded_is_missed_in_a_new_gradebook(term, tmp_path):
    """No table is empty without a word, and the report shows no marks that nobody has."""
    course = term.copy(tmp_path / "class")
    (course.grading / "gradebook.db").unlink()
    course.run("autograder build gradient")
    missed = "2 graded before have no marks in this gradebook: amara, dora."
    for command in ("autograder export moodle", "nbgrader export"):
        said = course.run(command)
        assert f"gradient: {missed} Run `autograder autograde gradient`" in said
    assert missed in course.run("autograder report gradient", wrong=True)
    course.run("autograder autograde gradient --student amara")
    course.run("autograder report gradient")
    page = (course.grading / "reports" / "gradient.html").read_text()
    assert "1 graded before have no marks in this gradebook: dora." in page
    assert "1 graded submission" in page
    assert "no marks" in course.run("autograder export questions")
    course.run("autograder autograde gradient")
    # The date by which it was due went with the old one.
    assert points(course) == {"amara": 20, "dora": 19}
    assert "no marks" not in course.run("autograder export questions && autograder report gradient")


def take_part(course: Course, name: str, exchange: dict[str, str], id: str) -> Person:
    """Somebody fetches the set with nbgrader's settings as the page gives them, course_id apart."""
    learner = course.learner(name)
    learner.follow("Once: the exchange", "each learner", **exchange)
    settings = learner.home / ".jupyter" / "nbgrader_config.py"
    assert 'course_id = "descent"' in settings.read_text()
    # The account's name, which nbgrader would ask the system for.
    text = settings.read_text() + f'c.CourseDirectory.student_id = "{name}"\n'
    settings.write_text(text.replace('course_id = "descent"', f'course_id = "{id}"'))
    learner.follow("What the learner does", "fetches")
    (learner.folder / "gradient" / "gradient.ipynb").chmod(0o644)
    return learner


def release_upstream(course: Course, upstream: Path) -> None:
    """The course is a clone, and where it came from there is a newer version: gabor is worth 3
    points in place of 1, and nbgrader_config.py has a line more."""
    git = "git -c user.name=author -c user.email=author@example.org"
    for name in (".gitignore", "Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, course.folder)
    tracked = (
        ".gitignore Makefile constraints.txt pyproject.toml nbgrader_config.py solutions exercises"
    )
    course.run(
        "git init --quiet --initial-branch=main && "
        f"git add {tracked} && {git} commit --quiet -m spring && git clone --quiet . {upstream}; "
        f"git remote add origin {upstream}; git fetch --quiet; git branch --quiet -u origin/main"
    )
    solutions = upstream / "solutions" / "gradient.py"
    text = solutions.read_text("utf-8")
    before, _def, after = text.partition("def gabor(")
    *others, its_own = before.rpartition("points=1,")
    assert "@exercise" not in its_own
    solutions.write_text("".join([*others[:-1], "points=3,", its_own, _def, after]), "utf-8")
    with (upstream / "nbgrader_config.py").open("a") as file:
        file.write("# Newer.\n")
    course.run(f"cd {upstream} && {git} commit --quiet -am newer")
    # The environment is that of the tests.
    course.run("make .venv/.dependencies && touch .venv/.installed")


def pasted(course: Course, heading: str) -> None:
    """The shell blocks of a recipe, line by line as in a terminal, where one goes on after an
    error."""
    for block in read_recipe(heading):
        if block.language == "bash":
            course.run(f"bash --norc -i <<'PASTED' || true\n{block.code}\nPASTED")


def test_two_terms_with_the_pages_alone(term, tmp_path):
    """From release to archive, and on to the next term's marks; a backup and an upgrade between."""
    course = term.copy(tmp_path / "all")
    # Every set is built by some of the recipes: one is enough to see what they do.
    for path in [*course.project.solutions.iterdir(), *course.project.exercises.iterdir()]:
        if path.stem not in ("gradient", "__init__"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    exchange = {"EXCHANGE": str(tmp_path / "exchange")}
    backup = {"BACKUP": str(tmp_path / "backup.tgz"), "ARCHIVE": str(tmp_path / "spring")}
    course.follow("Once: the exchange", "once", **exchange)

    # A round of the first term.
    course.follow("Release")
    chen = take_part(course, "chen", exchange, "descent")
    write(chen.folder / "gradient" / "gradient.ipynb", course.solved())
    chen.follow("What the learner does", "submits")
    course.follow("Collect")
    course.follow("Grade", "folder, to grade")
    said = course.follow("Feedback", "course's folder")
    assert "Not released, since their work came in another way: amara, dora." in said
    chen.follow("Feedback", "learner")
    [page] = (chen.folder / "gradient" / "feedback").rglob("gradient.html")
    assert "gabor" in page.read_text("utf-8")
    assert scores(course) == {"amara": "18", "ben": "", "chen": "20", "dora": "17"}

    # Back up, and restore.
    for name in ("local_late.py", "marks.csv"):
        (course.folder / name).write_text("mine")
    course.follow("Back up, and restore", "to back up", **backup)
    before = {path: path.read_bytes() for path in kept(course)}
    shutil.rmtree(course.grading / "autograded")
    (course.grading / "gradebook.db").write_bytes(b"lost")
    for name in ("local_config.py", "local_late.py", "marks.csv"):
        (course.folder / name).unlink()
    course.follow("Back up, and restore", "to restore", **backup)
    for name in ("local_late.py", "marks.csv"):
        assert (course.folder / name).read_text() == "mine"
        (course.folder / name).unlink()
    assert {path: path.read_bytes() for path in kept(course)} == before

    # Another attempt.
    old = tmp_path / "exchange" / "descent"
    attempt = old / "inbound" / "amara+gradient+2030-02-01 10:00:00 UTC+x"
    shutil.copytree(course.grading / "submitted" / "amara" / "gradient", attempt)
    write(attempt / "gradient.ipynb", course.mistaken(gabor="no_scale"))
    (attempt / "timestamp.txt").write_text("2030-02-01 10:00:00 UTC")
    dora = course.graded("dora")
    # What is there was handed in later, by its own account.
    shutil.rmtree(course.grading / "submitted" / "amara")
    course.follow("Another attempt")
    assert points(course) == {"amara": 18, "chen": 20, "dora": 17}, "a day late, a point less"
    assert course.graded("dora") == dora
    course.follow("Take a release back")
    assert not (old / "outbound" / "gradient").exists()

    # An upgrade: what was right is right, out of other points.
    release_upstream(course, tmp_path / "upstream")
    mine = (course.folder / "local_config.py").read_text()
    said = course.follow("An upgrade in mid-term")
    assert "gabor is worth 3 points in place of 1" in said and "chen: 20 of 20 -> 22 of 22" in said
    assert (course.folder / "local_config.py").read_text() == mine
    assert "csv" not in course.run("git status --short"), "nobody's marks are committed by accident"
    assert points(course) == {"amara": 18, "chen": 22, "dora": 17}

    # What names no place does nothing.
    pasted(course, "A new term")
    pasted(course, "Two instructors")
    pasted(course, "Who may read the marks")
    assert (course.folder / "local_config.py").read_text() == mine
    for folder in (course.grading, course.project.solutions):
        assert folder.stat().st_mode & 0o077 == 0

    # The next term: nothing of the last one comes along, and nothing of it changes.
    course.follow("A new term", **backup)
    archived = (tmp_path / "spring" / "gradebook.db").read_bytes()
    course.follow("Release")
    said = course.follow("Collect")
    assert "No submissions of 'gradient' for course 'descent-2030-autumn' to collect" in said
    assert not (course.grading / "submitted").exists()
    ben = take_part(course, "ben", exchange, "descent-2030-autumn")
    write(ben.folder / "gradient" / "gradient.ipynb", course.mistaken(gabor="no_scale"))
    ben.follow("What the learner does", "submits")
    course.follow("Collect")
    course.follow("Grade", "folder, to grade")
    assert scores(course) == {"amara": "", "ben": "19", "chen": "", "dora": ""}
    assert (tmp_path / "spring" / "gradebook.db").read_bytes() == archived


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
    (course.folder / "local_config.py").unlink()
    shutil.rmtree(course.grading)
    course.run("nbgrader db student add eve")  # as in a fresh clone
    assert course.grading.stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("changed", ["local_config.toml", "pyproject.toml"])
def test_to_release_a_set_installs_nothing_and_runs_no_page_again(
    tmp_path: Path, changed: str
) -> None:
    """Once they took four minutes and a half: what is kept of the site makes it seconds."""
    root = ROOT
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "nbgrader_config.py"):
        shutil.copy(root / name, tmp_path)
    sources = ["_config.yml", "_toc.yml", "book/gradient.md", "solutions/gradient.py"]
    made = [".venv/.installed", "exercises/gradient/gradient.ipynb"]
    made += ["grading/gradebook.db", ".course/exercises", ".course/site", "_build/html/index.html"]
    for path in (tmp_path / name for name in (*sources, *made)):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    subprocess.run(["make", ".venv/.dependencies"], cwd=tmp_path, env=no_make(), check=True)
    before = time.time() - 1000
    for i, name in enumerate((".venv/.dependencies", *made)):
        os.utime(tmp_path / name, (before + i, before + i))
    for path in (*tmp_path.glob("*.*"), *(tmp_path / name for name in sources)):
        os.utime(path, (before - 1, before - 1))
    assert not planned(tmp_path, "site") and not planned(tmp_path, "build")
    with (tmp_path / changed).open("a") as file:
        file.write('# released_sets = ["gradient"]\n')
    told = planned(tmp_path, "site")
    assert "jupyter-book build" in told
    assert "pip" not in told and "autograder build" not in told
    removed = next(line for line in told.splitlines() if line.startswith("rm -rf"))
    assert removed.split() == ["rm", "-rf", "_build/html"]


def planned(folder: Path, target: str) -> str:
    """What `make` would run, once it has looked whether anything is to be installed."""
    looked_at = ".venv/.dependencies"
    subprocess.run(["make", looked_at], cwd=folder, env=no_make(), check=True)
    assert (folder / looked_at).stat().st_mtime < (folder / ".venv/.installed").stat().st_mtime
    done = subprocess.run(
        ["make", "-n", "-o", looked_at, target],
        cwd=folder,
        env=no_make(),
        capture_output=True,
        text=True,
        check=True,
    )
    return "" if "Nothing to be done" in done.stdout else done.stdout


def no_make() -> dict[str, str]:
    """The environment without what a `make` that runs the tests has put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
