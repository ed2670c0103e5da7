"""What learners choose besides cells: file names, links, archives, what lies in the exchange, names
for a spreadsheet."""

from __future__ import annotations

import csv
import io
import logging
import os
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.classes.cache import Cache
from autograder.gradebook.export import CsvExport
from autograder.judging.show import lines
from autograder.judging.verdict import Verdict
from autograder.project import find_project
from autograder.release.configuration import course_config
from autograder.submissions.adopt import adopt
from autograder.submissions.archives import ArchiveExtractor
from autograder.submissions.exchange import MAX_ENTRIES, copy_plain
from autograder.submissions.read import read_submission

LEARNER = 12345
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1dcmd|' /C calc'!A0", ' =HYPERLINK("x")')


def test_no_name_is_a_formula_in_the_export(tmp_path: Path) -> None:
    """nbgrader's own export would write them as they are, and a comma would move the columns."""
    course_config(find_project().root)  # nbgrader calls alembic by its bare name
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "c") as book:
        book.add_assignment("gradient")
        for i, name in enumerate(FORMULAS):
            book.add_student(f"s{i}", first_name=name, last_name='a,"b"\n=1', email="=x@y")
        book.add_student("=evil", first_name=None, last_name="O'Neil-Smith")
        exporter = CsvExport()
        exporter.to = str(tmp_path / "grades.csv")
        exporter.export(book)
    rows = list(csv.DictReader((tmp_path / "grades.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == len(FORMULAS) + 1
    for row in rows:
        assert not [v for v in row.values() if v.strip(" ")[:1] in set("=+-@\t\r\uff1d") - {""}]
    found = {row["student_id"]: row for row in rows}
    assert found["s0"]["first_name"] == "'=1+1" and found["s0"]["last_name"] == 'a,"b"\n=1'
    assert found["'=evil"]["last_name"] == "O'Neil-Smith"
    assert float(found["s1"]["score"]) == 0.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission's folder."""
    made = tmp_path / "submitted" / "mallory" / "gradient"
    made.mkdir(parents=True)
    return made


def test_a_file_name_is_no_markup(folder: Path) -> None:
    (folder / "<img src=x onerror=alert(1)>.txt").write_text("x")
    (folder / "[click](javascript:alert(1))\x1b]0;x\x07\n# big.txt").write_text("x")
    (said,) = adopt(folder, "gradient").notes
    assert "\x1b" not in said and "\n" not in said
    assert read_submission(folder / "gradient.ipynb").notebook.cells == []


@pytest.mark.parametrize("kind", ["notebook", "file", "folder", "pipe", "whole"])
def test_a_link_hands_in_nobody_elses_work(folder: Path, kind: str) -> None:
    other = folder.parents[1] / "amara" / "gradient"
    other.mkdir(parents=True)
    work = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("amara = 'S3CRET'")])
    nbformat.write(work, other / "gradient.ipynb")
    if kind == "notebook":
        (folder / "gradient.ipynb").symlink_to(other / "gradient.ipynb")
    elif kind == "file":
        (folder / "answer.ipynb.txt").symlink_to(other / "gradient.ipynb")
    elif kind == "folder":
        (folder / "inner").symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(folder / "gradient.ipynb")
    else:
        folder.rmdir()
        folder.symlink_to(other)
    adopt(folder, "gradient")
    assert not folder.is_symlink()
    for path in folder.rglob("*"):
        assert path.is_file() and not path.is_symlink()
        assert "S3CRET" not in path.read_text("utf-8")
    assert "S3CRET" in (other / "gradient.ipynb").read_text("utf-8")


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def unpacked(tmp_path: Path, files: dict[str, bytes], **traits: int) -> dict[str, int]:
    """The files that come of a platform's archive, with their sizes."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "all.zip").write_bytes(zipped(files))
    extractor = ArchiveExtractor(**traits)
    extractor.log = logging.getLogger("test")
    extractor.extract(str(tmp_path / "in"), str(tmp_path / "out"))
    found = (p for p in (tmp_path / "out").rglob("*") if p.is_file())
    return {p.name: p.stat().st_size for p in found}


def test_archives_in_archives_share_one_bound(tmp_path: Path) -> None:
    """Each for itself is small enough."""
    bomb = zipped({f"{i}.zip": zipped({f"zeros-{i}": bytes(900_000)}) for i in range(50)})
    honest = zipped({"gradient.ipynb": b"{}" * 1000})
    found = unpacked(tmp_path, {"m.zip": bomb, "a.zip": honest}, max_bytes=1_000_000)
    assert sum(found.values()) < 1_100_000
    assert found["gradient.ipynb"] == 2000


def test_files_without_end_are_not_unpacked(tmp_path: Path) -> None:
    many = zipped({f"{i}": b"" for i in range(3000)})
    found = unpacked(tmp_path, {"m.zip": many, "a.zip": zipped({"a.ipynb": b"x"})})
    # The archive itself stays: its learner handed something in.
    assert found == {"a.ipynb": 1, "m.zip": len(many)}


def test_an_archive_is_unpacked_in_its_learners_own_folder(tmp_path: Path) -> None:
    """`...zip` without its ending is the folder above, twice over the one above that."""
    amara, mallory = "Amara Okafor_11_assignsubmission_file_", "Mallory M_12_assignsubmission_file_"
    evil = zipped({"...zip": zipped({"...zip": zipped({f"{amara}/gradient.ipynb": b"evil"})})})
    unpacked(tmp_path, {f"{amara}/gradient.ipynb": b"hers", f"{mallory}/work.zip": evil})
    out = tmp_path / "out" / "all"
    assert {p.name for p in out.iterdir()} == {amara, mallory}
    assert [p.read_bytes() for p in (out / amara).rglob("*.ipynb")] == [b"hers"]
    assert [p.read_bytes() for p in (out / mallory).rglob("*.ipynb")] == [b"evil"]


def damaged_archives() -> dict[str, bytes]:
    """Each makes zipfile, or what it calls, fail in another way."""
    honest = zipped({"gradient.ipynb": b"{}" * 500})
    made = {"cut": honest[:60], "nothing": b"", "no archive": b"PK"}
    version = bytearray(honest)
    version[honest.index(b"PK\x01\x02") + 6] = 255
    made["version"] = bytes(version)
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", kind) as archive:
            archive.writestr("gradient.ipynb", b"{}" * 500)
        broken = bytearray(data.getvalue())
        start = broken.index(b"gradient.ipynb") + len("gradient.ipynb")
        broken[start : start + 12] = b"\xff" * 12
        made[f"stream-{kind}"] = bytes(broken)
        broken = bytearray(data.getvalue())
        broken[start + 4] = 255
        made[f"properties-{kind}"] = bytes(broken)
    return made


@pytest.mark.parametrize("data", damaged_archives().values(), ids=damaged_archives())
def test_a_damaged_archive_costs_nobody_else_anything(
    tmp_path: Path, folder: Path, data: bytes
) -> None:
    found = unpacked(tmp_path, {"m.zip": data, "z.zip": zipped({"z.ipynb": b"{}"})})
    assert found["z.ipynb"] == 2
    (folder / "work.zip").write_bytes(data)
    assert "No notebook was handed in" in adopt(folder, "gradient").notes[0]


def test_an_archive_handed_in_is_no_bomb(folder: Path) -> None:
    """What says that it is larger than a notebook is not unpacked to see; one that lies is cut."""
    bomb = {f"{i}.ipynb": bytes(101 * 2**20) for i in range(2)}
    (folder / "work.zip").write_bytes(zipped(bomb))
    assert "No notebook was handed in" in adopt(folder, "gradient").notes[0]


def test_a_learners_line_is_no_command_to_a_terminal() -> None:
    verdict = Verdict("gabor", "error", 0.0, 1.0, line="x = '\x1b]0;owned\x07\u202e'")
    said = "\n".join(lines(verdict, colour=False))
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def test_a_planted_cache_entry_is_none(tmp_path: Path) -> None:
    """Neither one that somebody wrote, nor one that was kept for somebody else."""
    cache = Cache(tmp_path, "gradient", "common", {"gabor": "print"})
    (tmp_path / "graded").mkdir()
    verdict = Verdict("gabor", "passed", 1.0, 1.0)
    cache.keep("amara", "key", {"gabor": verdict}, tmp_path / "graded")
    kept = cache.find("amara", "key")
    assert kept is not None and kept.verdicts["gabor"].points == 1.0
    text = (tmp_path / "gradient" / "amara.json").read_text("utf-8")
    (tmp_path / "gradient" / "mallory.json").write_text(text, "utf-8")
    assert cache.find("mallory", "key") is None
    changed = text.replace('"points": 1.0', '"points": 9.0')
    assert changed != text
    (tmp_path / "gradient" / "amara.json").write_text(changed, "utf-8")
    assert cache.find("amara", "key") is None
    (tmp_path / "gradient" / "amara.json").write_text(text.partition("\n")[2], "utf-8")
    assert cache.find("amara", "key") is None


@pytest.mark.skipif(os.getuid() != 0, reason="a file of somebody else's takes root")
def test_a_second_name_of_somebody_elses_file_is_left_out(tmp_path: Path) -> None:
    """Where `fs.protected_hardlinks` is 0 anybody may make one."""
    secret, handed_in = tmp_path / "gradebook.db", tmp_path / "inbound"
    secret.write_text("secret")
    (handed_in / "data").mkdir(parents=True)
    mine = handed_in / "mine.csv"
    mine.write_text("1,2")
    os.link(mine, handed_in / "mine, again.csv")
    os.link(secret, handed_in / "data" / "loot.db")
    for path in (handed_in, handed_in / "data", mine):
        os.chown(path, LEARNER, LEARNER)
    assert copy_plain(handed_in, tmp_path / "copy", 1000) == ["data/loot.db"]
    copied = sorted(str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*"))
    assert copied == ["data", "mine, again.csv", "mine.csv"]


def test_folders_without_end_are_cut(tmp_path: Path) -> None:
    handed_in = tmp_path / "inbound"
    for number in range(MAX_ENTRIES + 500):
        (handed_in / "d" / f"{number:05d}").mkdir(parents=True)
    (handed_in / "a.txt").write_text("mine")
    left_out = copy_plain(handed_in, tmp_path / "copy", 1000)
    assert len(left_out) == 502
    assert len(list((tmp_path / "copy").rglob("*"))) == MAX_ENTRIES
    assert (tmp_path / "copy" / "a.txt").is_file()
