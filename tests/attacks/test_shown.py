"""What a learner shows must run nothing in a reader's browser, and must not hold the page up."""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import nbgrader
import numpy as np
import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from PIL import Image

from autograder.engine.trusted.helper import helper
from autograder.gradebook.pages import PAGE_SECONDS
from autograder.grading.clean import clean_html, clean_svg, fewer_marks, harmless
from autograder.grading.outputs import verdict_output
from autograder.grading.pictures import MAX_PIXELS_IN_ALL, pixels
from autograder.judging.verdict import Verdict
from autograder.project import find_project
from autograder.release.configuration import course_config

TEMPLATES = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
EVIL = "alert(666)"
NAMES = {
    "student": f"<script>{EVIL}</script>",
    "last_name": f"<img src=x onerror={EVIL}>",
    "first_name": f'"><svg onload={EVIL}>',
}
SVG = "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'>{}</svg>"

OPENED = "<b title='{}'>" * 98


def picture(kind: str, width: int, height: int) -> str:
    """An empty one, as base64."""
    out = io.BytesIO()
    Image.new("1" if kind in ("PNG", "GIF") else "L", (width, height)).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


PNG = picture("PNG", 7, 5)

HTML = {
    "script": f"<script>{EVIL}</script>",
    "script_in_svg": f"<svg><script>{EVIL}</script></svg>",
    "event": f"<img src=x onerror={EVIL}>",
    "event_with_slash": f"<img/src=x/onerror={EVIL}>",
    "animation": f"<svg><animate onbegin={EVIL} attributeName=x dur=1s></svg>",
    "link": f"<a href='javascript:{EVIL}'>click</a>",
    "link_with_tab": f"<a href='java\tscript:{EVIL}'>click</a>",
    "link_in_entities": f"<a href='&#106;avascript:{EVIL}'>click</a>",
    "link_to_data": f"<a href='data:text/html,<script>{EVIL}</script>'>click</a>",
    "link_to_the_server": "<a href='/formgrader?path=submitted/mallory'>click</a>",
    "picture_from_the_server": "<img src='/formgrader?path=submitted/mallory'>",
    "picture_from_afar": "<img src='https://example.org/seen.png'>",
    "frame": f"<iframe srcdoc='<script>{EVIL}</script>'></iframe>",
    "object": f"<object data='data:text/html,{EVIL}'></object><embed src='javascript:{EVIL}'>",
    "form": f"<form action='/shutdown'><button formaction='javascript:{EVIL}'>ok</button></form>",
    "refresh": f"<meta http-equiv=refresh content='0;url=javascript:{EVIL}'>",
    "base": "<base href='https://example.org/'>",
    "style": "<style>@import 'https://example.org/x.css'; .score { display: none }</style>",
    "overlay": "<div style='position:fixed;top:0;left:0;width:100%;z-index:9'>You get 20</div>",
    "background": "<div style='background:url(https://example.org/seen)'>x</div>",
    "field_of_formgrader": "<input class='score' id='check-gabor' value='3'>",
    "name_of_a_field": "<b id='check-gabor' name='check-gabor' class='score nbgrader_cell'>x</b>",
    "mutation": f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={EVIL}&gt;'>",
    "mutation_in_noscript": f"<noscript><p title='</noscript><img src=x onerror={EVIL}>'>",
    "comment": f"<!--><img src=x onerror={EVIL}>-->",
    "half_a_tag": f"<img src=x onerror={EVIL} ",
    "deep": "<div>" * 100_000 + EVIL,
    # Formatting tags that are left open are opened again in each paragraph, with all they hold.
    "growing": "<p>" + OPENED.format(*["x" * 4900] * 98) + "<p>x" * 892,
    "growing_in_order": "<p>" + OPENED.format(*["x" * 500] * 98) + "<p>x</p>" * 2500 + "</b>" * 98,
    "many_attributes": "<div " + " ".join(f"a{i}=1" for i in range(50_000)) + ">",
}
# Each draws ten of the one before.
BOMB = "<path id='g0' d='M0 0'/>" + "".join(
    f"<g id='g{i}'>" + f"<use xlink:href='#g{i - 1}'/>" * 10 + "</g>" for i in range(1, 12)
)
OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "javascript": ({"application/javascript": EVIL, "text/plain": "x"}, {}),
    "widget": ({"application/vnd.jupyter.widget-view+json": {"model_id": EVIL}}, {}),
    "mermaid": ({"text/vnd.mermaid": f"graph TD; A-->B; click A call {EVIL}"}, {}),
    "markdown": ({"text/markdown": f"[click](javascript:{EVIL}) <script>{EVIL}</script>"}, {}),
    "svg_script": ({"image/svg+xml": SVG.format(f"<script>{EVIL}</script>")}, {}),
    "svg_event": ({"image/svg+xml": SVG.format(f"<g onload='{EVIL}'/>")}, {}),
    "svg_html": (
        {"image/svg+xml": SVG.format(f"<foreignObject><b onclick='{EVIL}'/></foreignObject>")},
        {},
    ),
    "svg_link": (
        {"image/svg+xml": SVG.format(f"<a xlink:href='javascript:{EVIL}'><text>x</text></a>")},
        {},
    ),
    "svg_entities": (
        {"image/svg+xml": f"<!DOCTYPE svg [<!ENTITY a '{EVIL}'>]>" + SVG.format("&a;")},
        {},
    ),
    "svg_of_svgs": ({"image/svg+xml": SVG.format(BOMB)}, {}),
    "picture_that_breaks_out": ({"image/png": f'aa"><script>{EVIL}</script>'}, {}),
    "width_that_breaks_out": ({"image/png": PNG}, {"image/png": {"width": f"1 onerror={EVIL}"}}),
    "width_for_all": ({"image/png": PNG}, {"width": f"1 onerror={EVIL}"}),
    "isolated": ({"text/html": f"<script>{EVIL}</script>x"}, {"text/html": {"isolated": True}}),
    "latex": ({"text/latex": f"$x$<script>{EVIL}</script>"}, {}),
}


