// Chapter 8's interactive figure. It draws runs that were made when the page was built, asks what is
// wrong with each, and computes nothing but the score.
course.figure("experiments-curves", (root, data) => {
  const words = data.words;
  const faults = Object.keys(data.names);
  const fill = (text, values) =>
    Object.entries(values).reduce((made, [key, value]) => made.replaceAll(`{${key}}`, value), text);
  // Each of a look's lines: its word, its colour, its dashes.
  const lines = {
    loss: [["train", 1, "none"], ["test", 2, "7 3"]],
    accuracy: [["train", 1, "none"], ["test", 2, "7 3"]],
    batches: [["batch", 1, "none"]],
    gradient: [["handed", 3, "none"], ["own", 6, "2 3"]],
    silent: [["silent", 3, "none"]],
  };
  let round = { order: [], at: 0, found: 0, missed: [] };
  let asked = {}; // this curve: the answers that were tried, the one whose run is shown beside it

  const tall = course.html(root, "div", { class: "live-tall" });
  const progress = course.html(tall, "p", { class: "live-progress", tabindex: -1 });
  const drawing = course.html(tall, "div");
  const look = course.select(tall, {
    id: "live-curves-look",
    label: words.look,
    options: [{ value: "", label: words.nothing }, ...Object.entries(words.looks).map(([value, label]) => ({ value, label }))],
    change: draw,
  });
  const closer = course.html(tall, "div");
  const told = course.html(tall, "p", { class: "live-title", "aria-live": "polite" });

  const side = course.html(root, "div", { class: "live-side" });
  const about = course.html(side, "p", { class: "live-about", "aria-live": "polite" });
  const quiz = course.html(side, "div", { class: "live-row live-quiz", role: "group", "aria-label": words.question });
  const answers = faults.map((name) => course.button(quiz, data.names[name], () => answer(name)));
  const state = course.state(side);
  const foot = course.html(side, "div", { class: "live-row" });
  const tell = course.button(foot, words.tell, () => { asked.told = true; settle(run().told); });
  const next = course.button(foot, words.next, () => { round.at += 1; show(); progress.focus(); });
  const again = course.button(foot, words.again, () => { begin(); progress.focus(); });

  const run = () => data.runs[round.order[round.at]];
  const beside = () => data.runs.find(({ setup, fault }) => setup === run().setup && fault === asked.suspect);

  /** All runs in a new order; the last one of before does not come first. */
  function begin() {
    const last = round.order.at(-1);
    const order = data.runs.map((_, i) => i);
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    if (order[0] === last) order.push(order.shift());
    round = { order, at: 0, found: 0, missed: [] };
    show();
  }

  /** The curve whose turn it is, or the result. */
  function show() {
    asked = { wrong: [] };
    look.value = "";
    state.textContent = "";
    const over = round.at === round.order.length;
    for (const part of [drawing, look.parentElement, closer, told, about, quiz]) part.hidden = over;
    again.hidden = !over;
    tell.hidden = over;
    next.hidden = true;
    for (const [i, button] of answers.entries()) button.textContent = data.names[faults[i]];
    if (over) return finish();
    next.textContent = round.at === round.order.length - 1 ? words.results : words.next;
    progress.textContent = fill(round.at ? words.progress : words.first, {
      number: round.at + 1, all: round.order.length, found: round.found, answered: round.at,
    });
    about.textContent = `${run().about} `;
    course.html(about, "span", { class: "live-numbers" }, run().curve);
    draw();
  }

  function finish() {
    const { found, missed } = round;
    progress.textContent = fill(words.result, { found, all: round.order.length });
    const list = missed.map(([name, chosen]) =>
      fill(chosen ? words.pair : words.told, { true: data.names[name], chosen: data.names[chosen] }));
    state.textContent = list.length ? fill(words.missed, { list: [...new Set(list)].join(", ") }) : words.all_found;
  }

  function answer(name) {
    const right = name === run().fault;
    asked.suspect = right ? "" : name;
    mark(name, right ? "✓" : "✗");
    if (right) return settle(run().feedback[name]);
    if (!asked.done) asked.wrong.push(name);
    state.textContent = run().feedback[name];
    draw();
  }

  /** The answer is out: say it, count it once, and open the look that decides. */
  function settle(text) {
    asked.suspect = "";
    state.textContent = text;
    if (!asked.done) {
      asked.done = true;
      if (asked.told || asked.wrong.length) round.missed.push([run().fault, asked.wrong[0]]);
      else round.found += 1;
      look.value ||= data.decides[run().fault];
    }
    mark(run().fault, "✓");
    next.hidden = false;
    tell.hidden = true;
    // A button that is gone would leave the keyboard nowhere.
    if (document.activeElement === tell || document.activeElement === document.body) next.focus();
    draw();
  }

  const mark = (name, sign) => (answers[faults.indexOf(name)].textContent = `${sign} ${data.names[name]}`);

  /** Decades that hold all values, none of them far off; plain numbers where little happens. */
  function axis(values) {
    const seen = values.filter((v) => v > 0 && Number.isFinite(v));
    const [least, most] = [Math.min(...seen), Math.max(...seen)];
    if (least > 0.5 && most < 6) {
      const top = Math.ceil(most);
      return { range: [0, top], ticks: Array.from({ length: top + 1 }, (_, i) => i) };
    }
    const low = course.clamp(Math.floor(Math.log10(least)), -4, 0);
    const high = course.clamp(Math.ceil(Math.log10(most)), low + 1, 6);
    const step = high - low > 5 ? 2 : 1;
    const powers = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, i) => low + step * i);
    const format = (v) => (v < 0.01 || v > 1000 ? `10^${Math.round(Math.log10(v))}` : v);
    return { range: [10 ** low, 10 ** high], ticks: powers.map((p) => 10 ** p), log: true, format };
  }

  // What is no number has left the drawing at the top.
  const places = (values, first) => values.map((v, i) => [i + first, v ?? Infinity]);

  /** A panel with the lines of one kind, those of a suspect behind them, and a legend. */
  function plot(parent, kind, height) {
    parent.replaceChildren();
    const of = (one) => (kind === "loss" ? [one.train, one.test] : one[kind]);
    const [own, other] = [of(run()), asked.suspect ? of(beside()) : []];
    const updates = ["batches", "gradient"].includes(kind);
    const shares = ["accuracy", "silent"].includes(kind);
    const last = own[0].length - (updates ? 0 : 1);
    const epochs = updates ? last / run().an_epoch : last;
    const marks = Array.from({ length: epochs + 1 }, (_, i) => i);
    const each = updates ? run().an_epoch : 1;
    // A suspect's batches may leave the drawing: they would press a sawtooth flat.
    const y = shares ? { range: [-0.03, 1.03], ticks: [0, 0.5, 1] } : axis([...own, ...(kind === "batches" ? [] : other)].flat());
    const title = kind === "loss" ? words.title : words.look_titles[kind];
    const panel = course.panel(parent, {
      title: fill(title, { scale: y.log ? words.log : "" }),
      height,
      x: {
        range: [updates ? 0 : -0.4, last],
        ticks: marks.filter((i) => updates || i % 5 === 0).map((i) => i * each),
        format: (v) => v / each,
        label: words.epoch,
      },
      y,
    });
    const layer = panel.layer();
    const edges = panel.inside;
    if (updates) {
      for (const i of marks.slice(1)) {
        course.svg(layer, "line", { class: "live-grid", x1: panel.x(i * each), x2: panel.x(i * each), y1: edges.top, y2: edges.bottom });
      }
    }
    const guessing = { class: "live-axis", "stroke-dasharray": "1 4" };
    if (kind === "loss") {
      panel.line(layer, [[0, data.guess], [last, data.guess]], guessing);
      panel.dots(layer, [[0, run().train[0]]], { r: 3.6 });
    }
    const legend = course.html(parent, "p", { class: "live-legend" });
    const key = (label, colour, attributes) => {
      const entry = course.html(legend, "span");
      const drawn = course.svg(entry, "svg", { class: `live-key live-c${colour}`, viewBox: "0 0 26 4", "aria-hidden": "true" });
      course.svg(drawn, "line", { class: "live-line", x1: 0, x2: 26, y1: 2, y2: 2, ...attributes });
      course.html(entry, "span", {}, label);
    };
    const thin = { style: "stroke-width: 1.2px" };
    const behind = course.svg(layer, "g", { class: "live-c4 live-suspect" });
    for (const [i, [word, colour, dash]] of lines[kind].entries()) {
      const first = updates ? 0.5 : 0;
      if (other.length) panel.line(behind, places(other[i] ?? other[0], first), { ...thin, "stroke-dasharray": dash });
      const group = course.svg(layer, "g", { class: `live-c${colour}` });
      panel.line(group, places(own[i] ?? own[0], first), { "stroke-dasharray": dash });
      key(words[word], colour, { "stroke-dasharray": dash });
    }
    if (kind === "loss") key(words.guess, 5, guessing);
    if (other.length) key(fill(words.suspect, { name: data.names[asked.suspect] }), 4, thin);
  }

  function draw() {
    plot(drawing, "loss", 215);
    closer.replaceChildren();
    told.textContent = look.value ? run().looks[look.value] : "";
    if (look.value) plot(closer, look.value, 165);
  }

  begin();
});
