"""A site of one page, built with the course's extension, styles and scripts."""

from __future__ import annotations

import io
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.locale import translators
from sphinx.util.docutils import docutils_namespace, patch_docutils

ROOT = Path(__file__).resolve().parent.parent

CONF = f"""
import os, sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
os.environ["PYTHONPATH"] = {str(ROOT)!r}
project = "Tiny"
extensions = ["myst_nb", "mathematics", "predict"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
numfig = True
html_math_renderer = "mathml"
gettext_compact = False
locale_dirs = ["locale"]
"""
# The look is made by the theme and the course together: only a browser's tests need it.
LOOK = f"""
html_theme = "sphinx_book_theme"
html_static_path = [{str(ROOT / "book" / "_static")!r}]
html_css_files = ["course.css", "mathematics.css"]
html_js_files = [("course.js", {{"defer": "defer"}})]
html_context = {{"default_mode": "auto"}}
"""
NOTEBOOK = "---\nfile_format: mystnb\nkernelspec: {name: python3}\n---\n"


def build(
    folder: Path, text: str, *, look: bool = False, builder: str = "html", settings: str = ""
) -> tuple[Path, str]:
    """Build a page `index.md`; give the folder of what came of it, and what Sphinx warned of."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "conf.py").write_text(CONF + (LOOK if look else "") + settings, "utf8")
    (source / "index.md").write_text(text, "utf8")
    made = folder / builder
    warnings = io.StringIO()
    # Sphinx keeps what another test's build was translated with.
    translators.clear()
    with patch_docutils(str(source)), docutils_namespace():
        app = Sphinx(
            source,
            source,
            made,
            folder / "doctrees",
            builder,
            status=None,
            warning=warnings,
            freshenv=True,
            # As the site is built: whatever is not understood is an error.
            confoverrides={"nitpicky": True},
        )
        app.build()
    return made, re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue())
