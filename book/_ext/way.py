"""The way through the course: which exercise a section leads to, and how long a chapter takes.

What an exercise is called, where it stands and what it counts is read from the built notebook.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_site import released_set
from docutils import nodes
from sphinx.locale import get_translation
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from wording import translate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sphinx.application import Sphinx

CATALOGUE = "way"
# Slower than a novel: a page is read with a pencil. A point is what some six minutes of work are
# worth, by the authors' own count.
WORDS_A_MINUTE = 160
MINUTES_A_POINT = 6
# Beside its words: a figure is looked at, a prediction thought about, a formula read twice.
MINUTES = {"figure": 0.5, "predict": 1.0, "formula": 0.3, "live": 3.0}

logger = logging.getLogger(__name__)
_ = get_translation(CATALOGUE)


def words() -> dict[str, str]:
    """All that is said here, in the language of the build; what is in {} is filled in."""
    said = {
        "turn": _("Your turn:"),
        "and": _("{first} and {last}"),
        "one_section": _(", in section {number} of the notebook, “{title}” ({points})."),
        "sections": _(", in sections {numbers} of the notebook ({points})."),
        "no_section": _(", in the notebook ({points})."),
        "point": _("1 point"),
        "points": _("{count} points"),
        "open": _("Open the exercise"),
        "time": _("{reading} to read. The exercise: {points}, {writing}."),
        "minutes": _("About {count} minutes"),
        "half": _("about half an hour"),
        "hour": _("about an hour"),
        "hours": _("about {count} hours"),
    }
    return {key: str(text) for key, text in said.items()}


@dataclass(frozen=True)
class Place:
    """Where an exercise stands in its notebook, and what it counts."""

    number: str
    title: str
    points: float


@lru_cache
def places(notebook: Path, _changed: int) -> dict[str, Place]:
    """Each exercise of a built notebook, by the name of its function or class."""
    found: dict[str, Place] = {}
    number = title = ""
    name = ""
    for cell in json.loads(notebook.read_text("utf8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for heading in re.findall(r"^## +(.+)$", source, re.M):
                number, title = re.fullmatch(r"(\d*)[.\s]*(.*)", heading).groups()  # type: ignore[union-attr]
        marks = cell["metadata"].get("nbgrader", {})
        if marks.get("solution"):
            name = marks["grade_id"]
            found[name] = Place(number, title, 0)
        if marks.get("grade") and name:
            known = found[name]
            found[name] = Place(known.number, known.title, known.points + marks["points"])
    return found


def read_places(app: Sphinx, name: str) -> dict[str, Place]:
    """The exercises of a set; none where it has not been built."""
    notebook = Path(app.srcdir, app.config.way_exercises, name, f"{name}.ipynb")
    return places(notebook, notebook.stat().st_mtime_ns) if notebook.is_file() else {}


def points_said(points: float) -> str:
    said = words()
    return said["point"] if points == 1 else said["points"].format(count=f"{points:g}")


def listed(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = parts
    return words()["and"].format(first=", ".join(first), last=last) if first else last


class YourTurn(SphinxDirective):
    """``{your-turn} name other_name``: the functions that a section explains, with their place in
    the notebook of the page's set. The content, if any, is what is said besides."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        names = self.arguments[0].replace(",", " ").split()
        set_name = self.env.docname.rpartition("/")[2]
        known = read_places(self.env.app, set_name)
        self.env.note_dependency(f"{self.config.way_exercises}/{set_name}/{set_name}.ipynb")
        paragraph = nodes.paragraph(classes=["your-turn"], ids=[f"turn-{name}" for name in names])
        self.set_source_info(paragraph)
        for name in names:
            if name not in known:
                logger.error(
                    "No exercise of %s is called %r. There are %s.",
                    set_name,
                    name,
                    ", ".join(known) or "none: run `autograder build`",
                    location=paragraph,
                )
                return []
        said = words()
        paragraph += [nodes.strong("", said["turn"]), nodes.Text(" ")]
        paragraph += self._names(names)
        paragraph += nodes.Text(where([known[name] for name in names]) + " ")
        if self.content:
            text, messages = self.state.inline_text(" ".join(self.content), self.lineno)
            paragraph += [*text, nodes.Text(" ")]
        else:
            messages = []
        link = released_set("", said["open"])
        link["set"] = set_name
        paragraph += link
        return [paragraph, *messages]

    def _names(self, names: list[str]) -> list[nodes.Node]:
        """The names as code, joined as words of a sentence are."""
        marks = [f"\0{number}\0" for number in range(len(names))]
        return [
            nodes.literal("", names[int(piece)]) if number % 2 else nodes.Text(piece)
            for number, piece in enumerate(listed(marks).split("\0"))
            if piece
        ]


def where(found: list[Place]) -> str:
    """The end of the sentence: which sections of the notebook, and how many points."""
    said, points = words(), points_said(sum(place.points for place in found))
    numbers = list(dict.fromkeys(place.number for place in found))
    if not all(numbers):
        return said["no_section"].format(points=points)
    if len(numbers) == 1:
        return said["one_section"].format(number=numbers[0], title=found[0].title, points=points)
    return said["sections"].format(numbers=listed(numbers), points=points)


# How long it takes.


def minutes_to_read(doctree: nodes.document) -> float:
    """Of a page, with its figures, predictions and formulas. Code is folded, and not counted."""
    text = " ".join(
        str(part)
        for part in doctree.findall(nodes.Text)
        if not isinstance(part.parent, (nodes.raw, nodes.literal_block, nodes.comment))
    )
    counts = {
        "figure": sum(1 for _node in doctree.findall(nodes.figure)),
        "predict": sum(1 for node in doctree.findall(nodes.Element) if node.tagname == "predict"),
        "formula": sum(1 for _node in doctree.findall(nodes.math_block)),
        "live": sum("live-figure" in node.astext() for node in doctree.findall(nodes.raw)),
    }
    return len(text.split()) / WORDS_A_MINUTE + sum(MINUTES[k] * n for k, n in counts.items())


def time_said(reading: float, points: float) -> str:
    """Both times in a sentence, rounded as one says them: to five minutes, to half an hour."""
    said = words()
    half_hours = max(1, round(points * MINUTES_A_POINT / 30))
    if half_hours < 3:
        writing = said["half" if half_hours == 1 else "hour"]
    else:
        count = f"{half_hours // 2}{'½' if half_hours % 2 else ''}"
        writing = said["hours"].format(count=count)
    return said["time"].format(
        reading=said["minutes"].format(count=max(5, 5 * round(reading / 5))),
        points=points_said(points),
        writing=writing,
    )


def say_time(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Say under a chapter's title how long it takes."""
    known = read_places(app, docname.rpartition("/")[2])
    title = doctree.next_node(nodes.title)
    if not known or title is None:
        return
    points = sum(place.points for place in known.values())
    sentence = time_said(minutes_to_read(doctree), points)
    title.parent.insert(1, nodes.paragraph("", sentence, classes=["time-needed"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("course_site")
    # Where `autograder build` puts the notebooks, below the course's folder.
    app.add_config_value("way_exercises", "exercises", "env")
    app.add_directive("your-turn", YourTurn)
    translate(app, CATALOGUE, words, __file__)
    app.connect("doctree-resolved", say_time)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
