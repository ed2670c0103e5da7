// Chapter 8's interactive figure. It draws runs that were made when the page was built, asks what is
// wrong with each, and computes nothing but the score.
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
