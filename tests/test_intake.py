"""Whatever a learner hands in: which file counts, how far it is read, and that it is told.

Many learners in one class, graded by `autograder autograde` and by nbgrader's own loop, which
Formgrader's button runs; and archives of learning platforms through `nbgrader zip_collect`.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autograder.classes.report import write_report
from autograder.classes.run import Summary, grade_class, quietly
from autograder.gradebook.record import read_records
from autograder.gradebook.roster import read_roster
from autograder.submissions.platforms import PLATFORMS
from autograder.submissions.read import MAX_FILE, read_submission

if TYPE_CHECKING:
    from tests.conftest import Course

pytestmark = pytest.mark.timeout(900)

OLD, NEW = 1_900_000_000, 1_900_100_000
MAKERS: dict[str, Callable[[Course, Path], None]] = {}
EXPECTED: dict[str, tuple[float, tuple[str, ...], bool]] = {}


def handed_in(points: float, *told: str, look: bool = False) -> Callable[[Any], Any]:
    """Register what somebody hands in, what it gets, what the feedback says, and whether somebody
    has to look at it. Full marks are 20, and 19 without gabor."""

    def register(make: Any) -> Any:
        MAKERS[make.__name__] = make
        EXPECTED[make.__name__] = points, told, look
        return make

    return register


def text_of(notebook: Any) -> str:
    return json.dumps(notebook, indent=1)


def put(path: Path, content: Any, saved: int = NEW) -> Path:
    """A file with its time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else str(content).encode()
    path.write_bytes(data)
    os.utime(path, (saved, saved))
    return path


def solved(course: Course) -> str:
    return text_of(course.solved())


def nearly(course: Course) -> str:
    """All but gabor."""
    return text_of(course.mistaken(gabor="no_scale"))


def stub(course: Course) -> str:
    return text_of(course.stub())


def zipped(files: dict[str, Any], *, encoding: str = "utf-8", day: int = 1) -> bytes:
    """An archive; with another encoding its names are bytes of which it does not say how they are
    written."""
    out = io.BytesIO()
    bare = {f"{n:x}".zfill(len(name.encode(encoding))): name for n, name in enumerate(files)}
    with zipfile.ZipFile(out, "w") as archive:
        for plain, name in bare.items():
            info = zipfile.ZipInfo(name if encoding == "utf-8" else plain, (2030, 3, day, 12, 0, 0))
            archive.writestr(info, files[name])
    data = out.getvalue()
    for plain, name in bare.items() if encoding != "utf-8" else ():
        data = data.replace(plain.encode(), name.encode(encoding))
    return data


# Which file counts.


@handed_in(
    20, "gradient (1).ipynb was graded as gradient.ipynb.", "gradient.ipynb (as it was handed"
)
def untouched_beside_solved(course, folder):
    put(folder / "gradient.ipynb", stub(course))
    put(folder / "gradient (1).ipynb", solved(course), OLD)


@handed_in(20, "my work.ipynb was graded as", "gradient.ipynb (older)")
def newer_under_another_name(course, folder):
    put(folder / "gradient.ipynb", nearly(course), OLD)
    put(folder / "my work.ipynb", solved(course))


@handed_in(20, "gradient (2).ipynb was graded as", "gradient (1).ipynb (an earlier version)")
def versions_of_one_minute(course, folder):
    for name, text in (("", nearly), (" (1)", nearly), (" (2)", solved)):
        put(folder / f"gradient{name}.ipynb", text(course) + " " * len(name))


@handed_in(20, "Not graded: gradient-Copy1.ipynb (of another name).")
def a_copy_beside_the_right_name(course, folder):
    put(folder / "gradient.ipynb", solved(course))
    put(folder / "gradient-Copy1.ipynb", nearly(course))


@handed_in(
    20, "work.zip/gradient.ipynb was graded", "work.zip/backup/gradient.ipynb (further down)"
)
def a_backup_in_an_archive(course, folder):
    files = {"backup/gradient.ipynb": nearly(course), "gradient.ipynb": solved(course)}
    put(folder / "work.zip", zipped(files))


@handed_in(20, "b.zip/a.zip/gradient.ipynb was graded as gradient.ipynb.")
def an_archive_in_an_archive(course, folder):
    inner = zipped({"__MACOSX/._gradient.ipynb": b"\0\5", "gradient.ipynb": solved(course)})
    put(folder / "b.zip", zipped({"a.zip": inner}))


