// Predictions: a choice, a number or a sketch first, then the result unfolds. Without this script every
// choice and the result are folds that the browser opens itself. Nothing that is answered leaves the page.
// All words come from the page (data-words, written by book/_ext/predict.py).
(() => {
  const make = (parent, name, attributes = {}, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return parent.appendChild(element);
  };
  const SIGNS = { right: "\u2713", wrong: "\u2717" };

  /** Open the fold below a box. */
  function unfold(box) {
    const fold = box.nextElementSibling;
    if (fold?.matches("details.reveal")) fold.open = true;
  }

  /** Say right or not, by a sign and a word, and then a sentence; screen readers read it out. */
  function tell(place, verdict, word, sentence) {
    place.replaceChildren();
    const answer = make(place, "div", { class: "predict-answer" });
    const line = make(answer, "p", { class: "predict-verdict", "data-verdict": verdict });
    make(line, "span", { "aria-hidden": "true" }, `${SIGNS[verdict]} `);
    line.append(word);
    make(answer, "p", {}, sentence);
  }

  /** Put values into a sentence: fill("It is {truth}.", { truth: "3" }). */
  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  const RAISED = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b";

  /** A number in two digits, as the page writes numbers: 26, 1,300, 6 × 10⁻¹¹. */
  function show(value) {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    if (value !== 0 && (exponent < -3 || exponent > 5)) {
      const raised = [...String(Number(exponent))].map((c) => RAISED["0123456789-".indexOf(c)]).join("");
      return `${mantissa.replace(".0", "").replace("-", "\u2212")}\u00a0×\u00a010${raised}`;
    }
    return Number(value.toPrecision(2)).toLocaleString("en", { maximumFractionDigits: 6 }).replace("-", "\u2212");
  }

  /** Read the first number of a text, however it is written; give it and what stands behind it. */
  function read(text) {
    const plain = text
      .replace(new RegExp(`[${RAISED}]+`, "g"), (raised) => `^${[...raised].map((c) => "0123456789-"[RAISED.indexOf(c)]).join("")}`)
      .replace(/[\u2212\u2013]/g, "-")
      .replace(/\s/g, "")
      .replace(/[×·*x]10(?:\^|\*\*)/i, "e")
      .replace(/(^|[^\d.])10(?:\^|\*\*)/, "$11e");
    const [, digits, power, rest] = /([+-]?(?:\d[\d,]*(?:\.\d*)?|\.\d+))(e[+-]?\d+)?(.*)/i.exec(plain) ?? [];
    if (digits === undefined) return { value: NaN, rest: "" };
    // 13,002 has a thousands comma; 0,5 and 12,5 have a decimal one.
    const thousands = /^[+-]?[1-9]\d{0,2}(,\d{3})+(\.|$)/.test(digits);
    return { value: Number(digits.replace(/,/g, thousands ? "" : ".") + (power ?? "")), rest };
  }

  /** Make buttons of the choices. An answer keeps its place, so that paper has all of them. */
  function choices(box, words) {
    const options = [...box.querySelectorAll("details.predict-choice")].map((fold) => {
      const verdict = fold.dataset.verdict;
      const answer = fold.querySelector(".predict-answer");
      const choice = document.createElement("div");
      choice.className = "predict-choice";
      choice.dataset.verdict = verdict;
      const button = make(choice, "button", { type: "button", class: "predict-option", "aria-pressed": fold.open });
      make(button, "span").append(...fold.querySelector("summary").childNodes);
      const sign = make(button, "span", { class: "predict-sign" });
      make(choice, "div", { "aria-live": "polite" }).append(answer);
      answer.toggleAttribute("data-waits", !fold.open);
      fold.replaceWith(choice);
      button.addEventListener("click", () => {
        for (const other of options) {
          other.button.setAttribute("aria-pressed", other.button === button);
          other.answer.toggleAttribute("data-waits", other.button !== button);
        }
        if (!sign.hasChildNodes()) {
          make(sign, "span", { "aria-hidden": "true" }, SIGNS[verdict]);
          make(sign, "span", { class: "visually-hidden" }, words[verdict]);
        }
        unfold(box);
      });
      return { button, answer };
    });
  }

  /** Say how far off a number is: which sentence, and what to put into it. */
  function distance(said, truth) {
    const times = said === 0 ? 0 : truth / said;
    if (times >= 2) return [Number.isInteger(truth) ? "times_as_many" : "times_as_large", { times: show(times) }];
    if (times > 0 && times <= 0.5) return ["times_too_large", { times: show(1 / times) }];
    const way = said > truth ? "too_high" : "too_low";
    return times > 0 ? [`percent_${way}`, { percent: show(100 * Math.abs(said / truth - 1)) }] : [way, {}];
  }

  function isRight(said, truth, { within, factor }) {
    if (factor === undefined) return Math.abs(said - truth) <= Number(within) * Math.abs(truth) * (1 + 1e-9);
    return said === truth || Math.max(said / truth, truth / said) <= Number(factor) * (1 + 1e-9);
  }

  /** Make a field of a number. The truth keeps its place, for paper. */
  function number(box, words) {
    const fold = box.querySelector("details.predict-number");
    const answer = fold.querySelector(".predict-answer");
    const unit = answer.querySelector(".predict-unit")?.textContent.trim() ?? "";
    const shown = answer.textContent.trim().replace(/\s*\n\s*/g, "\u00a0");
    const truth = read(shown).value;
    if (Number.isNaN(truth)) return; // it stays a fold

    const form = document.createElement("form");
    form.className = "predict-field";
    form.noValidate = true;
    make(form, "label", { for: fold.dataset.field }).append(...fold.querySelector("summary").childNodes);
    const input = make(form, "input", { id: fold.dataset.field, type: "text", autocomplete: "off" });
    // A phone's pad of digits has no minus sign and no e.
    if (truth >= 0.01 && truth < 1e7) input.inputMode = "decimal";
    if (unit) make(form, "span", {}, unit);
    make(form, "button", { type: "submit", class: "predict-button" }, words.check);
    const says = document.createElement("div");
    says.setAttribute("aria-live", "polite");
    answer.setAttribute("data-waits", "");
    fold.replaceWith(form, says, answer);

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { value: said, rest } = read(input.value);
      const known = rest === "" || `${unit} ${shown}`.replace(/\s/g, "").includes(rest);
      const understood = Number.isFinite(said) && known;
      input.setAttribute("aria-invalid", !understood);
      if (!understood) {
        says.replaceChildren();
        make(says, "p", {}, words.no_number);
        return;
      }
      const verdict = isRight(said, truth, fold.dataset) ? "right" : "wrong";
      const [far, values] = distance(said, truth);
      const key = said === truth ? "exact" : verdict === "right" ? "near" : far;
      tell(says, verdict, words[verdict], fill(words[key], { said: input.value.trim(), truth: shown, ...values }));
      unfold(box);
    });
  }

  const KNOTS = 7;
  const CLOSE = 0.08; // of the height of the drawing, on average

  /** Make a drawing of a sketch: a line through knots, each a slider; the curve comes on demand. */
  function sketch(box, words) {
    const root = box.querySelector(".predict-sketch");
    const source = document.querySelector(`script.sketch-curve[data-name="${CSS.escape(root.dataset.curve)}"]`);
    if (!source) return;
    const { x, y, xlabel, ylabel, xticks, yticks, yrange, ylog } = JSON.parse(source.textContent);
    const { svg, panel, clamp } = globalThis.course;
    const tick = (v) => (ylog && Number.isInteger(Math.log10(v)) ? `10^${Math.log10(v)}` : show(v));

    make(root, "p", { class: "predict-hint" }, words.draw);
    const drawing = make(root, "div", { class: "predict-drawing" });
    const axes = panel(drawing, {
      title: ylabel, height: 240,
      x: { range: [x[0], x.at(-1)], ticks: xticks, label: xlabel, format: show },
      y: { range: yrange, ticks: yticks, log: ylog, format: tick },
    });
    const { left, right, top, bottom } = axes.inside;
    for (const part of axes.svg.children) part.setAttribute("aria-hidden", "true");
    axes.svg.removeAttribute("aria-hidden");
    axes.svg.setAttribute("role", "group");
    axes.svg.setAttribute("aria-label", root.querySelector(".predict-label").textContent);

    // A height is a share of the drawing's: 0 at its foot, 1 at its top.
    const [low, high] = yrange.map((v) => (ylog ? Math.log10(v) : v));
    const value = (share) => (ylog ? 10 ** (low + share * (high - low)) : low + share * (high - low));
    const share = (v) => ((ylog ? Math.log10(v) : v) - low) / (high - low);
    const heights = y.map(share);

    const nearest = (place) => x.reduce((best, v, i) => (Math.abs(v - place) < Math.abs(x[best] - place) ? i : best), 0);
    const places = Array.from({ length: KNOTS }, (_, k) => nearest(x[0] + (k / (KNOTS - 1)) * (x.at(-1) - x[0])));
    // Not to be seen before the result is: by the button, by "Show me", or on paper.
    const truthLine = svg(axes.svg, "g", { class: "predict-curve", "aria-hidden": "true" });
    axes.line(truthLine, x.map((v, i) => [v, y[i]]));
    const line = svg(axes.svg, "polyline", { class: "predict-own", "aria-hidden": "true" });
    let shown = false;

    const knots = [...new Set(places)].map((i) => {
      const handle = svg(axes.svg, "g", {
        class: "predict-knot", role: "slider", tabindex: 0, "aria-orientation": "vertical",
        "aria-valuemin": 0, "aria-valuemax": 100,
        "aria-label": fill(words.place, { y: ylabel, x: xlabel, value: show(x[i]) }),
      });
      svg(handle, "circle", { class: "predict-target", r: 20 });
      svg(handle, "circle", { r: 6 });
      const knot = { handle, at: axes.x(x[i]), x: x[i], height: 0.5 };
      handle.addEventListener("keydown", (event) => {
        const step = {
          ArrowUp: 0.025, ArrowRight: 0.025, ArrowDown: -0.025, ArrowLeft: -0.025,
          PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1,
        }[event.key];
        if (step === undefined || shown) return;
        event.preventDefault();
        knot.height = clamp(knot.height + step, 0, 1);
        draw();
      });
      return knot;
    });

    function draw() {
      const up = (knot) => bottom - knot.height * (bottom - top);
      for (const knot of knots) {
        knot.handle.setAttribute("transform", `translate(${knot.at.toFixed(1)} ${up(knot).toFixed(1)})`);
        knot.handle.setAttribute("aria-valuenow", Math.round(100 * knot.height));
        knot.handle.setAttribute("aria-valuetext", show(value(knot.height)));
      }
      line.setAttribute("points", knots.map((knot) => `${knot.at.toFixed(1)},${up(knot).toFixed(1)}`).join(" "));
    }
    draw();

    // A finger or a mouse draws from where it was to where it is.
    let pen = null;
    let passed = new Set();
    function follow(event) {
      const { x: at, y: down } = new DOMPoint(event.clientX, event.clientY).matrixTransform(axes.svg.getScreenCTM().inverse());
      const next = { at: clamp(at, left, right), height: clamp((bottom - down) / (bottom - top), 0, 1) };
      const from = pen ?? next;
      for (const knot of knots) {
        const way = (knot.at - from.at) / (next.at - from.at);
        if (!(way >= 0 && way <= 1)) continue;
        knot.height = from.height + way * (next.height - from.height);
        passed.add(knot);
      }
      pen = next;
      take();
    }
    /** The nearest knot comes along, until the stroke has gone through it. */
    function take() {
      const far = (knot) => Math.abs(knot.at - pen.at);
      const near = knots.reduce((best, knot) => (far(knot) < far(best) ? knot : best));
      if (!passed.has(near)) near.height = pen.height;
      draw();
    }
    axes.svg.addEventListener("pointerdown", (event) => {
      if (shown) return;
      axes.svg.setPointerCapture(event.pointerId);
      passed = new Set();
      follow(event);
    });
    axes.svg.addEventListener("pointermove", (event) => pen && follow(event));
    for (const name of ["pointerup", "pointercancel"]) axes.svg.addEventListener(name, () => (pen = null));

    const legend = make(root, "p", { class: "predict-legend" });
    function key(name, word, when = "") {
      const entry = make(legend, "span", { class: when });
      const sample = svg(entry, "svg", { viewBox: "0 0 26 4", "aria-hidden": "true" });
      svg(sample, "polyline", { class: name, points: "0,2 26,2" });
      make(entry, "span", {}, word);
    }
    key("predict-own", words.yours);
    key("live-line", words.curve, "predict-curve");
    const button = make(root, "button", { type: "button", class: "predict-button" }, words.show_curve);
    const says = make(root, "div", { "aria-live": "polite" });

    /** The height of the sketch at a place between two knots. */
    function own(place) {
      const k = Math.max(1, knots.findIndex((knot) => knot.x >= place));
      const [a, b] = [knots[k - 1], knots[k]];
      return a.height + ((place - a.x) / (b.x - a.x)) * (b.height - a.height);
    }

    button.addEventListener("click", () => {
      if (shown) return;
      shown = true;
      root.classList.add("shown");
      button.setAttribute("aria-disabled", "true");
      for (const { handle } of knots) handle.setAttribute("aria-disabled", "true");
      const gaps = x.map((v, i) => Math.abs(own(v) - heights[i]));
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      const worst = gaps.indexOf(Math.max(...gaps));
      const off = mean * (high - low);
      const far = fill(ylog ? words.off_factor : words.off, { mean: show(ylog ? 10 ** off : off) });
      const where = fill(words.worst, { x: xlabel, value: show(x[worst]), said: show(value(own(x[worst]))), truth: show(y[worst]) });
      const verdict = mean <= CLOSE ? "right" : "wrong";
      tell(says, verdict, verdict === "right" ? words.close : words.wrong, `${far} ${where}`);
      unfold(box);
    });
  }

  function wake(box) {
    const words = JSON.parse(box.dataset.words);
    if (box.querySelector(".predict-number")) number(box, words);
    else if (box.querySelector(".predict-sketch")) sketch(box, words);
    else choices(box, words);
    box.classList.add("predict-live");
  }

  /** Open every fold around an element; say whether one was closed. */
  function openAround(element) {
    let opened = false;
    for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      opened ||= !fold.open;
      fold.open = true;
    }
    return opened;
  }

  /** A link to something in a fold opens it. */
  function follow(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (target && openAround(target)) target.scrollIntoView();
  }

  /** Who comes from the search page finds what was searched for, in a fold too. */
  function openForSearch() {
    const from = document.referrer && new URL(document.referrer);
    if (!from || from.origin !== location.origin || !from.pathname.endsWith("/search.html")) return;
    const terms = (from.searchParams.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    for (const fold of document.querySelectorAll("details.reveal")) {
      const text = fold.textContent.toLowerCase();
      if (terms.length && terms.every((term) => text.includes(term))) openAround(fold.lastElementChild);
    }
  }

  window.addEventListener("hashchange", () => follow(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href*='#']");
    if (link && link.pathname === location.pathname) follow(link.hash);
  });

  // On paper everything is open; where the style sheet cannot do that, this does.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.reveal:not([open])")];
    for (const fold of closed) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });

  window.addEventListener("load", () => {
    follow(location.hash);
    openForSearch();
    // One after another, so that a slow phone can answer a thumb in between.
    const boxes = document.querySelectorAll(".predict-box").values();
    const next = () => {
      const { value, done } = boxes.next();
      if (done) return;
      wake(value);
      setTimeout(next);
    };
    next();
  });
})();
