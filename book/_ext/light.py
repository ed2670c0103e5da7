"""What a page loads: one style sheet, the icons that it shows, and no script before its text.

The theme sends FontAwesome whole (2,000 icons as rules, a font, and 1.5 MB of script) and ten style
sheets one by one; most of what a phone then waits for is never seen.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BUNDLE = "site.css"
# Before all that extensions and the course add; the first is what the theme's own file imports.
THEME = ("basic.css", "styles/pydata-sphinx-theme.css")
ICONS = "vendor/fontawesome"
ICON_FONT = f"{ICONS}/webfonts/fa-solid-900.ttf"
UNUSED = (ICONS, "scripts/fontawesome.js", "scripts/fontawesome.js.map", "webpack-macros.html")

# The theme measures every block of code before anything is seen; course.js does the same in time.
THEME_SCRIPT = "scripts/pydata-sphinx-theme.js"
MEASURES_ALL = '"complete"===document.readyState?I():window.addEventListener("load",I)'

RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
EMPTY = re.compile(r"@(media|supports)[^{}]*\{\s*\}")
ICON_FACE = re.compile(r"@font-face\{[^{}]*Font Awesome[^{}]*\}")
# Style sheets have an icon as its number or as the character itself.
GLYPH = re.compile(r"\\(f[0-9a-f]{3})\b|([\uf000-\uf8ff])")
WORD = re.compile(r"[\w-]+")
COMMA = re.compile(r",(?![^()]*\))")
CLASS = re.compile(r"\.([\w-]+)(?!\\)")


def common_styles(app: Sphinx) -> list[str]:
    """The style sheets that every page has, below _static and in their order."""
    files = sorted(app.builder._orig_css_files, key=lambda css: css.priority)  # type: ignore[attr-defined]
    names = [css.filename.rpartition("_static/")[2] for css in files]
    names = [name for name in dict.fromkeys(names) if not name.startswith("styles/theme")]
    return [*THEME, *(name for name in names if name not in THEME)]


def lighten(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Let a page's scripts run once its text is there, in their order; name its style sheet."""
    # Settings of the theme that leave it as it is, in scripts that would run too early.
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "DOCUMENTATION_OPTIONS" not in (script.attributes.get("body") or "")
    ]
    for script in context["script_files"]:
        if script.filename and "async" not in script.attributes:
            script.attributes["defer"] = "defer"
    formulas = app.env.domaindata["math"]["has_equations"]
    context["has_formulas"] = formulas.get(pagename, False)
    # The theme's own description would begin with the markup of a live figure.
    first = doctree.next_node(nodes.paragraph) if isinstance(doctree, nodes.document) else None
    context["page_description"] = " ".join(first.astext().split())[:160] if first else ""
    context["site_version"] = site_version(app)
    known = set(common_styles(app))
    context["own_styles"] = [
        css
        for css in context["css_files"]
        if css.filename.rpartition("_static/")[2].partition("?")[0] not in known
        and "theme.css" not in css.filename
    ]


def site_version(app: Sphinx) -> str:
    """What changes with the style sheet, for whoever keeps an old one."""
    parts = [version(name) for name in ("pydata-sphinx-theme", "sphinx-book-theme", "myst-nb")]
    parts += [
        path.read_text("utf8") for path in sorted(Path(app.srcdir, "book/_static").glob("*.css"))
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def bundle(app: Sphinx, error: Exception | None) -> None:
    """Write the one style sheet, with the icons in it; take away what no page asks for."""
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    # Of an earlier build's files only what was copied anew is whole.
    if not (static / ICON_FONT).is_file():
        return
    icons = (static / ICON_FONT).read_bytes()
    styles = "\n".join((static / name).read_text("utf8") for name in common_styles(app))
    for name in UNUSED:
        path = static / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    said = {
        word
        for kind in ("*.html", "*.js")
        for path in Path(app.outdir).rglob(kind)
        for word in WORD.findall(path.read_text("utf8"))
    }
    script = (static / THEME_SCRIPT).read_text("utf8")
    if MEASURES_ALL not in script:
        raise ExtensionError(f"{THEME_SCRIPT} is not the one that this course knows: see light.py")
    (static / THEME_SCRIPT).write_text(script.replace(MEASURES_ALL, "0"), "utf8")
    styles = only_used(COMMENT.sub("", styles), said)
    font = icon_font(icons, glyphs(styles))
    (static / BUNDLE).write_text(face(font) + styles, "utf8")


def only_used(styles: str, said: set[str]) -> str:
    """Leave out the rules that no page and no script can ask for: those for a class that is not
    in `said`. What stands in brackets, as in `:not(.this)`, rules nothing out."""

    def wanted(selector: str) -> bool:
        while (shorter := re.sub(r"\([^()]*\)", "", selector)) != selector:
            selector = shorter
        return said.issuperset(CLASS.findall(selector))

    def rule(match: re.Match[str]) -> str:
        before, semicolon, selectors = match[1].rpartition(";")
        if "@" in selectors:
            return match[0]
        kept = [one.strip() for one in COMMA.split(selectors) if wanted(one)]
        return f"{before}{semicolon}" + (f"{','.join(kept)}{{{match[2]}}}" if kept else "")

    styles = RULE.sub(rule, ICON_FACE.sub("", styles))
    while (shorter := EMPTY.sub("", styles)) != styles:
        styles = shorter
    return styles


def glyphs(styles: str) -> set[str]:
    """The icons that style sheets show, as hexadecimal numbers."""
    return {number or f"{ord(character):x}" for number, character in GLYPH.findall(styles)}


def icon_font(whole: bytes, glyphs: set[str]) -> bytes:
    """The theme's font with these glyphs (hexadecimal numbers), and no other."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options(layout_features=[], hinting=False, name_IDs=[], notdef_outline=True)
    # Its own date would be another one in each build.
    font = TTFont(io.BytesIO(whole), recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[int(glyph, 16) for glyph in glyphs])
    subsetter.subset(font)
    font.flavor = "woff"
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()


def face(font: bytes) -> str:
    """The rule that names a font, with the font in it."""
    data = base64.b64encode(font).decode("ascii")
    return (
        '@font-face{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;'
        f"src:url(data:font/woff;base64,{data})}}\n"
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    # After every extension has said what it loads.
    app.connect("html-page-context", lighten, priority=900)
    # The theme writes the colours of code when the build has ended.
    app.connect("build-finished", bundle, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
