"""Formulas as MathML, made when the page is built: no script, nothing to wait for.

TeX becomes MathML by Temml (book/vendor/temml), which is JavaScript; QuickJS, in dukpy, runs it
in this process. Browsers draw MathML themselves, with the font of mathematics.css.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.locale import _
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

if TYPE_CHECKING:
    from dukpy import JSInterpreter
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

TEMML = Path(__file__).resolve().parent.parent / "vendor" / "temml" / "temml.min.js"
# What may be neither the first thing on a line nor the last: each stays with its formula.
CLOSES = re.compile(r"[,.;:?!)\]\u2019\u201d]+")
OPENS = re.compile(r"[(\[\u2018\u201c]+$")
TYPESET = """\
try {
  [temml.renderToString(dukpy.tex, dukpy.options), ""]
} catch (error) {
  ["", String(error.message ?? error)]
}
"""

logger = logging.getLogger(__name__)


@cache
def interpreter() -> JSInterpreter:
    """An interpreter that has read Temml."""
    from dukpy import JSInterpreter

    made = JSInterpreter()
    made.evaljs(f"{TEMML.read_text('utf8')}\n;null")
    return made


def mathml(tex: str, *, display: bool, macros: dict[str, str]) -> str:
    """A formula as MathML.

    Errors
    ------
    ValueError : Temml does not understand it; its own words.
    """
    options = {
        "displayMode": display,
        "macros": macros,
        "throwOnError": True,
        # On a phone a formula in a line may be wider than the line.
        "wrap": "none" if display else "tex",
    }
    made, error = interpreter().evaljs(TYPESET, tex=tex, options=options)
    if error:
        raise ValueError(error.strip())
    return str(made)


def typeset(self: HTML5Translator, node: nodes.Element, *, display: bool) -> str:
    """A node's formula, or its source where it is none, which is an error of the build."""
    tex = node.astext()
    if display and r"\\" in tex and r"\begin" not in tex:
        # As Sphinx reads lines that stand in no environment.
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    try:
        return mathml(tex, display=display, macros=self.config.mathematics_macros)
    except ValueError as error:
        logger.error("This is no formula: %s", error, location=node)
        return self.encode(tex)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(f"{typeset(self, node, display=False)}</span>")
    raise nodes.SkipNode


def visit_displayed(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append(f'<div class="formula">{typeset(self, node, display=True)}</div></div>\n')
    raise nodes.SkipNode


class KeepPunctuation(SphinxPostTransform):
    """Put a formula and the comma after it, or the bracket before it, into one piece of a line."""

    default_priority = 800
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for formula in list(self.document.findall(nodes.math)):
            parent, at = formula.parent, formula.parent.index(formula)
            before = parent.children[at - 1] if at else None
            after = parent.children[at + 1] if at + 1 < len(parent) else None
            opens = OPENS.search(before) if isinstance(before, nodes.Text) else None
            closes = CLOSES.match(after) if isinstance(after, nodes.Text) else None
            if not opens and not closes:
                continue
            kept = nodes.inline("", "", formula.deepcopy(), classes=["keep"])
            if closes and after is not None:
                parent[at + 1] = nodes.Text(after.astext()[closes.end() :])
                kept.append(nodes.Text(closes.group()))
            parent[at] = kept
            if opens and before is not None:
                kept.insert(0, nodes.Text(opens.group()))
                parent[at - 1] = nodes.Text(before.astext()[: opens.start()])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    # `\name` to what it stands for; `#1` is what follows it.
    app.add_config_value("mathematics_macros", {}, "env")
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displayed, None))
    app.add_post_transform(KeepPunctuation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
