"""How names are compared: of people, of files, and as archives write them. The one place."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterable

from autograder.i18n import _

# Archives whose names are marked as nothing: by Windows and by some platforms, where not in UTF-8.
ENCODINGS = (
    "cp1252",
    "cp850",
    "gbk",
    "cp1250",
    "cp1251",
    "shift_jis",
    "euc_kr",
    "big5",
    "cp1253",
)
# What an address of Formgrader's cannot carry, nor a folder's name, nor nbgrader's patterns.
NEVER = "/\\?#%*[]{}+;&\"'<>|:"


def normal(text: str) -> str:
    """A text in one of the several ways to write the same letters."""
    return unicodedata.normalize("NFC", text)


def letters(name: str) -> str:
    """A name as it is compared: its letters and digits, in lower case."""
    return "".join(c for c in normal(normal(name).casefold()) if c.isalnum())


def bare_letters(name: str) -> str:
    """The same without accents."""
    apart = unicodedata.normalize("NFKD", normal(name).casefold())
    return "".join(c for c in apart if c.isalnum())


def ascii_letters(name: str) -> str:
    """The same as platforms write it that drop every letter with an accent."""
    return "".join(c for c in letters(name) if c.isascii())


def same_letters(one: str, other: str) -> bool:
    """Whether two names of files are one, however written."""
    return normal(one).casefold() == normal(other).casefold()


def unfit(student: str) -> str:
    """Why a learner's id cannot be used, or nothing.

    It is the name of a folder, and a part of an address in Formgrader, which escapes nothing.
    """
    if not student.strip():
        return _("it is empty")
    if student != student.strip():
        return _("it begins or ends with a blank")
    if student in (".", "..") or student.startswith("."):
        return _("it begins with a dot")
    if len(student.encode()) > 200:
        return _("it is longer than the name of a folder can be")
    odd = sorted({c for c in student if c in NEVER or not (c.isprintable() or c == " ")})
    if odd:
        return _("it holds {characters}").format(characters=" ".join(map(repr, odd)))
    return ""


def decoded(raw: bytes, is_known: Callable[[str], bool]) -> str:
    """The name of a file in an archive that does not say how it is written.

    is_known: whether somebody of the roster is found by it.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    readings = list(_readings(raw))
    known = [reading for reading in readings if is_known(reading)]
    return next(iter([*known, *filter(_is_readable, readings), *readings]), raw.decode("cp437"))


def _readings(raw: bytes) -> Iterable[str]:
    for encoding in (*ENCODINGS, "cp437"):
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError:
            continue


def _is_readable(text: str) -> bool:
    """Whether all that is not ASCII is a letter, and words do not change their case inside."""
    odd = [c for c in text if not c.isascii()]
    pairs = itertools.pairwise(text)
    inside = any(one.islower() and two.isupper() and not two.isascii() for one, two in pairs)
    return all(c.isalpha() for c in odd) and not inside