@handed_in(20, "new.zip/gradient.ipynb was graded", "old.zip/gradient.ipynb (older)")
def two_archives(course, folder):
    put(folder / "old.zip", zipped({"gradient.ipynb": nearly(course)}, day=1))
    put(folder / "new.zip", zipped({"gradient.ipynb": solved(course)}, day=2))


@handed_in(20, "work.tar.gz/w/gradient.ipynb was graded as gradient.ipynb.")
def a_tape_archive(course, folder):
    out, data = io.BytesIO(), solved(course).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("w/gradient.ipynb")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    put(folder / "work.tar.gz", out.getvalue())


@handed_in(20, "work.zip/w/gradient.ipynb was graded as gradient.ipynb.")
def a_helper_in_an_archive(course, folder):
    """What lies beside the notebook in an archive comes along."""
    notebook = course.solved()
    cell = next(c for c in notebook.cells if c.id == "solution-gabor")
    cell.source = "from helper import half\nassert half(4) == 2\n\n\n" + cell.source
    helper = "def half(x):\n    return x / 2\n"
    put(folder / "work.zip", zipped({"w/gradient.ipynb": text_of(notebook), "w/helper.py": helper}))


@handed_in(20, "GRADIENT.IPYNB was graded as gradient.ipynb.")
def an_ending_in_capitals(course, folder):
    put(folder / "GRADIENT.IPYNB", solved(course))


@handed_in(1, "gradient.py was graded as", "gradient.ipynb (as it was handed out)")
def code_beside_the_untouched(course, folder):
    put(folder / "gradient.ipynb", stub(course))
    gabor = next(c for c in course.solved().cells if c.id == "solution-gabor")
    put(folder / "gradient.py", "import numpy as np\n\n\n" + gabor.source + "\n")


@handed_in(20)
def litter_and_a_file_of_data(course, folder):
    put(folder / "gradient.ipynb", solved(course))
    put(folder / "._gradient (9).ipynb", nearly(course))
    put(folder / ".ipynb_checkpoints" / "gradient-checkpoint.ipynb", nearly(course))
    put(folder / "data.csv", "1,2\n")


# What costs everything.


@handed_in(0, "The notebook is as it was handed out.", look=True)
def untouched(course, folder):
    put(folder / "gradient.ipynb", stub(course))


@handed_in(0, "The notebook is as it was handed out.", look=True)
def untouched_of_an_earlier_release(course, folder):
    notebook = course.stub()
    next(c for c in notebook.cells if c.cell_type == "code").source = "import numpy as np"
    put(folder / "gradient.ipynb", text_of(notebook))


@handed_in(0, "This is a web page in place of a notebook.", look=True)
def a_web_page(course, folder):
    put(folder / "gradient.ipynb", "<!DOCTYPE html>\n<html><body>Please sign in</body></html>")


@handed_in(0, "This is the notebook of another set: sgd.", look=True)
def another_set(course, folder):
    put(folder / "gradient.ipynb", text_of(course.on("sgd").solved()))


@handed_in(0, "work.rar: this kind of archive cannot be opened here", look=True)
def a_closed_archive(course, folder):
    put(folder / "work.rar", b"Rar!\x1a\x07\0")


@handed_in(0, "work.zip: this archive is damaged", look=True)
def a_damaged_archive(course, folder):
    put(folder / "work.zip", zipped({"gradient.ipynb": solved(course)})[:500])


@handed_in(0, "the folder held: nothing", look=True)
def an_empty_folder(course, folder):
    folder.mkdir(parents=True)


# Reading.


@handed_in(20, "merge conflict", look=True)
def conflict_in_a_count(course, folder):
    count = '   "execution_count": null,\n'
    text = solved(course)
    assert text.count(count) > 3
    marked = f"<<<<<<< HEAD\n{count}=======\n{count}>>>>>>> laptop\n"
    put(folder / "gradient.ipynb", text.replace(count, marked, 1))


@handed_in(20, "merge conflict", look=True)
def conflict_in_a_cell(course, folder):
    notebook = course.solved()
    cell = next(c for c in notebook.cells if c.id == "solution-gabor")
    cell.source = f"<<<<<<< HEAD\n{cell.source}\n=======\ndef gabor(theta, x):\n    pass\n>>>>>>> b"
    put(folder / "gradient.ipynb", text_of(notebook))


