"""A prediction: a question that is answered before its result unfolds. See CONTRIBUTING.md."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.locale import get_translation
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from wording import translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

CATALOGUE = "predict"
FEWEST_CHOICES, MOST_CHOICES = 2, 4
NEAR_ENOUGH = 0.1

logger = logging.getLogger(__name__)
_ = get_translation(CATALOGUE)


def words() -> dict[str, str]:
    """All that the box says by itself, in the language of the build; what is in {} is filled in."""
    said = {
        "title": _("Predict"),
        "show": _("Show me"),
        "right": _("Right."),
        "wrong": _("Not quite."),
        "check": _("Check"),
        "no_number": _("Write a number, such as 1200, 0.05 or 3e-8."),
        "exact": _("It is {truth}."),
        "near": _("You said {said}; it is {truth}."),
        "times_as_many": _("You said {said}; it is {truth}: {times} times as many."),
        "times_as_large": _("You said {said}; it is {truth}: {times} times as large."),
        "times_too_large": _("You said {said}; it is {truth}: yours is {times} times too large."),
        "percent_too_high": _("You said {said}; it is {truth}: you are {percent} % too high."),
        "percent_too_low": _("You said {said}; it is {truth}: you are {percent} % too low."),
        "too_high": _("You said {said}; it is {truth}: you are too high."),
        "too_low": _("You said {said}; it is {truth}: you are too low."),
        "draw": _(
            "Draw with a finger or the mouse, or move each point: Tab to it, then the arrow keys."
        ),
        "show_curve": _("Show the curve"),
        "place": _("{y}, where {x} is {value}"),
        "yours": _("your sketch"),
        "curve": _("the curve"),
        "close": _("Close."),
        "off": _("You are off by {mean} on average."),
        "off_factor": _("You are off by a factor of {mean} on average."),
        "worst": _("Most where {x} is {value}: there you drew {said}, and it is {truth}."),
    }
    return {key: str(text) for key, text in said.items()}


# Which words the script needs for which kind of answer.
SPOKEN = {
    "choice": ("right", "wrong"),
    "number": (
        "right",
        "wrong",
        "check",
        "no_number",
        "exact",
        "near",
        "times_as_many",
        "times_as_large",
        "times_too_large",
        "percent_too_high",
        "percent_too_low",
        "too_high",
        "too_low",
    ),
    "sketch": (
        "draw",
        "show_curve",
        "place",
        "yours",
        "curve",
        "close",
        "wrong",
        "off",
        "off_factor",
        "worst",
    ),
}


# Nodes. A builder that knows nothing of them writes them as the containers and paragraphs that
# they are; as paragraphs, questions and labels are also found by whoever translates the page.


class predict(nodes.container):  # noqa: N801
    """The box: a predict_question, what else the author wrote, and the ways to answer."""


class predict_question(nodes.paragraph):  # noqa: N801
    """What is asked."""


class predict_label(nodes.paragraph):  # noqa: N801
    """What a choice, the field of a number or a sketch is called."""


class predict_choice(nodes.container):  # noqa: N801
    """A predict_label, and what is said to whoever chooses it; ["right"]."""


class predict_number(nodes.container):  # noqa: N801
    """A predict_label, and the true number; ["within"] or ["factor"]."""


class predict_sketch(nodes.container):  # noqa: N801
    """A predict_label; ["curve"] is the name of the data."""


class end_reveal(nodes.Invisible, nodes.Element):  # noqa: N801
    """Where the result ends; gone once the result is folded."""


class reveal(nodes.container):  # noqa: N801
    """The result, folded until it is asked for."""


ANSWERS = (predict_choice, predict_number, predict_sketch)


def kind(box: predict) -> str:
    """Say how a box is answered: "choice", "number" or "sketch"."""
    answer = next(box.findall(lambda node: isinstance(node, ANSWERS)), None)
    return type(answer).__name__.removeprefix("predict_") if answer else "choice"


# Directives.


class PredictDirective(SphinxDirective):
    """What the directives have in common: a title that becomes a paragraph of its own."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def titled(
        self, node: nodes.Element, title_class: type[nodes.paragraph]
    ) -> tuple[nodes.Element, list[nodes.Node]]:
        """Put the title and the content into `node`."""
        self.set_source_info(node)
        text, messages = self.state.inline_text(self.arguments[0], self.lineno)
        title = title_class(self.arguments[0], "", *text)
        self.set_source_info(title)
        node += title
        self.state.nested_parse(self.content, self.content_offset, node)
        return node, messages


class Predict(PredictDirective):
    """``{predict} The question``: see CONTRIBUTING.md."""

    def run(self) -> list[nodes.Node]:
        box, messages = self.titled(predict(), predict_question)
        box["serial"] = self.env.new_serialno("predict") + 1
        return [box, *messages]


class Choice(PredictDirective):
    """``{choice} Its label``: the content answers whoever takes it."""

    option_spec: ClassVar = {"right": directives.flag}

    def run(self) -> list[nodes.Node]:
        choice, messages = self.titled(predict_choice(right="right" in self.options), predict_label)
        if len(choice) == 1:
            logger.error(
                "The choice %r has no answer: write below it, in a sentence, why it is right or "
                "what is wrong with it.",
                self.arguments[0],
                location=choice,
            )
        return [choice, *messages]


