"""A class list as spreadsheets write it: read, or refused by a sentence, before anybody is entered.

nbgrader takes a byte order mark for a part of the first column's name, keeps the blanks after
commas, and ends in a traceback where the file is not in UTF-8.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from autograder.i18n import _
from autograder.judging.show import printable
from autograder.submissions.names import normal, unfit

SEPARATORS = (",", ";", "\t", "|")
MOST_TOLD = 5


def read_table(path: Path, key: str) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names of its columns.

    key: the column that each row must fill, with something else in each.

    Raises
    ------
    ValueError that says what is wrong, and what to do.
    """
    lines = _text(path).splitlines(keepends=True)
    head = next((line for line in lines if line.strip()), "")
    names = {sep: _columns(head, sep) for sep in SEPARATORS}
    separator = next((sep for sep in SEPARATORS if key in names[sep]), None)
    if separator is None:
        told = _("{file} has no column {key}; its first line is: {line}")
        raise ValueError(
            told.format(file=path.name, key=key, line=printable(normal(head.strip())[:200]))
        )
    columns = names[separator]
    rows, wrong, seen = [], [], dict[str, int]()
    reader = csv.reader(io.StringIO("".join(lines)), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            values = [normal(cell).strip() for cell in cells]
            if not any(values) or _columns_of(values) == columns:
                continue
            where = _("line {number}: ").format(number=reader.line_num)
            if len(values) > len(columns) and any(values[len(columns) :]):
                wrong.append(where + _("more cells than columns; a name with a comma needs quotes"))
                continue
            row = dict(zip(columns, values, strict=False))
            why = _("no {key}").format(key=key) if not row.get(key) else ""
            if row.get(key) in seen:
                why = _("{id} is in line {number}, too").format(
                    id=printable(row[key]), number=seen[row[key]]
                )
            if why:
                wrong.append(where + why)
                continue
            seen[row[key]] = reader.line_num
            rows.append(row)
    except csv.Error as error:
        wrong.append(_("line {number}: ").format(number=reader.line_num) + str(error))
    _refuse(path, wrong)
    return rows


def read_roster(path: Path) -> list[dict[str, str]]:
    """The rows of a class list.

    Raises
    ------
    ValueError as `read_table`, and for an id that no folder and no address can carry.
    """
    rows = read_table(path, "id")
    odd = [(row["id"], why) for row in rows if (why := unfit(row["id"]))]
    told = _("the id {id} cannot be used: {why}")
    _refuse(path, [told.format(id=repr(id), why=why) for id, why in odd])
    return rows


def _refuse(path: Path, wrong: Sequence[str]) -> None:
    if wrong:
        more = len(wrong) - MOST_TOLD
        told = [
            *wrong[:MOST_TOLD],
            *([_("and {count} more").format(count=more)] if more > 0 else []),
        ]
        text = _("{file}: {wrong}. Nobody was entered.")
        raise ValueError(text.format(file=path.name, wrong="; ".join(told)))


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace").replace("\ufeff", "")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        start = data.rfind(b"\n", 0, error.start) + 1
        shown = data[start : (data.find(b"\n", error.start) + 1) or None].decode(
            "cp1252", errors="replace"
        )
        told = _(
            "{file} is not in UTF-8: line {line} would be “{text}” in Windows-1252 (Latin-1). Save "
            "it as “CSV UTF-8”."
        )
        text = printable(shown.strip()[:200])
        raise ValueError(told.format(file=path.name, line=line, text=text)) from None


def _columns(line: str, separator: str) -> list[str]:
    try:
        return _columns_of(next(csv.reader([line], delimiter=separator, skipinitialspace=True), []))
    except csv.Error:
        return []


def _columns_of(cells: Sequence[str]) -> list[str]:
    """Names of columns as nbgrader has them: First Name is first_name."""
    return ["_".join(normal(cell).casefold().split()) for cell in cells]
