"""`make bench`: how long every live figure takes from an event to the picture that it brings.

Each control of each figure is used as a thumb would use it, on a phone's screen: a slider moves
from place to place, a box is ticked, a button pressed. A time runs from before the event until
after the frame that shows what it did. And a slider is named where no drawing is whole on the
screen with it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tomllib
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

# What is shown after a frame: the message is delivered when the frame's work is done.
USE = """
async ([figure, places]) => {
  const root = document.querySelector(`.live-figure[data-figure="${figure}"]`);
  root.scrollIntoView();
  while (!root.classList.contains("live")) await new Promise(requestAnimationFrame);
  const shown = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  }));
  const times = [];
  const timed = async (act) => {
    await shown();
    const start = performance.now();
    act();
    await shown();
    times.push(performance.now() - start);
  };
  for (const control of root.querySelectorAll("input, select, button")) {
    if (!control.offsetParent) continue;
    if (control.type === "range") {
      const [before, high] = [control.value, Number(control.max)];
      for (let i = 0; i < places; i++) {
        await timed(() => {
          control.value = Math.round((high * i) / (places - 1));
          control.dispatchEvent(new Event("input"));
        });
      }
      control.value = before;
      control.dispatchEvent(new Event("input"));
    } else if (control.tagName === "SELECT") {
      for (let i = 0; i < control.options.length; i++) {
        await timed(() => {
          control.selectedIndex = i;
          control.dispatchEvent(new Event("change"));
        });
      }
    } else await timed(() => control.click());
  }
  return times;
}
"""

SIGHT = """
(figure) => {
  const root = document.querySelector(`.live-figure[data-figure="${figure}"]`);
  const bar = document.querySelector(".bd-header-article").offsetHeight;
  const drawings = [...root.querySelectorAll("svg:not(.live-key)")];
  const sliders = [...root.querySelectorAll("input[type=range]")].filter((e) => e.offsetParent);
  const share = ({ top, bottom, height }) =>
    (Math.min(bottom, innerHeight) - Math.max(top, bar)) / height;
  return sliders.map((slider) => {
    const seen = ["start", "end"].flatMap((block) => {
      slider.scrollIntoView({ block, behavior: "instant" });
      if (block === "start") scrollBy({ top: -bar, behavior: "instant" });
      const boxes = drawings.map((svg) => svg.getBoundingClientRect());
      return boxes.filter((box) => box.height > 40).map(share);
    });
    return [slider.parentElement.textContent.trim(), Math.max(0, ...seen)];
  });
}
"""


def figures(page: Page) -> list[str]:
    """The kinds of live figures on a page, in its order."""
    return page.evaluate(
        "[...new Set([...document.querySelectorAll('.live-figure')].map((e) => e.dataset.figure))]"
    )


def main() -> None:
    """Measure the built site: the home page, and chapter by chapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--sets", nargs="*", help="these pages only")
    parser.add_argument("--places", type=int, default=8, help="of each slider")
    options = parser.parse_args()
    chapters = tomllib.loads((ROOT / "book" / "chapters.toml").read_text())["chapter"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in options.sets or ["index", *(chapter["set"] for chapter in chapters)]:
            context = browser.new_context(
                viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
            )
            page = context.new_page()
            page.goto((options.site.resolve() / "book" / f"{name}.html").as_uri())
            page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
            for figure in figures(page):
                times = page.evaluate(USE, [figure, options.places])
                print(
                    f"{name}, {figure}: {statistics.median(times):.0f} ms at the median of "
                    f"{len(times)} events, {max(times):.0f} ms at most",
                    flush=True,
                )
                for label, share in page.evaluate(SIGHT, figure):
                    if share < 0.9:
                        print(f"  out of sight, {share:.0%} of a drawing left: {label}")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