def ratio(least: float) -> Callable[[str], float]:
    """Make an option's reader for a number that is not below `least`."""

    def read(text: str) -> float:
        value = float(text)
        if not least <= value < float("inf"):
            raise ValueError(f"it is below {least}")
        return value

    return read


class Number(PredictDirective):
    """``{number} The label of the field``: the content is the true number."""

    option_spec: ClassVar = {
        "within": ratio(0),
        "factor": ratio(1),
        "unit": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        number, messages = self.titled(predict_number(), predict_label)
        number["serial"] = self.env.new_serialno("predict-number") + 1
        if unit := self.options.get("unit"):
            paragraph = nodes.paragraph(unit, unit, classes=["predict-unit"])
            self.set_source_info(paragraph)
            number += paragraph
        if "factor" in self.options:
            number["factor"] = self.options["factor"]
        else:
            number["within"] = self.options.get("within", NEAR_ENOUGH)
        if {"within", "factor"} <= set(self.options):
            logger.error(
                "A number is right `within` a share or by a `factor`: take one of the two away.",
                location=number,
            )
        return [number, *messages]


class Sketch(PredictDirective):
    """``{sketch} What to draw``: the curve comes from `page.sketch_curve`, by its name."""

    option_spec: ClassVar = {"name": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        sketch, messages = self.titled(predict_sketch(), predict_label)
        sketch["curve"] = self.options.get("name", "")
        if not sketch["curve"]:
            logger.error(
                "A sketch needs `:name:`, the name that its curve has in sketch_curve(...).",
                location=sketch,
            )
        return [sketch, *messages]


class EndReveal(SphinxDirective):
    """``{end-reveal}``: what stands between the box and this place stays folded."""

    def run(self) -> list[nodes.Node]:
        marker = end_reveal()
        self.set_source_info(marker)
        return [marker]


# The fold.


class FoldResults(SphinxTransform):
    """Move what stands between each box and its end into a fold, and say what cannot be."""

    # After targets have found what they name (260): a label stays with its figure.
    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        for box in list(self.document.findall(predict)):
            if inside(box, predict):
                complain(box, "A predict stands in a predict: end the outer box first.")
            else:
                check_answers(box)
                fold(box)
        for answer in self.document.findall(lambda node: isinstance(node, ANSWERS)):
            if not inside(answer, predict):
                name = type(answer).__name__.removeprefix("predict_")
                complain(answer, f"A {name} stands in no predict: put it between its colons.")
        for marker in list(self.document.findall(end_reveal)):
            complain(
                marker,
                "An end-reveal belongs to no predict: put it below a predict box, one for each, "
                "under the same heading, or remove it.",
            )
            marker.parent.remove(marker)


def complain(node: nodes.Node, message: str) -> None:
    """Report a mistake of the author's, with its file and line."""
    logger.error(message, location=node)


def inside(node: nodes.Node, kind: type[nodes.Element]) -> bool:
    """Tell whether an ancestor of a node is of a kind."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kind):
            return True
    return False


def check_answers(box: predict) -> None:
    """Complain about a box that cannot be answered."""
    answers = list(box.findall(lambda node: isinstance(node, ANSWERS)))
    choices = [node for node in answers if isinstance(node, predict_choice)]
    if not answers:
        complain(box, "A predict has nothing to answer: give it choices, a number or a sketch.")
    elif len(answers) > max(1, len(choices)):
        complain(
            box, "A predict has a number or a sketch beside other answers: make two boxes of it."
        )
    elif choices and not FEWEST_CHOICES <= len(choices) <= MOST_CHOICES:
        complain(
            box,
            f"A predict has {len(choices)} choices: give it {FEWEST_CHOICES} to {MOST_CHOICES}.",
        )
    elif choices and not any(choice["right"] for choice in choices):
        complain(box, "A predict has no right choice: write `:right:` below one {choice} line.")


def fold(box: predict) -> None:
    """Put the siblings between a box and its end into a fold."""
    result: list[nodes.Node] = []
    for sibling in box.parent.children[box.parent.index(box) + 1 :]:
        if isinstance(sibling, end_reveal):
            folded = reveal("", box=box["serial"])
            folded.source, folded.line = box.source, box.line
            parent, place = box.parent, box.parent.index(box) + 1
            parent.children[place : place + len(result) + 1] = [folded]
            folded.parent = parent
            folded.extend(result)
            if not result:
                complain(box, "A predict has no result: write it between the box and end-reveal.")
            return
        if isinstance(sibling, (predict, nodes.section)):
            break
        result.append(sibling)
    complain(
        box,
        "A predict has no end: put ```{end-reveal} and ``` where its result ends, before the next "
        "predict and the next heading.",
    )


# HTML. Without a script every choice, the true number and the result are folds of their own;
# predict.js makes buttons and fields of the first two.


def visit_predict(self: HTML5Translator, node: predict) -> None:
    said = words()
    name = f"predict-{node['serial']}"
    group = {
        "role": "group",
        "aria-labelledby": name,
        "data-words": json.dumps({key: said[key] for key in SPOKEN[kind(node)]}),
    }
    self.body.append(self.starttag(node, "div", CLASS="admonition predict predict-box", **group))
    self.body.append(f'<p class="admonition-title">{self.encode(said["title"])}</p>\n')


def visit_question(self: HTML5Translator, node: predict_question) -> None:
    name = f"predict-{node.parent['serial']}"
    self.body.append(self.starttag(node, "p", "", CLASS="predict-question", ids=[name]))


def visit_label(self: HTML5Translator, node: predict_label) -> None:
    if isinstance(node.parent, predict_sketch):
        self.body.append(self.starttag(node, "p", "", CLASS="predict-label"))
    else:
        self.body.append(self.starttag(node, "summary", ""))


def depart_label(self: HTML5Translator, node: predict_label) -> None:
    choice = node.parent
    if isinstance(choice, predict_sketch):
        self.body.append("</p>\n")
        return
    self.body.append("</summary>\n")
    if isinstance(choice, predict_choice):
        right = choice["right"]
        verdict = self.encode(words()["right" if right else "wrong"])
        sign = "\u2713" if right else "\u2717"
        self.body.append(
            '<div class="predict-answer"><p class="predict-verdict">'
            f'<span aria-hidden="true">{sign}</span> {verdict}</p>\n'
        )
    else:
        self.body.append('<div class="predict-answer">')


def visit_choice(self: HTML5Translator, node: predict_choice) -> None:
    verdict = "right" if node["right"] else "wrong"
    self.body.append(
        self.starttag(node, "details", CLASS="predict-choice", **{"data-verdict": verdict})
    )


def visit_number(self: HTML5Translator, node: predict_number) -> None:
    rule = {f"data-{key}": str(node[key]) for key in ("within", "factor") if key in node}
    name = f"predict-number-{node['serial']}"
    self.body.append(
        self.starttag(node, "details", CLASS="predict-number", **rule, **{"data-field": name})
    )


def depart_folded_answer(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</div></details>\n")


def visit_sketch(self: HTML5Translator, node: predict_sketch) -> None:
    self.body.append(
        self.starttag(node, "div", CLASS="predict-sketch", **{"data-curve": node["curve"]})
    )


def visit_reveal(self: HTML5Translator, node: reveal) -> None:
    self.body.append(self.starttag(node, "details", CLASS="reveal"))
    self.body.append(f"<summary>{self.encode(words()['show'])}</summary>\n")


def end(tag: str) -> Callable[[HTML5Translator, nodes.Element], None]:
    """Make the function that closes an element."""

    def depart(self: HTML5Translator, node: nodes.Element) -> None:
        self.body.append(f"</{tag}>\n")

    return depart


# The page, and the people who translate it.


def check_data(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Complain where no number came of what the author wrote as one, or a curve is missing."""
    for number in doctree.findall(predict_number):
        truth = " ".join(node.astext() for node in number.children[1:])
        if not re.search(r"\d", truth):
            logger.error(
                "A number to predict says %r: write it, or paste it with {glue:text}.",
                truth,
                location=number,
            )
    if app.builder.format != "html":
        return
    drawn = "".join(node.astext() for node in doctree.findall(nodes.raw))
    for sketch in doctree.findall(predict_sketch):
        if f'data-name="{html.escape(sketch["curve"])}"' not in drawn:
            logger.error(
                "No curve is called %r: make it on this page, in a code cell with "
                "display(HTML(sketch_curve(%r, x, y, ...))).",
                sketch["curve"],
                sketch["curve"],
                location=sketch,
            )


def load_script(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give a page the script and the styles that its boxes need, and no other page."""
    if doctree is None or not any(doctree.findall(predict)):
        return
    if any(doctree.findall(predict_sketch)):
        app.add_css_file("interactive.css")
        app.add_js_file("interactive.js", loading_method="defer")
    app.add_css_file("predict.css")
    app.add_js_file("predict.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("predict", Predict)
    app.add_directive("choice", Choice)
    app.add_directive("number", Number)
    app.add_directive("sketch", Sketch)
    app.add_directive("end-reveal", EndReveal)
    app.add_node(predict, html=(visit_predict, end("div")))
    app.add_node(predict_question, html=(visit_question, end("p")))
    app.add_node(predict_label, html=(visit_label, depart_label))
    app.add_node(predict_choice, html=(visit_choice, depart_folded_answer))
    app.add_node(predict_number, html=(visit_number, depart_folded_answer))
    app.add_node(predict_sketch, html=(visit_sketch, end("div")))
    app.add_node(reveal, html=(visit_reveal, end("details")))
    app.add_node(end_reveal)
    app.add_transform(FoldResults)
    translate(app, CATALOGUE, words, __file__)
    app.connect("doctree-resolved", check_data)
    app.connect("html-page-context", load_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
