// What every interactive figure needs: a box that wakes up, controls that a keyboard and a thumb can
// use, panels with axes, and a sentence that is read out. A chapter's own script uses it through
// `course`, and draws; the numbers come from the page (JSON in the box) or from its own arithmetic.
// Once a page, however often its figures name this script: what other scripts put there must stay.
globalThis.course ??= (() => {
  const SVG = "http://www.w3.org/2000/svg";

  function dress(element, attributes, text) {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  }

  /** Append an SVG element. */
  const svg = (parent, name, attributes = {}, text = "") =>
    parent.appendChild(dress(document.createElementNS(SVG, name), attributes, text));

  /** Append an HTML element. */
  const html = (parent, name, attributes = {}, text = "") =>
    parent.appendChild(dress(document.createElement(name), attributes, text));

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  /** Numbers with real minus signs. */
  const minus = (text) => String(text).replaceAll("-", "\u2212");

  /** A sentence with its places filled: fill("{a} of {b}", { a: 1, b: 2 }). */
  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  // What wakes a figure, until it comes near the screen: a slow phone does nothing for the others.
  const asleep = new Map();
  const near = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        asleep.get(target)();
      }
    },
    { rootMargin: "100% 0px" },
  );

  /**
   * Wake every figure of a kind in time: build(root, data) gets the box and its JSON. What stood there
   * before stays for paper.
   */
  function figure(name, build) {
    for (const root of document.querySelectorAll(`.live-figure[data-figure="${name}"]`)) {
      if (asleep.has(root)) continue; // a page with two figures loads a script twice
      asleep.set(root, () => {
        const text = root.querySelector('script[type="application/json"]').textContent;
        build(root, JSON.parse(text));
        root.classList.add("live");
      });
      near.observe(root);
    }
  }

  /**
   * A slider over a list of values. Its words go to the label and to a screen reader.
   * Returns { value, index, input, set }; calls `change` whenever it is moved.
   */
  function slider(parent, { id, label, values, start = 0, format = String, change }) {
    const box = html(parent, "div", { class: "live-control" });
    const name = html(box, "label", { for: id }, `${label}: `);
    const shown = html(name, "output", { for: id });
    const input = html(box, "input", { id, type: "range", min: 0, max: values.length - 1, step: 1 });
    input.value = start;
    const control = {
      input,
      get index() {
        return Number(input.value);
      },
      get value() {
        return values[control.index];
      },
      /** Put it to a place; `change` is not called. */
      set(index) {
        input.value = index;
        tell();
      },
    };
    const tell = () => {
      const words = minus(format(control.value));
      shown.textContent = words;
      input.setAttribute("aria-valuetext", words);
    };
    tell();
    input.addEventListener("input", () => {
      tell();
      change();
    });
    return control;
  }

  /**
   * Radio buttons or checkboxes: options is a list of { value, label, colour?, dash? }, the last
   * two as the lines of this option are drawn.
   * Returns { values, value }; calls `change` whenever one is switched.
   */
  function choice(parent, { name, legend, options, chosen, many = false, change }) {
    const box = html(parent, "fieldset", { class: "live-control live-choice" });
    html(box, "legend", {}, legend);
    const inputs = options.map((option) => {
      const label = html(box, "label");
      const input = html(label, "input", { type: many ? "checkbox" : "radio", name, value: option.value });
      input.checked = chosen.includes(option.value);
      input.addEventListener("change", change);
      if (option.colour) {
        const key = svg(label, "svg", { class: `live-key live-c${option.colour}`, viewBox: "0 0 26 4", "aria-hidden": "true" });
        svg(key, "line", { class: "live-line", x1: 0, x2: 26, y1: 2, y2: 2, "stroke-dasharray": option.dash ?? "none" });
      }
      html(label, "span", {}, option.label);
      return input;
    });
    return {
      inputs,
      get values() {
        return inputs.filter((input) => input.checked).map((input) => input.value);
      },
      get value() {
        return this.values[0];
      },
    };
  }

  /** A list to choose one of: options is a list of { value, label }. Returns the element. */
  function select(parent, { id, label, options, change }) {
    const box = html(parent, "div", { class: "live-control" });
    html(box, "label", { for: id }, label);
    const list = html(box, "select", { id, class: "live-select" });
    for (const { value, label } of options) html(list, "option", { value }, label);
    list.addEventListener("change", change);
    return list;
  }

  /** A button; `press` is called when it is used. */
  function button(parent, label, press) {
    const element = html(parent, "button", { type: "button", class: "live-button" }, label);
    element.addEventListener("click", press);
    return element;
  }

  /**
   * A button that calls `tick` again and again until it returns false, or until it is pressed once
   * more. On the way the sentence is not read out, only where it ends: steps come faster than speech.
   * Returns { stop }, to be called when anything else is used.
   */
  function player(parent, { play, pause, every, state, tick }) {
    let timer = 0;
    const stop = () => {
      if (!timer) return;
      clearInterval(timer);
      timer = 0;
      element.textContent = play;
      state.setAttribute("aria-live", "polite");
      state.textContent = state.textContent;
    };
    const element = button(parent, play, () => {
      if (timer) return stop();
      state.setAttribute("aria-live", "off");
      element.textContent = pause;
      const go = () => tick() || stop();
      timer = setInterval(go, every);
      go();
    });
    return { stop };
  }

  /** The place for panels: side by side where there is room. */
  const panels = (root) => html(root, "div", { class: "live-panels" });

  /**
   * A drawing with axes. x and y are { range: [low, high], ticks, label, log, format }; where
   * `ticks` is left out there are none. Places far outside are drawn at the edge of a wide margin:
   * a huge coordinate upsets the renderer.
   * Returns { svg, x(v), y(v), under(event), layer(), line(values, attributes), dots(values, attributes) }.
   */
  function panel(parent, { title, width = 320, height = 220, x, y, equal = false }) {
    const box = html(parent, "div", { class: "live-panel" });
    html(box, "p", { class: "live-title" }, title);
    const drawing = svg(box, "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const left = y.ticks ? 48 : 8;
    const bottom = x.ticks ? (x.label ? 40 : 24) : 8;
    const inside = { left, right: width - 10, top: 10, bottom: height - bottom };
    const clip = `clip-${Math.random().toString(36).slice(2)}`;
    const hole = svg(svg(drawing, "defs"), "clipPath", { id: clip });
    svg(hole, "rect", {
      x: inside.left, y: inside.top, width: inside.right - inside.left, height: inside.bottom - inside.top,
    });

    function scale({ range: [low, high], log }, from, to) {
      const at = log ? (v) => Math.log10(Math.max(v, 1e-300)) : (v) => v;
      const place = (v) => {
        const share = (at(v) - at(low)) / (at(high) - at(low));
        return from + clamp(Number.isFinite(share) ? share : 20, -20, 20) * (to - from);
      };
      /** The number at a place inside the drawing. */
      place.back = (pixel) => {
        const share = clamp((pixel - from) / (to - from), 0, 1);
        const value = at(low) + share * (at(high) - at(low));
        return log ? 10 ** value : value;
      };
      return place;
    }
    const px = scale(x, inside.left, inside.right);
    const py = scale(y, inside.bottom, inside.top);

    const grid = svg(drawing, "g");
    const tell = (axis) => axis.format ?? ((v) => minus(v));
    for (const v of y.ticks ?? []) {
      svg(grid, "line", { class: "live-grid", x1: inside.left, x2: inside.right, y1: py(v), y2: py(v) });
      label(grid, tell(y)(v), { x: inside.left - 6, y: py(v) + 4, "text-anchor": "end" });
    }
    for (const v of x.ticks ?? []) {
      svg(grid, "line", { class: "live-tick", x1: px(v), x2: px(v), y1: inside.bottom, y2: inside.bottom + 5 });
      // At the right edge a number in the middle of its tick would be cut off.
      const room = width - px(v) > 4 * String(tell(x)(v)).length;
      const place = room ? { x: px(v), "text-anchor": "middle" } : { x: width, "text-anchor": "end" };
      label(grid, tell(x)(v), { ...place, y: inside.bottom + 18 });
    }
    if (x.label) {
      label(grid, x.label, { x: (inside.left + inside.right) / 2, y: height - 4, "text-anchor": "middle" });
    }
    if (y.ticks || x.ticks) {
      svg(grid, "line", { class: "live-axis", x1: inside.left, x2: inside.left, y1: inside.top, y2: inside.bottom });
      svg(grid, "line", { class: "live-axis", x1: inside.left, x2: inside.right, y1: inside.bottom, y2: inside.bottom });
    }

    /** Where a pointer is, in the units of the axes. */
    function under(event) {
      const box = drawing.getBoundingClientRect();
      const across = ((event.clientX - box.left) * width) / box.width;
      const down = ((event.clientY - box.top) * width) / box.width;
      return [px.back(across), py.back(down)];
    }

    const layer = () => svg(drawing, "g", { "clip-path": `url(#${clip})` });
    const place = ([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`;
    return {
      svg: drawing,
      inside,
      x: px,
      y: py,
      under,
      layer,
      /** A line through points [[x, y], ...]. */
      line: (parent, points, attributes = {}) =>
        svg(parent, "polyline", { class: "live-line", points: points.map(place).join(" "), ...attributes }),
      /** Dots at points [[x, y], ...]. */
      dots: (parent, points, attributes = {}) =>
        points.map(([a, b]) =>
          svg(parent, "circle", { class: "live-dot", cx: px(a).toFixed(1), cy: py(b).toFixed(1), r: 2.6, ...attributes }),
        ),
      /** Many small dots as one element: a browser takes its time for each. */
      trail: (parent, points, attributes = {}) =>
        svg(parent, "path", { class: "live-trail", d: points.map((point) => `M${place(point)}h0`).join(""), ...attributes }),
    };
  }

  /**
   * A place in a panel that finger and mouse can drag. `move` gets the place in the units of the
   * axes; sliders beside the drawing are for whoever has a keyboard, or see `grip`.
   * Returns { handle, put([x, y]) }.
   */
  function draggable(panel, move) {
    // One element for good: what a finger holds must not be replaced under it.
    const handle = svg(panel.svg, "circle", { class: "live-handle", r: 24 });
    let held = false;
    handle.addEventListener("pointerdown", (event) => {
      held = true;
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus({ preventScroll: true });
    });
    handle.addEventListener("pointermove", (event) => held && move(panel.under(event)));
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => (held = false));
    return {
      handle,
      put([a, b]) {
        handle.setAttribute("cx", panel.x(a).toFixed(1));
        handle.setAttribute("cy", panel.y(b).toFixed(1));
      },
    };
  }

  /** Text in a drawing; "10^-3" gets a raised exponent. */
  function label(parent, text, attributes) {
    const [base, exponent] = String(text).split("^");
    const element = svg(parent, "text", attributes, minus(base));
    if (exponent !== undefined) svg(element, "tspan", { dy: -5, "font-size": "9px" }, minus(exponent));
    return element;
  }

  /** What the lines of a drawing are: entries are { label, colour, dash?, ... }, in a row below it. */
  function legend(parent, entries) {
    const row = html(parent, "p", { class: "live-legend" });
    for (const { label, colour, dash = "none", ...attributes } of entries) {
      const entry = html(row, "span");
      const drawn = svg(entry, "svg", { class: `live-key live-c${colour}`, viewBox: "0 0 26 4", "aria-hidden": "true" });
      svg(drawn, "line", { class: "live-line", x1: 0, x2: 26, y1: 2, y2: 2, "stroke-dasharray": dash, ...attributes });
      html(entry, "span", {}, label);
    }
  }

  /**
   * A riddle in rounds: each has one right answer, every choice is answered in words, and the first
   * try counts. Rounds are { answer, feedback: { choice: sentence }, told, alike? }; a choice in
   * `alike` is no miss. `order()` gives their numbers in the order of a game, `parts` are gone when
   * it is over. Calls `show(round)` for each one, and `answered(round, { chosen, first })` after a
   * choice or after "Tell me": `first` where the answer has just come out.
   */
  function quiz({ head, side, words, names, rounds, order, parts, show, answered }) {
    const choices = Object.keys(names);
    const progress = html(head, "p", { class: "live-progress", tabindex: -1 });
    head.prepend(progress);
    const group = html(side, "div", { class: "live-row live-quiz", role: "group", "aria-label": words.question });
    const buttons = choices.map((name) => button(group, names[name], () => answer(name)));
    const said = state(side);
    const foot = html(side, "div", { class: "live-row" });
    const tell = button(foot, words.tell, () => { asked.told = true; settle(round().told); });
    const next = button(foot, words.next, () => { game.at += 1; ask(); progress.focus(); });
    const again = button(foot, words.again, () => { begin(); progress.focus(); });
    let game = { order: [] }; // and where it is, how many were found, which were missed
    let asked = {}; // of this round: the wrong answers so far, whether it was told, whether it is out

    const round = () => rounds[game.order[game.at]];
    const mark = (name, sign) => (buttons[choices.indexOf(name)].textContent = `${sign} ${names[name]}`);

    function begin() {
      game = { order: order(game.order), at: 0, found: 0, missed: [] };
      ask();
    }

    /** The round whose turn it is, or the result. */
    function ask() {
      asked = { wrong: [] };
      said.textContent = "";
      const over = game.at === game.order.length;
      for (const part of [...parts, group]) part.hidden = over;
      again.hidden = !over;
      tell.hidden = over;
      next.hidden = true;
      for (const [i, element] of buttons.entries()) element.textContent = names[choices[i]];
      if (over) return finish();
      next.textContent = game.at === game.order.length - 1 ? words.results : words.next;
      progress.textContent = fill(game.at ? words.progress : words.first, {
        number: game.at + 1, all: game.order.length, found: game.found, answered: game.at,
      });
      show(round());
    }

    function finish() {
      const { found, missed } = game;
      progress.textContent = fill(words.result, { found, all: game.order.length });
      const list = missed.map(([name, chosen]) =>
        fill(chosen ? words.pair : words.told, { true: names[name], chosen: names[chosen] }));
      said.textContent = list.length ? fill(words.missed, { list: [...new Set(list)].join(", ") }) : words.all_found;
    }

    function answer(name) {
      if (name === round().answer) return settle(round().feedback[name]);
      const alike = round().alike?.includes(name);
      mark(name, alike ? "≈" : "✗");
      if (!asked.out && !alike) asked.wrong.push(name);
      said.textContent = round().feedback[name];
      answered(round(), { chosen: name, first: false });
    }

    /** The answer is out: say it, and count it once. */
    function settle(text) {
      const first = !asked.out;
      said.textContent = text;
      if (first) {
        asked.out = true;
        if (asked.told || asked.wrong.length) game.missed.push([round().answer, asked.wrong[0]]);
        else game.found += 1;
      }
      mark(round().answer, "✓");
      next.hidden = false;
      tell.hidden = true;
      // A button that is gone would leave the keyboard nowhere.
      if (document.activeElement === tell || document.activeElement === document.body) next.focus();
      answered(round(), { chosen: round().answer, first });
    }

    return { begin };
  }

  /**
   * A place on a panel that is dragged, tapped to, or moved by the arrow keys. `move([a, b])` gets
   * the place wished for, in the panel's numbers; the figure decides, draws, and says where it is by
   * `set([a, b], words)`. keys: by how much an arrow moves it, [across, up], or a function of the place.
   */
  function grip(panel, { label, at, words, keys, move }) {
    const { handle, put } = draggable(panel, move);
    const facts = {
      tabindex: 0, role: "slider", "aria-label": label,
      "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 50,
    };
    for (const [name, value] of Object.entries(facts)) handle.setAttribute(name, value);
    for (const part of panel.svg.children) if (part !== handle) part.setAttribute("aria-hidden", "true");
    panel.svg.removeAttribute("aria-hidden");
    panel.svg.setAttribute("role", "group");
    panel.svg.setAttribute("aria-label", label);
    let here = at;
    function set(place, text) {
      here = place;
      put(place);
      handle.setAttribute("aria-valuetext", text);
    }
    set(at, words);
    handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const [across, up] = typeof keys === "function" ? keys(here, way) : [here[0] + way[0] * keys[0], here[1] + way[1] * keys[1]];
      move([across, up]);
    });
    // A tap elsewhere on the drawing brings it there; a swipe scrolls.
    panel.svg.addEventListener("click", (event) => event.target !== handle && move(panel.under(event)));
    return { set };
  }

  /** The height lines of 1/2 (a u^2 + b v^2), as ellipses of a panel. */
  function rings(panel, parent, [a, b], levels) {
    for (const level of levels) {
      svg(parent, "ellipse", {
        class: "live-ring",
        cx: panel.x(0), cy: panel.y(0),
        rx: panel.x(Math.sqrt((2 * level) / a)) - panel.x(0),
        ry: panel.y(0) - panel.y(Math.sqrt((2 * level) / b)),
      });
    }
  }

  /** The sentence that says what is to be seen; a screen reader reads it out when it changes. */
  const state = (root) => html(root, "p", { class: "live-state", "aria-live": "polite" });

  return { svg, html, clamp, minus, fill, figure, slider, choice, select, button, player, panels, panel, draggable, label, legend, quiz, grip, rings, state };
})();
