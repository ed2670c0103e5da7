"""Predictions: what the extension makes of a page, and what it says about a wrong one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

from book.page import sketch_curve
from tests.tiny_site import NOTEBOOK, build

CHOICES = """
:::{choice} Both
Not the one with the step.
:::
:::{choice} The *sigmoid* neuron
:right:
Yes: its slope is not $0$.
:::
"""
END = "\n```{end-reveal}\n```\n"


def box(answers: str, question: str = "Which moves?") -> str:
    # A blank line: without it MyST counts one line too many in what begins with colons.
    return f"::::{{predict}} {question}\n\n{answers.strip()}\n::::\n"


PAGE = f"""{NOTEBOOK}
# Page

See {{numref}}`fig-two` and {{numref}}`fig-one`.

```{{code-cell}} python
:tags: [remove-input]
from IPython.display import HTML, display
from book.page import power, say, sketch_curve
say(count="13,002", small=power(6.2e-11))
display(HTML(sketch_curve("line", [0, 1, 2], [3, 4, 5], xlabel="epoch", ylabel="loss")))
```

{box("Look at $x^2$." + CHOICES)}
The folded result is {{glue:text}}`count`.

```{{code-cell}} python
---
tags: [hide-input]
mystnb:
  figure: {{name: fig-one, caption: One.}}
---
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
```
{END}
This stands free.

```{{code-cell}} python
---
mystnb:
  figure: {{name: fig-two, caption: Two.}}
---
plt.plot([2, 1])
plt.show()
```

{
    box(
        ":::{number} How many?"
        + chr(10)
        + ":within: 0.2"
        + chr(10)
        + ":unit: parameters"
        + chr(10)
        + "{glue:text}`count`"
        + chr(10)
        + ":::",
        "Count.",
    )
}
Counted.
{END}
{box(":::{sketch} Draw it" + chr(10) + ":name: line" + chr(10) + ":::", "Draw.")}
Drawn.
{END}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return build(tmp_path_factory.mktemp("tiny"), PAGE)


@pytest.fixture(scope="module")
def article(built: tuple[Path, str]) -> Any:
    return BeautifulSoup((built[0] / "index.html").read_text("utf8"), "html.parser")


def test_a_right_page_has_no_warnings(built: tuple[Path, str]) -> None:
    # A kernel's note about its own line to us is not about the page.
    assert not [line for line in built[1].splitlines() if "index.md" in line or "ERROR" in line]


def test_a_box_asks_and_each_choice_is_a_fold_with_its_verdict(article: Any) -> None:
    first = article.select_one(".predict-box")
    question = article.find(id=first["aria-labelledby"])
    assert question.get_text() == "Which moves?"
    assert {"admonition", "predict"} <= set(first["class"])
    choices = first.select("details.predict-choice")
    assert [c.summary.get_text() for c in choices] == ["Both", "The sigmoid neuron"]
    assert [c["data-verdict"] for c in choices] == ["wrong", "right"]
    said = [" ".join(c.select_one(".predict-answer").get_text().split()) for c in choices]
    assert said[0] == "✗ Not quite. Not the one with the step."
    assert said[1].startswith("✓ Right. Yes:")


def test_the_result_is_folded_and_nothing_else(article: Any) -> None:
    folds = article.select("details.reveal")
    boxes = article.select(".predict-box")
    assert [fold.find_previous_sibling() for fold in folds] == boxes
    assert folds[0].summary.get_text() == "Show me"
    assert "The folded result is 13,002" in folds[0].get_text()
    assert folds[0].select_one("figure#fig-one") and folds[0].select_one("details.hide")
    free = article.find(string=re.compile("This stands free"))
    assert free.find_parent("details") is None
    assert article.select_one("#fig-two").find_parent("details") is None
    assert not article.select("details.reveal details.reveal")


def test_figures_in_a_fold_are_numbered_and_named_in_order(article: Any) -> None:
    captions = [c.get_text() for c in article.select(".caption-number")]
    assert captions == ["Fig. 1 ", "Fig. 2 "]
    links = {a["href"]: a.get_text() for a in article.select("p > a.internal")}
    assert links == {"#fig-one": "Fig. 1", "#fig-two": "Fig. 2"}


def test_a_number_carries_its_rule_and_its_truth(article: Any) -> None:
    number = article.select_one("details.predict-number")
    assert number.summary.get_text() == "How many?"
    assert number["data-within"] == "0.2" and "data-factor" not in number.attrs
    assert number.select_one(".predict-answer").get_text().split() == ["13,002", "parameters"]


def test_only_pages_that_ask_load_the_script(article: Any, tmp_path: Path) -> None:
    def loaded(soup: Any) -> set[str]:
        sources = [e.get("src") or e.get("href") for e in soup.select("script[src], link")]
        return {s.partition("?")[0].rpartition("/")[2] for s in sources}

    assert {"predict.js", "predict.css", "interactive.js"} <= loaded(article)
    folder, _ = build(tmp_path, "# Page\n\nNothing is asked.\n")
    plain = BeautifulSoup((folder / "index.html").read_text("utf8"), "html.parser")
    assert not {"predict.js", "predict.css", "interactive.js"} & loaded(plain)


