"""The site as a reader meets it: every page, wide and narrow, by day and by night."""

from __future__ import annotations

import ast
import gzip
import io
import json
import re
import textwrap
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Page, expect
from sphinx_external_toc.parsing import parse_toc_yaml

from autograder.judging.sets import find_set
from autograder.project import find_project
from autograder.release.given import given_text

from .loopback import COMPRESSED, Site, strays

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tests" / "browser" / "vendor" / "axe.min.js"

# What the theme writes and we cannot configure. Everything in the article is ours, and none of it
# may ever be named here.
THEME_CHROME = [
    # Its icons are words for a screen reader, hidden one by one, that its label does not repeat.
    ".theme-switch-button",
    # Its label is "Search", and beside that it shows the keys that open it.
    ".search-button-field",
]

PAGES = [f"{docname}.html" for docname in parse_toc_yaml(ROOT / "_toc.yml")]
# Made by Sphinx and not in the toc, but a reader gets there all the same.
MACHINE_MADE = ["search.html", "genindex.html"]
REDIRECT = "index.html"

Scheme = Literal["light", "dark"]
WIDE, NARROW = {"width": 1280, "height": 850}, {"width": 390, "height": 844}

every_page = pytest.mark.parametrize("path", PAGES)


def visit(page: Page, site: Site, path: str) -> None:
    """Open a page and wait until its fonts are there."""
    page.goto(f"{site.url}/{path}", wait_until="load")
    page.evaluate("() => document.fonts.ready.then(() => null)")


def unfold(page: Page) -> None:
    """Open every folded answer and every folded cell, for a reader who has been everywhere: so the
    figures are awake."""
    page.evaluate("() => document.querySelectorAll('details').forEach((fold) => fold.open = true)")
    for figure in page.locator(".live-figure").all():
        figure.evaluate("element => element.scrollIntoView({ behavior: 'instant' })")
        expect(figure).to_have_class(re.compile(r"\blive\b"))
    page.evaluate("() => scrollTo({ top: 0, behavior: 'instant' })")


@contextmanager
def opened(browser: Browser, site: Site, path: str, **screen: Any) -> Iterator[Page]:
    """A page in a window of its own, with all that is folded unfolded."""
    context = browser.new_context(**screen)
    page = context.new_page()
    visit(page, site, path)
    unfold(page)
    yield page
    context.close()