class Found(HTMLParser):
    """What would run or call home in a page, by an independent reading of it."""

    def __init__(self) -> None:
        super().__init__()
        self.evil: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that should not be there."""
        given = {name: value or "" for name, value in attrs}
        if tag in {"script", "iframe", "object", "embed", "form", "meta", "base", "style", "link"}:
            self.evil.append(tag)
        if tag == "input" or given.get("id") == "check-gabor" or "score" in given.get("class", ""):
            self.evil.append("field")
        self.evil += [name for name in given if name.startswith("on")]
        for name in ("href", "src"):
            address = given.get(name, "#")
            if not re.match(
                r"#|data:image/|https?:" if name == "href" else r"data:image/|#", address
            ):
                self.evil.append(address[:40])
        if re.search("position|url|z-index", given.get("style", "")):
            self.evil.append(given["style"])


@functools.cache
def exporter(template: str) -> HTMLExporter:
    """nbgrader's exporter with the course's configuration."""
    config = course_config(find_project().root)
    config.HTMLExporter.template_name = template
    config.HTMLExporter.extra_template_basedirs = [str(TEMPLATES)]
    css = TEMPLATES.parent / "static" / "node_modules" / "bootstrap" / "dist" / "css"
    config.HTMLExporter.extra_template_paths = [str(css)]
    return HTMLExporter(config=config)


def page(notebook: NotebookNode, template: str = "feedback") -> str:
    """What nbgrader makes of a notebook."""
    grades = {"notebook": "gradient", "score": 1, "max_score": 2, "late_penalty": 0}
    of_formgrader = {"index": 0, "total": 1, "base_url": "", "notebook_id": "gradient"}
    made, _resources = exporter(template).from_notebook_node(
        notebook, {"nbgrader": grades, **of_formgrader, **NAMES, "notebook_path": "a/b"}
    )
    return str(made)


def body(made: str) -> str:
    """The cells of a page."""
    return made[made.index('id="notebook-container"') :]


def shown(output: NotebookNode) -> NotebookNode:
    return new_notebook(cells=[new_code_cell("x", outputs=[output])])


def notebooks() -> dict[str, NotebookNode]:
    """Every attack as an output, as a text cell and as a picture of one."""
    made = {
        f"output_{k}": shown(new_output("display_data", {"text/html": v})) for k, v in HTML.items()
    }
    made |= {k: shown(new_output("display_data", d, metadata=m)) for k, (d, m) in OTHERS.items()}
    made |= {f"text_{k}": new_notebook(cells=[new_markdown_cell(v)]) for k, v in HTML.items()}
    raw = new_raw_cell(f"<script>{EVIL}</script>", metadata={"raw_mimetype": "text/html"})
    made["raw"] = new_notebook(cells=[raw])
    text = new_markdown_cell(f"[click](javascript:{EVIL})\n\n![x](javascript:{EVIL})")
    made["markdown_link"] = new_notebook(cells=[text])
    picture = new_markdown_cell("![x](attachment:x)")
    picture.attachments = {"x": {"text/html": f'"><script>{EVIL}</script>'}}
    made["attachment"] = new_notebook(cells=[picture])
    code = new_code_cell(
        f"'</pre><script>{EVIL}</script>'", metadata={"tags": [f'"><script>{EVIL}']}
    )
    code.outputs = [
        new_output("stream", text=f"\x1b]8;;javascript:{EVIL}\x07<script>{EVIL}</script>")
    ]
    made["code_and_stream"] = new_notebook(cells=[code])
    return made


EVILS = notebooks()


@pytest.mark.parametrize("name", EVILS)
def test_nothing_runs_in_the_feedback_page(name: str) -> None:
    found = Found()
    found.feed(body(page(EVILS[name])))
    assert found.evil == []


def test_nothing_runs_in_formgrader() -> None:
    """All of it in one page, names too, behind which the page's own scripts stand."""
    cells = [cell for notebook in EVILS.values() for cell in notebook.cells]
    made = page(new_notebook(cells=cells), "formgrade")
    found = Found()
    found.feed(body(made))
    assert found.evil == []
    for name in NAMES.values():
        assert name not in made


