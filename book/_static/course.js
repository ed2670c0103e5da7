// A box that scrolls sideways must be reachable without a mouse: it gets a place in the tab order
// for as long as there is something to scroll to. (The theme does this for code, not for formulas.)
const BOXES = [
  "div.math > .formula",
  ".cell_output",
  ".pst-scrollable-table-container",
]
  .map((box) => `.bd-article ${box}`)
  .join(", ");

function name(box) {
  return box.closest(".math") ? "Formula, scrolls sideways" : "Scrolls sideways";
}

// A hat may stick out of its letter by a pixel or two: that is nothing to scroll to.
const OVERHANG = 4;

function mark(box) {
  if (box.scrollWidth > box.clientWidth + OVERHANG) {
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", name(box));
  } else if (box.getAttribute("role") === "group") {
    box.removeAttribute("tabindex");
    box.removeAttribute("role");
    box.removeAttribute("aria-label");
  }
}

const observer = new ResizeObserver((entries) => {
  for (const entry of entries) mark(entry.target.closest(BOXES));
});

function watch() {
  for (const box of document.querySelectorAll(BOXES)) {
    mark(box);
    observer.observe(box);
    // The box keeps its width while its content grows: watch the content as well.
    for (const child of box.children) observer.observe(child);
  }
  // A letter from a font that comes late is drawn in another one until then, and may stick out of
  // boxes that do not change their size.
  document.fonts.addEventListener("loadingdone", () => {
    for (const box of document.querySelectorAll(BOXES)) mark(box);
  });
}

window.addEventListener("load", watch);

// Paper is white, whatever the screen is.
let theme;
window.addEventListener("beforeprint", () => {
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
window.addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = theme;
});
