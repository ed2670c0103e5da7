// Chapter 2's interactive figure: a slider over learning rates. The walks were made by the
// reference when the page was built; nothing is computed here but places on the screen.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const MAP = { width: 320, height: 200, x: 4.7, y: 2.2 };
  const PLOT = { width: 320, height: 200, left: 46, bottom: 34, top: 10, right: 8, low: -8, high: 4 };

  function add(parent, name, attributes = {}, text = "") {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return parent.appendChild(element);
  }

  function html(parent, name, attributes = {}, text = "") {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return parent.appendChild(element);
  }

  function panel(parent, title, size) {
    const box = html(parent, "div");
    html(box, "p", { class: "gd-panel-title" }, title);
    const svg = add(box, "svg", { viewBox: `0 0 ${size.width} ${size.height}`, "aria-hidden": "true" });
    return svg;
  }

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  // Far outside the map a number is as good as any other, and a huge one upsets the renderer.
  const mapX = (v) => MAP.width / 2 + (clamp(v, -50, 50) / MAP.x) * (MAP.width / 2);
  const mapY = (v) => MAP.height / 2 - (clamp(v, -50, 50) / MAP.y) * (MAP.height / 2);

  function build(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    const steps = data.loss[0].length - 1;
    const id = "gd-learning-rate";

    const label = html(root, "label", { for: id }, `${data.labels.lr}: `);
    const number = html(label, "span");
    const range = html(root, "input", { id, type: "range", min: 0, max: data.lr.length - 1, step: 1 });
    const panels = html(root, "div", { class: "gd-panels" });

    const map = panel(panels, data.labels.map, MAP);
    for (const level of [0.1, 0.5, 1.5, 3.5, 7, 12, 18]) {
      const rx = (Math.sqrt(2 * level) / MAP.x) * (MAP.width / 2);
      const ry = (Math.sqrt((2 * level) / 10) / MAP.y) * (MAP.height / 2);
      add(map, "ellipse", { class: "gd-ring", cx: MAP.width / 2, cy: MAP.height / 2, rx, ry });
    }
    const walk = add(map, "polyline", { class: "gd-line" });
    const walkDots = add(map, "g");

    const plot = panel(panels, data.labels.loss, PLOT);
    const plotX = (t) => PLOT.left + (t / steps) * (PLOT.width - PLOT.left - PLOT.right);
    const plotY = (loss) => {
      const share = (Math.log10(Math.max(loss, 1e-300)) - PLOT.low) / (PLOT.high - PLOT.low);
      return PLOT.height - PLOT.bottom - clamp(share, 0, 1) * (PLOT.height - PLOT.bottom - PLOT.top);
    };
    for (let power = PLOT.low; power <= PLOT.high; power += 4) {
      const y = plotY(10 ** power);
      add(plot, "line", { class: "gd-ring", x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y, y2: y });
      const tick = add(plot, "text", { x: PLOT.left - 6, y: y + 4, "text-anchor": "end" }, "10");
      add(tick, "tspan", { dy: -5, "font-size": "9px" }, String(power).replace("-", "\u2212"));
    }
    add(plot, "line", { class: "gd-axis", x1: PLOT.left, x2: PLOT.left, y1: PLOT.top, y2: PLOT.height - PLOT.bottom });
    for (const t of [0, steps / 2, steps]) {
      const anchor = t === steps ? "end" : "middle";
      const text = t === steps ? `${data.labels.step} ${t}` : String(t);
      add(plot, "text", { x: plotX(t), y: PLOT.height - 12, "text-anchor": anchor }, text);
    }
    const fall = add(plot, "polyline", { class: "gd-line" });
    const fallDots = add(plot, "g");

    const state = html(root, "p", { class: "gd-state", "aria-live": "polite" });

    function show() {
      const i = Number(range.value);
      const points = data.walk[i].map(([a, b]) => [mapX(a), mapY(b)]);
      const values = data.loss[i].map((loss, t) => [plotX(t), plotY(loss)]);
      number.textContent = data.lr[i].toFixed(3);
      range.setAttribute("aria-valuetext", data.lr[i].toFixed(3));
      root.classList.toggle("gd-diverges", data.diverges[i]);
      for (const [line, dots, places] of [[walk, walkDots, points], [fall, fallDots, values]]) {
        line.setAttribute("points", places.map((p) => p.map((v) => v.toFixed(1)).join()).join(" "));
        dots.replaceChildren();
        places.forEach(([cx, cy], t) => {
          add(dots, "circle", { class: t ? "gd-dot" : "gd-start", cx: cx.toFixed(1), cy: cy.toFixed(1), r: t ? 2.6 : 5 });
        });
      }
      state.textContent = data.state[i];
    }

    range.value = data.start;
    range.addEventListener("input", show);
    show();
    root.querySelector(".gd-still").remove();
  }

  document.querySelectorAll(".gd-slider").forEach(build);
})();