@pytest.mark.parametrize("name", [name for name in EVILS if not name.startswith("text_")])
def test_the_autograded_notebook_is_clean_itself(name: str) -> None:
    """Whoever opens it elsewhere has no filter of ours."""
    for cell in EVILS[name].cells:
        for output in cell.get("outputs", []):
            data = harmless([output])[0].get("data", {})
            found = Found()
            found.feed("".join(str(data.get(m, "")) for m in ("text/html", "image/svg+xml")))
            assert found.evil == []
            assert not {"application/javascript", "text/vnd.mermaid"} & set(data)


def test_what_is_harmless_stays() -> None:
    """A verdict to the byte, a table, a plot, formulas, code, anchors."""
    verdict = verdict_output(
        Verdict("gabor", "wrong", 0.0, 1.0, message="a < b"),
    )
    table = '<table border="1" class="dataframe"><tbody><tr style="text-align:right"><td>1</td></tr></tbody></table>'
    fig, ax = plt.subplots()
    ax.plot([1, 3, 2], label="$x^2$")
    ax.legend()
    from io import StringIO

    drawing = StringIO()
    fig.savefig(drawing, format="svg")
    plt.close(fig)
    text = "## A heading\n\n$a < b$ and $$\\sum_{i<n} x_i$$\n\n```python\ndef f(): pass\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    panel = harmless([verdict])[0]["data"]["text/html"]
    style = "border-left:4px solid #d55e00;padding:0.3em 0.8em"
    assert f'<div style="{style}"><strong>0 of 1 points</strong><br>' in panel
    assert "<strong>gabor</strong>: a &lt; b" in panel
    assert clean_html(table) == table
    kept = clean_svg(drawing.getvalue())
    assert kept.count("path") > 5 and "clipPath" in kept and "url(#" in kept
    made = body(page(new_notebook(cells=[new_markdown_cell(text)])))
    for wanted in (
        "$a &lt; b$",
        r"$$\sum_{i&lt;n} x_i$$",
        'class="k">def',
        'href="#A-heading"',
        "<td>2</td>",
    ):
        assert wanted in made, made
    png = new_output("display_data", {"image/png": PNG}, metadata={"image/png": {"width": 7}})
    assert harmless([png]) == [png]