@pytest.fixture(scope="module", params=PAGES)
def wide(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Each page on a wide screen by day, for the tests that only look: most of their time goes to
    opening it."""
    with opened(browser, site, request.param, viewport=WIDE, color_scheme="light") as page:
        yield page


@pytest.fixture(scope="module", params=PAGES)
def on_a_phone(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Each page on a narrow screen, for the tests that only look."""
    with opened(browser, site, request.param, viewport=NARROW, is_mobile=True) as page:
        yield page


@cache
def soup(file: Path) -> BeautifulSoup:
    """Parse a built page, once."""
    return BeautifulSoup(file.read_text("utf8"), "html.parser")


def attribute(element: Tag, name: str) -> str:
    """Give an attribute as text, empty where there is none."""
    return str(element.get(name) or "")


def test_the_build_has_the_pages_of_the_toc_and_no_other(site: Site) -> None:
    built = {p.relative_to(site.folder).as_posix() for p in site.folder.rglob("*.html")}
    assert {p for p in built if not p.startswith("_static/")} == {*PAGES, *MACHINE_MADE, REDIRECT}


@pytest.mark.parametrize("path", [*PAGES, *MACHINE_MADE])
def test_page_asks_no_other_host_and_throws_nothing(page: Page, site: Site, path: str) -> None:
    found = strays(page, site)
    visit(page, site, path)
    unfold(page)
    # To the end and back: what loads when it comes into sight must be asked for as well.
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.wait_for_load_state("networkidle")
    assert not found


def test_the_root_leads_home(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.wait_for_url(f"{site.url}/{PAGES[0]}")
    assert page.locator("article h1").count() == 1


def test_page_fits_a_phone(on_a_phone: Page) -> None:
    page = on_a_phone
    widths = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    # A theme can hide an overflow that nobody can then scroll to: look at each box as well.
    cut_off = page.evaluate(
        """() => {
          const scrolls = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
          const reachable = (e) => {
            for (let box = e.parentElement; box && !box.matches("article"); box = box.parentElement)
              if (scrolls(box)) return true;
            return false;
          };
          return [...document.querySelectorAll("article *")]
            .filter((e) => !e.closest(".visually-hidden, .sr-only, svg *, math *"))
            .filter((e) => e.getClientRects().length && getComputedStyle(e).clipPath === "none")
            .filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1)
            .filter((e) => !reachable(e))
            .map((e) => e.outerHTML.slice(0, 120));
        }"""
    )
    assert widths == [390, 390]
    assert not cut_off
    # It comes while one scrolls up, and lies over the controls of a live figure.
    assert not page.locator("#pst-back-to-top").count()


def test_axe_finds_nothing_serious_on_a_phone(on_a_phone: Page) -> None:
    """On a narrow screen boxes begin to scroll, and must then be reachable by keyboard."""
    assert not axe(on_a_phone)


def test_axe_finds_nothing_serious(wide: Page) -> None:
    assert not wrong_colours(wide, "light")
    assert not axe(wide)


@every_page
def test_axe_finds_nothing_serious_by_night(browser: Browser, site: Site, path: str) -> None:
    with opened(browser, site, path, viewport=WIDE, color_scheme="dark") as page:
        assert not wrong_colours(page, "dark")
        assert not axe(page)


def wrong_colours(page: Page, scheme: Scheme) -> str:
    """What of the theme and the paper is not as the reader's system asks for."""
    theme = page.evaluate("() => document.documentElement.dataset.theme")
    paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    dark = sum(channels(paper)) < 200
    return "" if theme == scheme and dark == (scheme == "dark") else f"{theme}, {paper}"


def axe(page: Page) -> list[str]:
    """Let axe look at the page; give what is serious or critical, one line each."""
    page.add_script_tag(path=str(AXE))
    # Two frames: the boxes' observers have then seen what was unfolded, and it fades in.
    page.evaluate(
        """async () => {
            for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame)
            const ends = (fade) => fade.effect.getComputedTiming().endTime < Infinity
            await Promise.allSettled(
                document.getAnimations().filter(ends).map((fade) => fade.finished))
        }"""
    )
    # Where each of ten thousand sound elements stands takes longer to write than all else.
    answer = page.evaluate(
        """(chrome) => axe.run({exclude: chrome}, {
          resultTypes: ['violations'], rules: {'target-size': {enabled: true}} })""",
        THEME_CHROME,
    )
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in answer["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def channels(colour: str) -> list[int]:
    """Split `rgb(r, g, b)` into its three numbers."""
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_the_reader_may_choose_the_colours(page: Page, site: Site) -> None:
    page.emulate_media(color_scheme="light")
    visit(page, site, PAGES[0])
    switch = page.locator(".theme-switch-button:visible").first
    seen = set()
    for _ in range(3):
        switch.click()
        seen.add(page.evaluate("() => document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}


@every_page
def test_mathematics_was_typeset_when_the_page_was_built(site: Site, path: str) -> None:
    """Each formula is MathML, of characters that the font has; nothing is left for a script."""
    article = soup(site.folder / path).select_one("article")
    assert article is not None
    formulas = article.select(".math")
    for formula in formulas:
        assert len(formula.select("math")) == 1, formula
    assert not article.select("merror")
    wanted = {c for formula in formulas for part in formula.select("math") for c in part.get_text()}
    missing = {c for c in wanted if not c.isspace()} - characters_of_the_font()
    assert not missing, f"add {missing} to {CHARACTERS}, as the README beside it says"
    text = " ".join(t for t in article.strings if t.find_parent(["pre", "code", "script"]) is None)
    for raw in ("\\(", "\\[", "$$", "\\begin{", "\\frac"):
        assert raw not in text


CHARACTERS = ROOT / "book" / "vendor" / "temml" / "characters.txt"


@cache
def characters_of_the_font() -> set[str]:
    """What the file names, as `20-7E,A0`."""
    ranges = [part.split("-") for part in re.split(r"[,\s]+", CHARACTERS.read_text().strip())]
    return {chr(n) for r in ranges for n in range(int(r[0], 16), int(r[-1], 16) + 1)}


def test_the_tab_key_stops_at_no_formula_that_fits(wide: Page) -> None:
    page = wide
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    stops = page.evaluate(
        """() => [...document.querySelectorAll("article :is(.math, .math *)[tabindex]")]
          .filter((e) => e.scrollWidth <= e.clientWidth).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert not stops


@pytest.mark.parametrize("path", ["book/gradient.html", "book/sgd.html"])
def test_no_line_begins_with_a_comma_or_ends_with_a_bracket(
    browser: Browser, site: Site, path: str
) -> None:
    """Beside a formula: elsewhere the browser itself sees to it."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True)
    page = context.new_page()
    visit(page, site, path)
    unfold(page)
    parted = page.evaluate(
        """() => {
          const height = (node, at) => {
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            return range.getBoundingClientRect();
          };
          const fallen = (e) => /^[,.;:]/.test(e.nextSibling?.data ?? "") &&
            height(e.nextSibling, 0).top > e.getBoundingClientRect().bottom;
          const hung = (e) => /[([]$/.test(e.previousSibling?.data ?? "") &&
            height(e.previousSibling, e.previousSibling.data.length - 1).bottom <
              e.getBoundingClientRect().top;
          return [...document.querySelectorAll("article span.math")]
            .filter((e) => e.getClientRects().length)
            .filter((e) => fallen(e) || hung(e))
            .map((e) => e.parentElement.textContent.slice(0, 80));
        }"""
    )
    context.close()
    assert not parted


def test_a_rate_in_code_stays_on_one_line(browser: Browser, site: Site) -> None:
    """`lr = 0.3` is one thing, though it has blanks."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True)
    page = context.new_page()
    visit(page, site, "book/sgd.html")
    codes = page.locator("article p code", has_text=re.compile(r"^lr = [\d.]+$"))
    boxes = [code.evaluate("(e) => e.getClientRects().length") for code in codes.all()]
    context.close()
    assert len(boxes) > 5
    assert set(boxes) == {1}


@pytest.mark.parametrize("path", PAGES)
def test_no_number_on_a_page_is_none(site: Site, path: str) -> None:
    """A computed number that could not be computed reads "nan" in the middle of a sentence."""
    for part in soup(site.folder / path).select("article p, article td, article figcaption"):
        text = " ".join(t for t in part.strings if t.find_parent(["code", "pre"]) is None)
        assert not re.search(r"\b(nan|inf)\b", text), text


@every_page
def test_a_page_with_all_that_it_loads_is_light(site: Site, path: str) -> None:
    """As it comes over the wire: text is compressed. Of the two of each drawing one is loaded."""
    page = site.folder / path
    elements = soup(page).select("img[src], script[src], link[rel=stylesheet], link[as=font]")
    loaded = {page} | {
        (page.parent / urlsplit(address).path).resolve()
        for element in elements
        if "by-night" not in (element.get("class") or [])
        and (address := attribute(element, "src") or attribute(element, "href"))
    }
    sizes = {file.name: wire_size(file) for file in loaded}
    most = 300_000 if path == PAGES[0] else 900_000
    assert sum(sizes.values()) < most, sorted(sizes.items(), key=lambda item: -item[1])[:5]


def wire_size(file: Path) -> int:
    data = file.read_bytes()
    return len(gzip.compress(data, 6)) if file.suffix in COMPRESSED else len(data)


@every_page
def test_a_figure_has_its_place_and_its_pair_for_the_night(site: Site, path: str) -> None:
    """Nothing jumps when a drawing comes, and none is a white sheet on a dark page."""
    for image in soup(site.folder / path).select("article figure img[src$='.svg']"):
        assert image.get("width") and image.get("height") and image.get("loading") == "lazy", image
        other = {"by-day": "by-night", "by-night": "by-day"}
        [kind] = other.keys() & set(image.get("class") or [])
        assert image.parent is not None
        assert image.parent.select_one(f"img.{other[kind]}") is not None
        drawing = (site.folder / path).parent / attribute(image, "src")
        assert ("#ffffff" in drawing.read_text("utf8")) is (kind == "by-day")


def test_paper_gets_a_light_page_with_answers_and_without_folded_code(
    browser: Browser, site: Site
) -> None:
    with opened(browser, site, "book/momentum.html", viewport=WIDE, color_scheme="dark") as page:
        page.evaluate("() => document.querySelectorAll('details').forEach((d) => d.open = false)")
        page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        assert not wrong_colours(page, "light")
        assert not page.locator("article details.hide").first.is_visible()
        assert page.locator("article details.sd-dropdown p").first.is_visible()
        assert page.locator("article figure img.by-day").first.is_visible()
        assert not page.locator("article figure img.by-night").first.is_visible()
        page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen", color_scheme="dark")
        assert not wrong_colours(page, "dark")
        dark = page.locator("article figure img.by-night").first
        assert dark.evaluate("(e) => getComputedStyle(e).display") != "none"


@pytest.mark.parametrize("query", ["learning rate", "bias correction", "overflow"])
def test_the_search_finds_sections_and_the_chapter_first(
    page: Page, site: Site, query: str
) -> None:
    found = strays(page, site)
    page.goto(f"{site.url}/search.html?q={query}")
    results = page.locator("#finding-results > li")
    results.first.wait_for()
    address = str(results.first.locator("a").get_attribute("href"))
    assert Path(urldefrag(address)[0]).stem in find_project(ROOT).sets
    place = urldefrag(address)[1]
    assert not place or soup(site.folder / urldefrag(address)[0]).find(id=place)
    said = " ".join(results.all_inner_texts())
    assert query.split()[0] in said.lower()
    assert "\\" not in said
    page.goto(f"{site.url}/search.html?q=qwertyuiop")
    page.get_by_text("No section has all of these words").wait_for()
    assert not found


def test_a_live_figure_leaves_something_on_paper(wide: Page) -> None:
    """Its still stands on paper, its controls and drawings on the screen."""
    page = wide
    boxes = page.locator(".live-figure")
    for number in range(boxes.count()):
        box = boxes.nth(number)
        box.scroll_into_view_if_needed()
        still, controls = box.locator(".live-still"), box.locator("input, select, button")
        # A page under load takes a moment to be on the screen again.
        expect(still).to_be_hidden()
        # What another setting of the figure needs is hidden.
        shown = [control for control in controls.all() if control.is_visible()]
        assert shown
        page.emulate_media(media="print")
        expect(still).to_be_visible()
        for control in shown:
            expect(control).to_be_hidden()
        page.emulate_media(media="screen")


@every_page
def test_every_folded_answer_is_there(site: Site, path: str) -> None:
    """A backtick in a title would close the fence, and swallow what follows it."""
    source = (ROOT / path).with_suffix(".md").read_text("utf-8")
    # Four backticks are an example of the source, or a directive that holds others.
    fours = re.compile(r"^````(\{[^\n]*)?\n.*?^````$", re.MULTILINE | re.DOTALL)
    source = fours.sub(lambda found: found[0] if found[1] else "", source)
    folded = soup(site.folder / path).select("article details.sd-dropdown")
    assert len(folded) == len(re.findall(r"^ *`{3,}\{dropdown\}", source, re.MULTILINE))


@every_page
def test_pictures_have_words(site: Site, path: str) -> None:
    for image in soup(site.folder / path).select("article img"):
        alt = attribute(image, "alt").strip()
        assert len(alt.split()) >= 3, f"{image} has the alternative text {alt!r}"
        assert not alt.startswith(("../", "_images"))


@pytest.mark.parametrize("path", [*PAGES, *MACHINE_MADE])
def test_internal_links_resolve(site: Site, path: str) -> None:
    for element in soup(site.folder / path).select("[href], [src]"):
        address = attribute(element, "href") or attribute(element, "src")
        if not address or urlsplit(address).scheme:
            continue
        plain, anchor = urldefrag(address)
        target = (site.folder / path).parent / unquote(urlsplit(plain).path) if plain else None
        file = (target or site.folder / path).resolve()
        assert file.is_relative_to(site.folder.resolve()), f"{address} leaves the site"
        assert file.is_file(), f"{address} leads nowhere"
        # "#" alone is the top of the page.
        if anchor and file.suffix == ".html":
            assert soup(file).find(id=unquote(anchor)), f"no such place: {address}"


def test_downloads_are_the_released_sets(site: Site) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
    released = settings["tool"]["autograder"]["released_sets"]
    archives = sorted(path.name for path in (site.folder / "downloads").glob("*"))
    assert archives == sorted(f"{name}.zip" for name in [*released, "learning_by_descent"])
    offered = {
        attribute(link, "href").rpartition("/")[2]
        for path in PAGES
        for link in soup(site.folder / path).select("a.download-set")
    }
    assert offered == set(archives)


def test_no_page_source_is_published(site: Site) -> None:
    assert not (site.folder / "_sources").exists()
    published = {path.suffix for path in site.folder.rglob("*") if path.is_file()}
    assert not published & {".md", ".ipynb", ".py", ".pyc"}


def test_no_solution_is_published(site: Site) -> None:
    given = handed_out()
    secrets = dict(secret_bodies())
    assert secrets, "no function was found in solutions/: this test would prove nothing"
    for name, text in published_texts(site.folder):
        if text in given:
            continue
        squeezed = "".join(text.split())
        for function, bodies in secrets.items():
            for body in bodies:
                assert body not in squeezed, f"{name} shows the body of {function}"


def handed_out() -> set[str]:
    """The files that a set gives its learners, references and all, as they are."""
    project = find_project(ROOT)
    sets = [find_set(name, project) for name in project.released_sets]
    return {given_text(file) for exercise_set in sets for file in exercise_set.hand_outs}


def secret_bodies() -> Iterator[tuple[str, set[str]]]:
    """Give each secret function of more than one statement, its body without white space.

    Two spellings: as it stands in the file, and as `ast.unparse` writes it, without comments.
    A body of one statement is a formula, which a page may show.
    """
    for path in sorted((ROOT / "solutions").glob("*.py")):
        source = path.read_text("utf8")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef) or is_public(node):
                continue
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if len(body) < 2:
                continue
            lines = source.splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
            spellings = {textwrap.dedent("\n".join(lines)), "\n".join(map(ast.unparse, body))}
            yield f"{path.stem}.{node.name}", {"".join(text.split()) for text in spellings}


def is_public(node: ast.FunctionDef) -> bool:
    """Tell a helper that is marked as public, and therefore shipped to learners."""
    return any(isinstance(mark, ast.Name) and mark.id == "public" for mark in node.decorator_list)


def published_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Give every text that the site publishes, those inside its archives among them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield from readable(name, path.read_bytes())


def readable(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    """Give one file as the text that a reader sees, an archive as the texts in it."""
    suffix = Path(name).suffix
    if suffix in (".zip", ".whl"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                assert "solutions" not in Path(member).parts, f"{name} holds {member}"
                yield from readable(f"{name}/{member}", archive.read(member))
    elif suffix in (".html", ".htm"):
        yield name, BeautifulSoup(data.decode("utf8"), "html.parser").get_text()
    elif suffix == ".ipynb":
        cells = json.loads(data)["cells"]
        yield name, "\n".join("".join(cell["source"]) for cell in cells)
    elif suffix in (".js", ".json", ".txt", ".md", ".py", ".inv", ".svg", ".toml", ".yml"):
        yield name, data.decode("utf8", errors="replace")
