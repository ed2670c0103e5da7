// Chapter 8's interactive figures: two students' runs, and curves of which it is asked what is wrong.
// All runs were made when the page was built; nothing is computed here but the score.
course.figure("experiments-students", (root, data) => {
  const { words, forms, looks, curves } = data;
  const rates = data.lr.values;
  const epochs = curves[0].middle.length - 1;
  const loss = { range: [0.008, 4], log: true, ticks: [0.01, 0.1, 1], format: String };

  const held = course.html(root, "div", { class: "live-held" });
  const row = course.panels(held);
  const fall = course.panel(row, {
    title: words.fall, height: 145, y: loss,
    x: { range: [0, epochs], ticks: [0, 5, 10, 15, 20], label: words.epoch },
  });
  const ends = course.panel(row, {
    title: words.ends, height: 145, y: loss,
    x: { range: [0.85 * rates[0], 1.18 * rates.at(-1)], log: true, ticks: [0.001, 0.01, 0.1], format: String, label: words.lr },
  });
  const layers = [fall.layer(), ends.layer()];
  course.legend(held, forms.map((form) => ({ label: words.forms[form], ...looks[form], style: style(form) })));
  const state = course.state(held);

  const slider = (name) =>
    course.slider(root, { id: `live-students-${name}`, label: words[name], ...data[name], change: draw });
  const [lr, beta] = [slider("lr"), slider("beta")];
  const same = course.choice(root, {
    name: "live-students-same", legend: words.same, chosen: [data.same.start], change: draw,
    options: data.same.values.map((value) => ({ value, label: words.options[value] })),
  });

  function style(form) {
    return `stroke-width: ${looks[form].width}px`;
  }

  // What is no number has left the drawing at the top.
  const height = (value) => value ?? Infinity;
  const points = (values) => values.map((value, epoch) => [epoch, height(value)]);

  function draw() {
    const all = data.settings[same.value][beta.index];
    const now = all[lr.index];
    for (const layer of layers) layer.replaceChildren();
    const at = ends.x(lr.value);
    course.svg(layers[1], "line", { class: "live-grid", x1: at, x2: at, y1: ends.inside.top, y2: ends.inside.bottom });
    forms.forEach((form, i) => {
      const [left, right] = layers.map((layer) => course.svg(layer, "g", { class: `live-c${looks[form].colour}` }));
      const { low, middle, high } = curves[now.lines[i]];
      const line = { "stroke-dasharray": looks[form].dash, style: style(form) };
      fall.line(left, [...points(high), ...points(low).reverse()], { class: "live-band" });
      fall.line(left, points(middle), line);
      const last = ({ lines }) => height(curves[lines[i]].middle.at(-1));
      ends.line(right, all.map((setting, j) => [rates[j], last(setting)]), line);
      ends.dots(right, [[lr.value, last(now)]], { r: 4.5 - i });
    });
    state.textContent = now.state;
  }
  draw();
});

course.figure("experiments-curves", (root, data) => {
  const words = data.words;
  const { fill } = course;
  // Each of a look's lines: its word, its colour, its dashes.
  const lines = {
    loss: [["train", 1, "none"], ["test", 2, "7 3"]],
    accuracy: [["train", 1, "none"], ["test", 2, "7 3"]],
    batches: [["batch", 1, "none"]],
    gradient: [["handed", 3, "none"], ["own", 6, "2 3"]],
    silent: [["silent", 3, "none"]],
  };
  let run = null; // whose turn it is
  let suspect = ""; // the fault whose run is shown beside it

  const tall = course.html(root, "div", { class: "live-tall" });
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
  const game = course.quiz({
    head: tall,
    side,
    words,
    names: data.names,
    rounds: data.runs.map((one) => ({ ...one, answer: one.fault })),
    order: shuffled,
    parts: [drawing, look.parentElement, closer, told, about],
    show(round) {
      [run, suspect, look.value] = [round, "", ""];
      about.textContent = `${run.about} `;
      course.html(about, "span", { class: "live-numbers" }, run.curve);
      draw();
    },
    answered(_, { chosen, first }) {
      suspect = chosen === run.fault ? "" : chosen;
      if (first) look.value ||= data.decides[run.fault]; // the look that decides
      draw();
    },
  });

  const beside = () => data.runs.find(({ setup, fault }) => setup === run.setup && fault === suspect);

  /** All runs in a new order; the last one of before does not come first. */
  function shuffled(before) {
    const order = data.runs.map((_, i) => i);
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    if (order[0] === before.at(-1)) order.push(order.shift());
    return order;
  }

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
    const [own, other] = [of(run), suspect ? of(beside()) : []];
    const updates = ["batches", "gradient"].includes(kind);
    const shares = ["accuracy", "silent"].includes(kind);
    const last = own[0].length - (updates ? 0 : 1);
    const epochs = updates ? last / run.an_epoch : last;
    const marks = Array.from({ length: epochs + 1 }, (_, i) => i);
    const each = updates ? run.an_epoch : 1;
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
      panel.dots(layer, [[0, run.train[0]]], { r: 3.6 });
    }
    const legend = [];
    const thin = { style: "stroke-width: 1.2px" };
    const behind = course.svg(layer, "g", { class: "live-c4 live-suspect" });
    for (const [i, [word, colour, dash]] of lines[kind].entries()) {
      const first = updates ? 0.5 : 0;
      if (other.length) panel.line(behind, places(other[i] ?? other[0], first), { ...thin, "stroke-dasharray": dash });
      const group = course.svg(layer, "g", { class: `live-c${colour}` });
      panel.line(group, places(own[i] ?? own[0], first), { "stroke-dasharray": dash });
      legend.push({ label: words[word], colour, dash });
    }
    if (kind === "loss") legend.push({ label: words.guess, colour: 5, ...guessing });
    if (other.length) legend.push({ label: fill(words.suspect, { name: data.names[suspect] }), colour: 4, ...thin });
    course.legend(parent, legend);
  }

  function draw() {
    plot(drawing, "loss", 215);
    closer.replaceChildren();
    told.textContent = look.value ? run.looks[look.value] : "";
    if (look.value) plot(closer, look.value, 165);
  }

  game.begin();
});