def test_a_server_of_many_threads_makes_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork of it would not be safe: an interpreter is started."""
    cells = [new_markdown_cell("# A *heading*"), new_code_cell("def f(): pass")]
    cells[1].outputs = [new_output("stream", text="\x1b[31mred\x1b[0m < blue")]
    cells[1].outputs.append(new_output("display_data", {"text/html": "<b>bold</b><script>1"}))
    pages = []
    for threads in ("one", "several"):
        monkeypatch.setattr(
            "autograder.engine.trusted.helper._has_one_thread", lambda t=threads: t == "one"
        )
        helper().end()
        pages.append(body(page(new_notebook(cells=cells))))
    assert type(helper()._process).__name__ == "Popen"
    helper().end()
    assert pages[0] == pages[1]
    for wanted in ("<em>heading</em>", 'class="k">def', 'ansi-red-fg">red</span> &lt;', "<b>bold"):
        assert wanted in pages[0]


@pytest.mark.parametrize("name", ["growing", "growing_in_order"])
def test_what_would_grow_is_shown_as_it_was_written(name: str) -> None:
    text = body(page(new_notebook(cells=[new_markdown_cell(HTML[name])])))
    assert "<pre>&lt;p&gt;&lt;b title" in text
    told = body(page(shown(new_output("display_data", {"text/html": HTML[name]}))))
    assert "takes too much time or memory to be shown" in told
    assert "<b title" not in told


def test_a_drawing_is_counted_with_all_that_it_draws() -> None:
    assert clean_svg(SVG.format(BOMB)) == ""
    assert clean_svg(SVG.format("<g id='a'><use xlink:href='#a'/></g>")) == ""
    few = SVG.format("<path id='a' d='M0 0'/>" + "<use xlink:href='#a'/>" * 2000)
    assert clean_svg(few).count("use") == 2000
    inner = base64.b64encode(SVG.format(BOMB).encode()).decode()
    assert "data:" not in clean_html(f"<img src='data:image/svg+xml;base64,{inner}'>")
    inner = base64.b64encode(SVG.format(f"<path d='M0 0' onload='{EVIL}'/>").encode()).decode()
    kept = re.search('base64,([^"]+)', clean_html(f"<img src='data:image/svg+xml;base64,{inner}'>"))
    assert kept
    assert b"path" in base64.b64decode(kept[1]) and EVIL.encode() not in base64.b64decode(kept[1])


BIG = "<rect width='9000' height='9000' fill='red'{}/>"
# Each kept a browser busy for more than twenty seconds.
HEAVY = {
    "dashes": "".join(
        f"<path d='M0 {i}H1000' stroke='red' stroke-dasharray='0.001'/>" for i in range(1000)
    ),
    "dashes_of_others": "<g stroke-dasharray='0.001'>" + "<circle r='400'/>" * 200 + "</g>",
    "dashes_drawn_again": "<g style='stroke-dasharray: 1e-3'><path id='a' d='m0 0l9 9l-9 900'/>"
    + "<use xlink:href='#a'/>" * 900
    + "</g>",
    "dashes_around_letters": f"<text stroke-dasharray='0.01'>{'W' * 900}</text>",
    "layers": f"<g opacity='.9'>{BIG.format('')}</g>" * 6000,
    "layers_in_layers": "<g style='opacity: .9'>" * 400 + BIG.format("") + "</g>" * 400,
    "shapes": BIG.format(" opacity='0.5'") * 9000,
    "pictures": f"<image id='p' xlink:href='data:image/png;base64,{picture('PNG', 6000, 6000)}'/>"
    + "<use xlink:href='#p'/>" * 9,
}
# What costs most is taken out, and the rest is shown.
LEFT_OUT = {
    "markers": "<marker id='m'><path d='M0 0L5 5'/></marker><polyline marker-mid='url(#m)' style='marker: url(#m)' points='1 1 2 2'/>",
    "masks": "<mask id='m'><rect width='9000' height='9000'/></mask>"
    + BIG.format(" mask='url(#m)'"),
    "filters": BIG.format(" filter='url(#f)' style='fill: red; filter: blur(400px)'"),
    "blending": BIG.format(" style='mix-blend-mode: multiply; /**/filter: blur(9px)'"),
    "a_style_for_all": "<style>g{filter:blur(50px)}</style><g/>",
    "animations": "<style>@keyframes a{from{x:0}to{x:1}}path{animation:a 1ms infinite}</style><g/>",
    "lengths": "<path d='M0 0H9' pathLength='1e9'/>",
    "dashes_worked_out": "<path d='M0 0H9' stroke-dasharray='calc(1px/100000)'/>",
    "dashes_in_letters": "<path d='M0 0H9' style='font-size: 0.0001px; stroke-dasharray: 1em'/>",
}
NOT_LEFT = r"mask|marker|filter|blend|animation|pathLength|dasharray"


@pytest.mark.parametrize("name", HEAVY)
def test_a_drawing_that_costs_too_much_is_none(name: str) -> None:
    assert clean_svg(SVG.format(HEAVY[name])) == ""


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_makes_a_drawing_cost_is_left_out_of_it(name: str) -> None:
    kept = clean_svg(SVG.format(LEFT_OUT[name]))
    assert kept and not re.search(NOT_LEFT, kept), kept


def test_a_figure_of_many_lines_is_drawn_as_it_was() -> None:
    """Dashed ones, seen through, with hatches, pictures and a grid, in nine panels."""
    fig, axes = plt.subplots(3, 3)
    x, rng = np.linspace(0, 9, 500), np.random.default_rng(0)
    for ax in axes.flat:
        for k in range(12):
            ax.plot(x, np.sin(k * x), "--", alpha=0.5)
        ax.hist(rng.random(500), bins=50, alpha=0.3, hatch="/")
        ax.imshow(rng.random((9, 9)))
        ax.grid(ls=":")
    drawing = io.StringIO()
    fig.savefig(drawing, format="svg")
    plt.close(fig)
    kept = clean_svg(drawing.getvalue())
    for what in (
        "<path",
        "stroke-dasharray",
        "opacity",
        "clip-path",
        "pattern",
        "<image",
        "<style",
    ):
        wanted = drawing.getvalue().count(what)
        assert wanted and kept.replace("ns0:", "").count(what) == wanted, what


MARKS = {"latin": "a" + "\u0301" * 50_000, "thai": "\u0e01" + "\u0e49\u0301" * 25_000}


@pytest.mark.parametrize("name", MARKS)
def test_no_letter_has_marks_without_end(name: str) -> None:
    """Wherever a learner may write: a browser takes ten seconds for these 50 KB."""
    evil = MARKS[name]
    entities = "".join(f"&#{ord(c)};" for c in evil[1:])
    cells = [
        new_markdown_cell(evil),
        new_markdown_cell(f"<b>x{entities}"),
        new_code_cell("# " + evil),
    ]
    for data in ({"text/html": f"<b>x{entities}"}, {"text/plain": evil}, {"text/markdown": evil}):
        cells[2].outputs.append(new_output("display_data", data))
    cells[2].outputs.append(new_output("stream", text="\x1b[31m" + evil))
    cells[2].outputs.append(new_output("error", ename=evil, evalue=evil, traceback=[evil]))
    shown = body(page(new_notebook(cells=cells)))
    assert re.search(f"[{evil[-2:]}]{{10}}", shown) and not re.search(f"[{evil[-2:]}]{{40}}", shown)
    told = json.dumps(harmless(cells[2].outputs), ensure_ascii=False)
    assert not re.search(f"[{evil[-2:]}]{{40}}", told)
    drawn = clean_svg(SVG.format(f"<text>{evil}</text>"))
    assert "<text" in drawn.replace("ns0:", "") and not re.search(f"[{evil[-2:]}]{{40}}", drawn)


def test_what_is_written_in_other_scripts_stays() -> None:
    """Marks and all; and rows of what is no letter."""
    for text in (
        "ก็เป็นสิ่งที่",
        "שָׁלוֹם עֲלֵיכֶם",
        "Z\u0301\u0323a\u0308 " * 99,
        "█" * 400,
        "─┼─" * 200,
        "👨‍👩‍👧" * 50,
    ):
        assert fewer_marks(text) == text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_pictures_size_is_read_off_its_head(kind: str) -> None:
    for width, height in ((1, 1), (640, 480), (3, 2500)):
        for lossless in (False, True) if kind == "WEBP" else (False,):
            out = io.BytesIO()
            exif = Image.Exif()
            exif[0x010E] = "a learner's own words"
            options: dict[str, Any] = {"exif": exif} if kind in ("JPEG", "WEBP") else {}
            options |= {"lossless": True} if lossless else {}
            Image.new("RGB", (width, height), "red").save(out, kind, **options)
            assert pixels(base64.b64encode(out.getvalue()).decode()) == width * height
            bare = picture(kind, width, height)
            assert pixels(bare) == width * height
            assert pixels(bare[:12]) > MAX_PIXELS_IN_ALL


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_a_picture_of_few_bytes_and_many_pixels_is_not_shown(kind: str) -> None:
    """Some 60 KB of PNG kept a browser busy for ten seconds, with 1.6 GB."""
    large = picture(kind.upper(), 12_000, 12_000)
    mime, address = f"image/{kind}", f"data:image/{kind};base64,{large}"
    [told] = harmless([new_output("display_data", {mime: large})])
    assert mime not in told.data and "cannot be shown here" in told.data["text/plain"]
    assert "base64" not in clean_html(f"<img src='{address}'>")
    assert "base64" not in clean_svg(SVG.format(f"<image xlink:href='{address}'/>"))
    # A browser looks at the bytes, whatever they are called.
    [told] = harmless([new_output("display_data", {"image/png": large})])
    assert "image/png" not in told.data


def test_a_gif_is_as_large_as_its_first_picture() -> None:
    """Which may be larger than what it says of itself."""
    data = bytearray(base64.b64decode(picture("GIF", 9000, 9000)))
    data[6:10] = bytes([1, 0, 1, 0])
    assert pixels(base64.b64encode(data).decode()) == 81_000_000


def test_pictures_of_a_notebook_are_counted_together() -> None:
    """A hundred ordinary ones are shown."""
    large, ordinary = picture("PNG", 6000, 6000), picture("PNG", 640, 480)
    outputs = [new_output("display_data", {"image/png": large}) for _ in range(9)]
    outputs.append(
        new_output("display_data", {"text/html": f"<img src='data:image/png;base64,{large}'>" * 9})
    )
    outputs.append(new_output("display_data", {"image/png": ordinary, "text/plain": "x"}))
    shown = ["image/png" in output.data for output in harmless(outputs)]
    assert shown == [True] * 5 + [False] * 5 + [True]
    many = [new_output("display_data", {"image/png": ordinary}) for _ in range(100)]
    assert harmless(many) == many


def test_a_large_table_stays() -> None:
    """Well-formed HTML with many tags is no attack."""
    rows = "".join("<tr>" + f"<td>{np.pi}</td>" * 20 + "</tr>" for _ in range(100))
    table = f"<table><tbody>{rows}</tbody></table>"
    assert clean_html(table) == table
    # But no cell of it as large as a thousand.
    for span in ("colspan", "rowspan"):
        wide = f'<table><tbody><tr><td {span}="{{}}">1</td></tr></tbody></table>'
        assert clean_html(wide.format(2)) == wide.format(2)
        assert span not in clean_html(wide.format(1000))


SLOW = {
    "begin": "\\begin{a} " * 20_000,
    "brackets": "\\\\[" * 20_000,
    "links": "![a](" * 20_000,
    "references": "[a]: b\n" * 20_000 + "[a]" * 20_000,
    "definitions": "a\n: b\n" * 20_000,
    "emphasis": "*a **a " * 20_000,
}


def test_no_text_holds_the_page_up() -> None:
    """Each takes minutes by itself, and all of them are in the page."""
    texts = [*SLOW.values()] * 2
    before = helper().spent
    made = body(page(new_notebook(cells=[new_markdown_cell(text) for text in texts])))
    assert helper().spent - before < PAGE_SECONDS + 0.5
    assert made.count("\\begin{a} \\begin{a}") >= 2
    assert made.count("*a **a *a") >= 2


@pytest.mark.parametrize("evil", ["<a/>" * 100_000, "<g>" * 3000 + "</g>" * 3000])
def test_no_drawing_holds_the_judge_up_or_cannot_be_written(evil: str) -> None:
    """Many parts that do not draw, and parts in parts."""
    started = time.process_time()
    text = clean_svg(SVG.format("<g/>" * 100_000 + evil))
    assert time.process_time() - started < 20
    assert "<a" not in text


def test_a_display_of_any_depth_can_be_written() -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [{"a": deep}]
    shallow = {"a": [1, {"b": ["c"]}]}
    for value, kept in ((deep, False), (shallow, True)):
        data = {"application/json": value, "text/plain": "x"}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        [made] = harmless([NotebookNode(output)])
        assert ("application/json" in made.data) is kept
        notebook = new_notebook(cells=[new_code_cell("x", outputs=[made])])
        assert nbformat.writes(notebook)
