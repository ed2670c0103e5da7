"""What holds for the source of every chapter's page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograder.project import find_project

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGES = [name for name in find_project(BOOK).sets if (BOOK / f"{name}.md").is_file()]

every_page = pytest.mark.parametrize(
    "text", [(BOOK / f"{p}.md").read_text("utf-8") for p in PAGES], ids=PAGES
)


def cells(text: str) -> list[str]:
    return re.findall(r"^```\{code-cell\} python\n(.*?)^```", text, re.M | re.S)


def test_every_set_has_its_page() -> None:
    assert find_project(BOOK).sets == PAGES


@every_page
def test_code_is_folded_and_figures_have_captions_names_and_alternatives(text: str) -> None:
    assert len(cells(text)) > 10
    for cell in cells(text):
        assert re.search(r"tags: \[(hide-input|remove-input|shown)\]", cell), cell[:200]
        if "figure:" in cell:
            for wanted in ("alt:", "caption:", "name:"):
                assert wanted in cell, cell[:200]


@every_page
def test_nothing_unfolded_defines_a_function(text: str) -> None:
    """What is shown may be copied, and a definition would be the answer to an exercise."""
    shown = re.findall(r"^```(?:python|text)\n(.*?)^```", text, re.M | re.S)
    # A cell whose lines are the point of it, such as a mistake that raises no error.
    shown += [cell for cell in cells(text) if "tags: [shown]" in cell]
    assert not any(re.search(r"^\s*(def|class) ", block, re.M) for block in shown)


@every_page
def test_a_page_asks_folds_its_answers_sums_up_and_names_its_sources(text: str) -> None:
    assert text.count("::{predict}") >= 5
    assert text.count("```{dropdown}") >= 6
    for wanted in (
        "you can\n\n- ",
        "{released-set}",
        "## Summary",
        "### Three questions as in an exam",
        "### Now write it",
        "{download-set}",
        "## Sources",
    ):
        assert wanted in text, wanted
    # Two figures that move at least, which are no curves that the reader draws.
    assert len(re.findall(r"^display\(HTML\((?!sketch_curve)", text, re.M)) >= 2


def test_every_entry_is_cited_and_every_citation_has_one() -> None:
    entries = (BOOK / "references.bib").read_text("utf-8")
    text = "\n".join(page.read_text("utf-8") for page in BOOK.glob("*.md"))
    cited = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
    assert {key.strip() for group in cited for key in group.split(",")} == set(
        re.findall(r"^@\w+\{([^,]+),", entries, re.M)
    )


@every_page
def test_lectures_are_named_in_folded_notes_and_sources_alone(text: str) -> None:
    """Who reads from outside has never seen them."""
    body = text.partition("\n## Sources")[0]
    folded = (
        r"^:::\{admonition\}[^\n]*\n:class: note dropdown\n.*?^:::$",
        r"^(`{3,})\{dropdown\}.*?^\1$",
    )
    for fold in folded:
        body = re.sub(fold, "", body, flags=re.M | re.S)
    assert not re.search(r"\blectures? [A-E]\b", body, re.I)
