// A box that scrolls sideways must be reachable without a mouse: it gets a place in the tab order
// for as long as there is something to scroll to.
const BOXES = [
  "div.math > .formula",
  "pre",
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

// Nothing is measured before it comes near the screen: the observer tells then, and whenever a size
// changes. The box keeps its own while its content grows, so the content is watched as well.
const observer = new ResizeObserver((entries) => {
  for (const box of new Set(entries.map((entry) => entry.target.closest(BOXES)))) mark(box);
});
for (const box of document.querySelectorAll(BOXES)) {
  for (const watched of [box, ...box.children]) observer.observe(watched);
}

// Paper cannot wait for what is loaded when it comes near: at a desk, where people print, the other
// figures follow once all else is there.
window.addEventListener("load", () => {
  if (!matchMedia("(hover: hover) and (pointer: fine)").matches) return;
  const soon = window.requestIdleCallback ?? setTimeout;
  soon(() => {
    const figures = document.querySelectorAll(".bd-article img[loading=lazy]:not(.by-night)");
    for (const figure of figures) figure.loading = "eager";
  });
});

// Paper is white, whatever the screen is.
let theme;
window.addEventListener("beforeprint", () => {
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
window.addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = theme;
});