def test_search_finds_what_is_folded(built: tuple[Path, str]) -> None:
    index = (built[0] / "searchindex.js").read_text("utf8")
    assert '"fold":' in index and '"step":' in index


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (box(CHOICES) + "\nResult.\n", 3, "has no end"),
        (box(CHOICES) + f"\n## Next\n\nResult.\n{END}", 3, "has no end"),
        (box(CHOICES) + "\nOne.\n\n" + box(CHOICES) + f"\nTwo.\n{END}", 3, "has no end"),
        (f"Text.\n{END}", 5, "belongs to no predict"),
        (box(CHOICES) + END, 3, "has no result"),
        (box(CHOICES.replace(":right:\n", "")) + f"\nResult.\n{END}", 3, "has no right choice"),
        (box(CHOICES[: CHOICES.index(":::{choice} The")]) + f"\nR.\n{END}", 3, "has 1 choices"),
        (box(CHOICES + CHOICES + CHOICES) + f"\nR.\n{END}", 3, "has 6 choices"),
        (box("Only words.") + f"\nResult.\n{END}", 3, "nothing to answer"),
        (
            box(CHOICES + ":::{number} How many?\n3\n:::") + f"\nResult.\n{END}",
            3,
            "beside other answers",
        ),
        (
            f":::::{{predict}} Outer?\n\n{box(CHOICES)}{CHOICES}\n:::::\n\nResult.\n{END}",
            5,
            "stands in a predict",
        ),
        (":::{choice} Both\nNo.\n:::\n", 3, "stands in no predict"),
        (box(CHOICES.replace("Not the one with the step.\n", "")) + f"\nR.\n{END}", 5, "no answer"),
        (box(":::{number} How many?\nmany\n:::") + f"\nResult.\n{END}", 5, "'many'"),
        (
            box(":::{number} N?\n:within: 0\n:factor: 2\n3\n:::") + f"\nResult.\n{END}",
            5,
            "take one of the two away",
        ),
        (
            box(":::{sketch} Draw\n:name: none\n:::") + f"\nR.\n{END}",
            5,
            "No curve is called 'none'",
        ),
        (box(":::{sketch} Draw\n:::") + f"\nResult.\n{END}", 5, "needs `:name:`"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    _, warnings = build(tmp_path, f"# Page\n\n{text}")
    found = [entry for entry in warnings.splitlines() if message in entry]
    assert found, warnings
    assert f"index.md:{line}: ERROR" in found[0]


def test_what_is_asked_and_said_can_be_translated(tmp_path: Path) -> None:
    text = f"# Page\n\n{box(CHOICES)}\nResult.\n{END}"
    made, warnings = build(tmp_path, text, builder="gettext")
    assert not warnings
    page = (made / "index.pot").read_text("utf8")
    for words in ("Which moves?", "Both", "The *sigmoid* neuron", "Not the one with", "Result."):
        assert f'msgid "{words}' in page
    assert 'msgid "Not quite."' in (made / "predict.pot").read_text("utf8")

    catalogues = tmp_path / "source" / "locale" / "de" / "LC_MESSAGES"
    catalogues.mkdir(parents=True)
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    for name, pairs in {
        "index": {"Which moves?": "Wer geht?", "The *sigmoid* neuron": "Das *runde*"},
        "predict": {"Show me": "Zeig es", "Not quite.": "Nicht ganz."},
    }.items():
        entries = [f'msgid "{a}"\nmsgstr "{b}"\n' for a, b in pairs.items()]
        (catalogues / f"{name}.po").write_text(head + "\n".join(entries), "utf8")
    made, _ = build(tmp_path, text, settings='language = "de"\n')
    page = (made / "index.html").read_text("utf8")
    for words in ("Wer geht?", "Das <em>runde</em>", "Zeig es", "Nicht ganz."):
        assert words in page


def test_another_builder_writes_the_words(tmp_path: Path) -> None:
    made, warnings = build(tmp_path, f"# P\n\n{box(CHOICES)}\nResult.\n{END}", builder="text")
    assert not warnings
    text = (made / "index.txt").read_text("utf8")
    assert text.index("Which moves?") < text.index("Both") < text.index("Result.")


def read(markup: str) -> dict:
    script: Any = BeautifulSoup(markup, "html.parser").script
    assert script["type"] == "application/json"
    return json.loads(script.string)


def test_a_curve_brings_its_axes() -> None:
    x = np.arange(21)
    curve = read(sketch_curve("a", x, 0.69 * np.exp(-x / 5), xlabel="epoch", ylabel="loss"))
    assert curve["x"] == list(range(21))
    assert curve["xticks"] == [0, 5, 10, 15, 20]
    low, high = curve["yrange"]
    assert low == 0 and high >= 0.69 and set(curve["yticks"]) <= set(np.linspace(low, high, 5))
    curve = read(
        sketch_curve("a", [1, 2], [3e-4, 0.2], xlabel="x", ylabel="y", ylog=True, xticks=[0, 1, 2])
    )
    assert curve["yticks"] == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1])
    assert curve["xticks"] == [1, 2]


@pytest.mark.parametrize(
    ("x", "y", "ylog"),
    [
        ([0, 1], [1], False),
        ([0], [1], False),
        ([1, 0], [1, 2], False),
        ([0, 1], [1, np.nan], False),
        ([0, 1], [0, 1], True),
    ],
)
def test_what_is_no_curve_is_refused(x: list, y: list, ylog: bool) -> None:
    with pytest.raises(ValueError, match="a: "):
        sketch_curve("a", x, y, xlabel="x", ylabel="y", ylog=ylog)