@handed_in(18, "The file is damaged;", "No linear_gradient is defined", look=True)
def a_middle_that_is_lost(course, folder):
    text = solved(course)
    lost = text.index("def linear_gradient")
    put(folder / "gradient.ipynb", text[:lost] + text[lost + 600 :])


@handed_in(20)
def outputs_without_end(course, folder):
    notebook = course.solved()
    cell = next(c for c in notebook.cells if c.cell_type == "code")
    picture = "iVBOR" * (MAX_FILE // 5 + 1000)
    cell["outputs"] = [
        {"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}
    ]
    put(folder / "gradient.ipynb", json.dumps(notebook))


# Times. It was due on the 30th of March 2030 at 22:59 in UTC.


def timed(text: str | bytes) -> Callable[[Course, Path], None]:
    def make(course: Course, folder: Path) -> None:
        put(folder / "gradient.ipynb", nearly(course))
        put(folder / "timestamp.txt", text)

    return make


for _name, _text, _told in (
    ("time_bom", b"\xef\xbb\xbf2030-03-30 21:00:00 UTC", ""),
    ("time_cest", "2030-03-31 00:30:00 CEST", ""),
    ("time_offset", "2030-03-30 23:30:00 +0100", ""),
    ("time_german", "05.04.2030 23:30", ""),
    (
        "time_garbage",
        "yesterday evening",
        "timestamp.txt cannot be read, so nothing is counted as late",
    ),
    ("time_epoch", "1900000000", "timestamp.txt cannot be read, so nothing is counted as late"),
):
    MAKERS[_name] = timed(_text)
    EXPECTED[_name] = (19, (_told,) if _told else (), bool(_told))


@pytest.fixture(scope="module")
def whole_class(module_course: Course) -> Course:
    """Everybody's submission, and somebody who did as they were told."""
    course = module_course
    course.run('nbgrader db assignment add gradient --duedate="2030-03-30 23:59 Europe/Berlin"')
    submitted = course.grading / "submitted"
    put(submitted / "zoe" / "gradient" / "gradient.ipynb", solved(course))
    for name, make in MAKERS.items():
        make(course, submitted / name / "gradient")
    return course


def graded(course: Course) -> Summary:
    return grade_class(course.project, "gradient", progress=quietly, say=lambda text: None)


@pytest.fixture(scope="module")
def by_class_run(whole_class: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    course = whole_class.copy(tmp_path_factory.mktemp("ours") / "all")
    course.summary = graded(course)  # type: ignore[attr-defined]
    course.again = graded(course)  # type: ignore[attr-defined]
    course.run("nbgrader generate_feedback gradient")
    return course


@pytest.fixture(scope="module")
def by_formgrader(whole_class: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """nbgrader's own loop, over one folder without any notebook too."""
    course = whole_class.copy(tmp_path_factory.mktemp("stock") / "all")
    course.said = course.run("nbgrader autograde gradient")  # type: ignore[attr-defined]
    return course


def told_of(course: Course) -> dict[str, tuple[float, list[str]]]:
    return {r.student: (r.points, r.problems) for r in read_records(course.project, "gradient")}


def test_what_counts_is_graded_and_what_does_not_is_named(by_class_run: Any) -> None:
    found, wrong = told_of(by_class_run), {}
    for name, (points, told, _look) in EXPECTED.items():
        got, said = found[name]
        page = html.unescape(by_class_run.page(name))
        if got != points or not all(text in page for text in told):
            wrong[name] = (got, said)
        # The sets' own checks are all that is said of whoever did nothing odd.
        if not told and said:
            wrong[name] = (got, said)
    assert wrong == {}
    assert found["zoe"] == (20, [])


def test_formgraders_button_gives_the_same(by_formgrader: Any, by_class_run: Any) -> None:
    assert told_of(by_formgrader) == told_of(by_class_run)
    assert "AttributeError" not in by_formgrader.said


def test_what_costs_everything_is_listed_with_its_reason(by_class_run: Any) -> None:
    summary = by_class_run.summary
    assert summary.failed == {}
    assert summary.flagged.keys() == {name for name, (_p, _t, look) in EXPECTED.items() if look}
    page = write_report(by_class_run.project, "gradient").read_text("utf-8")
    for name, why in summary.flagged.items():
        assert f'<th scope="row">{name}</th>' in page
        assert why[0] in html.unescape(page)
    zero = {name for name, (points, _t, _look) in EXPECTED.items() if not points}
    assert zero <= summary.flagged.keys()


def test_what_was_graded_is_left_alone_until_there_is_something_new(by_class_run: Any) -> None:
    """Neither times nor folders say what is new."""
    assert not by_class_run.again.graded
    assert len(by_class_run.again.skipped) == len(EXPECTED) + 1


def test_times_mean_what_they_say(by_class_run: Any) -> None:
    with by_class_run.gradebook() as book:
        late = {
            name: book.find_submission("gradient", name).total_seconds_late
            for name in MAKERS
            if name.startswith("time_")
        }
    # From 22:59 on the 30th to 23:30 on the 5th.
    assert {n: s for n, s in late.items() if s} == {"time_german": 6 * 86400 + 31 * 60}


def test_what_grading_made_is_never_taken_for_the_learners(
    by_class_run: Any, tmp_path: Path
) -> None:
    """Resubmissions under the same wrong name, as a notebook, an archive and code; the right name
    at last; and a new gradebook, in which nobody has marks."""
    course = by_class_run.copy(tmp_path / "all")
    submitted = course.grading / "submitted"
    put(submitted / "newer_under_another_name/gradient/my work.ipynb", nearly(course), NEW + 900)
    put(
        submitted / "a_backup_in_an_archive/gradient/work.zip",
        zipped({"gradient.ipynb": nearly(course)}),
    )
    put(submitted / "untouched_beside_solved/gradient/gradient.ipynb", nearly(course), NEW + 900)
    put(
        submitted / "code_beside_the_untouched/gradient/gradient.py",
        "def gabor(theta, x):\n    return x\n",
    )
    put(submitted / "an_empty_folder/gradient/gradient.ipynb", solved(course))
    summary = graded(course)
    points = {name: got for name, (got, _most) in summary.points.items()}
    assert points == {
        "newer_under_another_name": 19,
        "a_backup_in_an_archive": 19,
        "untouched_beside_solved": 19,
        "code_beside_the_untouched": 0,
        "an_empty_folder": 20,
    }
    first = submitted / "newer_under_another_name/gradient"
    (first / "my work.ipynb").unlink()
    assert list(graded(course).points.items()) == [("newer_under_another_name", (19, 20))]
    assert sorted(p.name for p in first.iterdir()) == ["gradient.ipynb"]
    with course.gradebook() as book:
        book.remove_submission("gradient", "zoe")
    assert list(graded(course).points.items()) == [("zoe", (20, 20))]


# Reading, alone.


def test_a_file_without_its_head_or_with_the_other_side_of_a_conflict(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "source": [f"x = {n}"]}
        for n in range(3)
    ]
    text = text_of({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    path = tmp_path / "a.ipynb"

    def read(content: str) -> tuple[list[str], list[str]]:
        path.write_text(content)
        submission = read_submission(path)
        return [c.source for c in submission.notebook.cells], submission.problems

    assert read(text[text.index('"c0"') :])[0] == ["x = 1", "x = 2"]
    # Only what stands below makes a whole of it.
    line = next(line for line in text.splitlines() if "x = 1" in line)
    above = text.replace(line, f'<<<<<<< a\n{line},,\n=======\n"x = 7"\n>>>>>>> b', 1)
    sources, [told] = read(above)
    assert sources == ["x = 0", "x = 7", "x = 2"] and "merge conflict" in told
    assert read(text.replace("x = 1", "x = 1\n", 1))[0][0] == "x = 0"
    assert read("def f():\n    return 1\n")[0] == ["def f():\n    return 1"]
    assert read("Dear professor, my dog") == ([], ["This is not a notebook."])


# Archives of learning platforms.

ROSTER = "\ufeffid; first_name; last_name; lms_user_id\n" + "\n".join(
    [
        "zoe01;Zoë;Müñoz;",
        "jose07;José;Peña;0042",
        "bb01;Bea;Bell;",
        "il02;Uwe;Ulm;",
        "ben;Ben;Bo;",
        "cy;Cy;Cole;",
        "amara;Amara;Okafor;",
        "sak;Sam;Sakai;",
        "bri;Bri;Space;77",
        "two;Tia;Two;",
        "fin;Fin;Fox;",
    ]
)


def test_archives_of_all_platforms(course: Course, tmp_path: Path) -> None:
    """Names in any spelling, all of a learner's files, and the newest attempt on top."""
    (course.folder / "roster.csv").write_text(ROSTER, "utf-8")
    course.follow("Roster")
    right, wrong = solved(course), nearly(course)
    sent = course.grading / "downloaded" / "gradient" / "archive"
    moodle = "{}_{}_assignsubmission_file_/{}"
    nfd = unicodedata.normalize("NFD", "Zoë Müñoz")
    put(
        sent / "moodle.zip",
        zipped(
            {
                moodle.format(nfd, 5001, "gradient.ipynb"): right,
                moodle.format("Ben Bo", 2, "gradient.py"): "def gabor(theta, x):\n    return x\n",
                moodle.format("Cy Cole", 3, "work.rar"): b"Rar!\x1a\x07\0",
                moodle.format("Amara Okafor", 4, "GRADIENT.IPYNB"): right,
                moodle.format("Amara Okafor", 4, "data/helper.py"): "x = 1\n",
                moodle.format("Fin Fox", 9, "broken.zip"): b"PK\3\4 no zip",
                moodle.format("Tia Two", 8, "gradient.ipynb"): right,
            }
        ),
    )
    # An older archive, of another name and later in the alphabet.
    put(sent / "older.zip", zipped({moodle.format("Tia Two", 8, "gradient.ipynb"): wrong}), OLD)
    windows = "José Peña_6003_assignsubmission_file_/gradient.ipynb"
    put(sent / "windows.zip", zipped({windows: right}, encoding="cp1252"))
    attempt = "gradient_bb01_attempt_2030-03-{}_gradient.ipynb"
    put(
        sent / "blackboard.zip",
        zipped({attempt.format("29-10-00-00"): wrong, attempt.format("30-23-59-00"): right}),
    )
    put(
        sent / "others.zip",
        zipped(
            {
                "Exercise 1/Ulm_Uwe_il02_4471/20300329235900_gradient.ipynb": wrong,
                "Exercise 1/Ulm_Uwe_il02_4471/20300330235900_gradient.ipynb": right,
                "gradient/Sakai, Sam(sak)/Submission attachment(s)/gradient.ipynb": right,
                "77-1234 - Bri Space - Mar 30, 2030 1000 PM - gradient.ipynb": right,
                "notes/nobody.txt": "?",
            }
        ),
    )
    said = course.run("nbgrader zip_collect gradient --force")
    submitted = course.grading / "submitted"
    there = {
        str(p.relative_to(submitted)).replace("/gradient/", "/", 1)
        for p in submitted.rglob("*")
        if p.is_file()
    }
    assert there == {
        "zoe01/gradient.ipynb",
        "jose07/gradient.ipynb",
        "ben/gradient.py",
        "cy/work.rar",
        "amara/GRADIENT.ipynb",
        "amara/data/helper.py",
        "fin/broken.zip",
        "two/gradient.ipynb",
        "two/earlier attempt 1/gradient.ipynb",
        "bb01/gradient.ipynb",
        "bb01/earlier attempt 1/gradient.ipynb",
        "il02/gradient.ipynb",
        "il02/earlier attempt 1/gradient.ipynb",
        "sak/gradient.ipynb",
        "bri/gradient.ipynb",
    }
    assert "Whose is this? Not collected: others/notes/nobody.txt" in said
    summary = graded(course)
    full = {name for name, (got, _most) in summary.points.items() if got == 20}
    assert full == {"zoe01", "jose07", "amara", "two", "bb01", "il02", "sak", "bri"}
    assert {"cy", "fin"} <= summary.flagged.keys()
    assert "earlier attempt 1/gradient.ipynb (an earlier attempt)" in summary.adopted["bb01"]
    # The next archive is graded, whatever its time.
    for file in sent.iterdir():
        file.unlink()
    put(sent / "moodle.zip", zipped({moodle.format("Tia Two", 8, "gradient.ipynb"): wrong}))
    course.run("nbgrader zip_collect gradient --force")
    assert list(graded(course).points.items()) == [("two", (19, 20))]
    # One that brings nothing is an error.
    put(sent / "moodle.zip", zipped({"what.txt": "?"}))
    assert "Nothing was collected from" in course.run(
        "nbgrader zip_collect gradient --force", wrong=True
    )


def test_a_pattern_that_names_nobody_is_refused_and_an_id_is_enough(course: Course) -> None:
    (course.folder / "roster.csv").write_text("id\nbb01\n", "utf-8")
    course.run("nbgrader db student import roster.csv")
    archive = zipped({"hand-in of bb01 - gradient.ipynb": solved(course)})
    put(course.grading / "downloaded/gradient/archive/all.zip", archive)
    option = "--PlatformCollector.patterns='{}'"
    collect = "nbgrader zip_collect gradient --force "
    said = course.run(collect + option.format("hand-in of .+"), wrong=True)
    assert "says of nobody whose a file is" in said
    course.run(collect + option.format(r"hand-in of (?P<id>\w+) - (?P<file>.+)"))
    assert (course.grading / "submitted/bb01/gradient/gradient.ipynb").is_file()


def test_the_page_shows_the_names_of_all_platforms() -> None:
    page = (Path(__file__).parent.parent / "book" / "instructors.md").read_text("utf-8")
    for platform in PLATFORMS:
        assert f"| {platform.name} | `{platform.example}` |" in page
        parts = platform.example.split("/")
        assert any(re.fullmatch(platform.pattern, part) for part in parts)
        others = [p for p in PLATFORMS if re.fullmatch(p.pattern, parts[0]) and not p.loose]
        assert others in ([platform], [])


def test_rosters_as_people_write_them(course: Course) -> None:
    """Read, or refused by a sentence before anybody is entered."""
    header = "id,first_name,last_name,email,lms_user_id\n"
    jose = "jose,José,Muñoz,jose@example.org,0042\n"
    refused = {
        "latin1": ((header + jose).encode("cp1252"), "latin1.csv is not in UTF-8: line 2 would be"),
        "nothing": (
            b"name,mail\na,b\n",
            "nothing.csv has no column id; its first line is: name,mail",
        ),
        "address": (b"id\na/b\n", "the id 'a/b' cannot be used: it holds '/'"),
        "twice": (b"id\na\na\n", "line 3: a is in line 2, too"),
        "comma": (b"id,last_name\na,Lopez, Ana\n", "more cells than columns"),
        "empty": (b"id,last_name\n,Lopez\n", "line 2: no id"),
    }
    for name, (data, told) in refused.items():
        (course.folder / f"{name}.csv").write_bytes(data)
        with pytest.raises(ValueError, match=re.escape(told)):
            read_roster(course.folder / f"{name}.csv")
    said = course.run("nbgrader db student import twice.csv", wrong=True)
    assert refused["twice"][1] in said and "Traceback" not in said
    with course.gradebook() as book:
        assert book.students == []
    blank = "ID , First Name, last_name , email, lms_user_id\n dora , Dora, Marković ,, 7\n"
    read = {
        "bom": (header + jose).encode("utf-8-sig"),
        "utf16": (header.replace(",", "\t") + "uwe\tUwe\tUlm\t\t\n").encode("utf-16"),
        "blank": blank.encode(),
        "semi": b"id;first_name\r\n\r\namara;Amara\r\n",
    }
    for name, data in read.items():
        (course.folder / f"{name}.csv").write_bytes(data)
    course.run("; ".join(f"nbgrader db student import {name}.csv" for name in read))
    with course.gradebook() as book:
        found = {s.id: (s.first_name, s.last_name, s.lms_user_id) for s in book.students}
    assert found == {
        "jose": ("José", "Muñoz", "0042"),
        "uwe": ("Uwe", "Ulm", None),
        "dora": ("Dora", "Marković", "7"),
        "amara": ("Amara", None, None),
    }
    add = "nbgrader db assignment add gradient --duedate="
    assert "its day could be its month" in course.run(f"{add}'05/04/2030 10:00'", wrong=True)
    course.run(f"{add}'2030-03-30 23:59 -05:00'")
    with course.gradebook() as book:
        assert str(book.find_assignment("gradient").duedate) == "2030-03-31 04:59:00"
    assert "cannot be used" in course.run("nbgrader db student add 'a?b'", wrong=True)
