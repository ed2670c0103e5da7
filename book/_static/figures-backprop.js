// Chapter 6's interactive figures. The neuron's arithmetic is live, and a browser test holds it equal
// to the references; the graph draws what the references and the mistakes did when the page was built.
course.backprop = (() => {
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  const answers = { step: (z) => (z >= 0 ? 1 : 0), sigmoid, relu: (z) => Math.max(z, 0) };
  const slopes = {
    step: () => 0,
    sigmoid: (z) => sigmoid(z) * (1 - sigmoid(z)),
    relu: (z) => (z > 0 ? 1 : 0),
  };

  /** Half the mean squared error of a neuron with one input on points [[x, y], ...]. */
  const loss = (kind, w, b, points) =>
    points.reduce((sum, [x, y]) => sum + (answers[kind](w * x + b) - y) ** 2, 0) / (2 * points.length);

  /** Its derivatives by w and by b. */
  function gradient(kind, w, b, points) {
    let [dw, db] = [0, 0];
    for (const [x, y] of points) {
      const z = w * x + b;
      const delta = ((answers[kind](z) - y) * slopes[kind](z)) / points.length;
      dw += delta * x;
      db += delta;
    }
    return [dw, db];
  }

  /** The weights on the way down, start included; b stays. */
  function walk(kind, w, b, points, lr, steps) {
    const ws = [w];
    for (let t = 0; t < steps; t++) ws.push(ws[t] - lr * gradient(kind, ws[t], b, points)[0]);
    return ws;
  }

  return { answers, loss, gradient, walk };
})();

course.figure("backprop-neuron", (root, data) => {
  const words = data.words;
  const kinds = ["step", "sigmoid", "relu"];
  const colours = { step: 1, sigmoid: 2, relu: 3 };
  const dashes = { step: "none", sigmoid: "7 3", relu: "2 3" };
  const [low, high, top] = [-6, 4, 0.5];
  const short = (value) => course.minus(String(Number(value.toFixed(3)) || 0));

  const row = course.panels(root);
  const left = course.panel(row, {
    title: words.answers,
    height: 195,
    x: { range: [-1.5, 3.5], ticks: [-1, 0, 1, 2, 3], label: words.x_axis },
    y: { range: [-0.2, 1.6], ticks: [0, 1] },
  });
  const right = course.panel(row, {
    title: words.losses,
    height: 195,
    x: { range: [low, high], ticks: [-6, -4, -2, 0, 2, 4], label: words.w_axis },
    y: { range: [0, top], ticks: [0, 0.25, 0.5] },
  });
  const layers = [left, right].map((panel) => panel.layer());
  const rings = left.layer();
  left.dots(rings, data.points, { class: "live-start live-c5", r: 5 });

  const control = (name) =>
    course.slider(root, {
      id: `live-neuron-${name}`,
      label: words[name],
      values: data[name].values,
      start: data[name].start,
      change: moved,
    });
  const start = control("start");
  const bias = control("bias");
  const steps = control("steps");
  const state = course.state(root);
  const player = course.player(root, {
    play: words.play,
    pause: words.pause,
    every: 60,
    state,
    tick() {
      const last = data.steps.values.length - 1;
      to(started && steps.index < last ? steps.index + 1 : 0);
      started = true;
      if (steps.index < last) return true;
      started = false;
      return false;
    },
  });
  const shown = course.choice(root, {
    name: "live-neuron-kinds",
    legend: words.show,
    options: kinds.map((value) => ({ value, label: words[value], colour: colours[value], dash: dashes[value] })),
    chosen: kinds,
    many: true,
    change: moved,
  });
  root.append(state);
  let started = false; // the first press goes from the start, after a pause it goes on

  /** Set the number of steps without stopping the player. */
  function to(index) {
    steps.set(index);
    show();
  }

  function moved() {
    player.stop();
    started = true;
    show();
  }

  function tale(slope, loss, moved) {
    if (slope === 0) return moved ? words.stopped : words.flat;
    if (Math.abs(slope) < 0.01 && loss > 0.2) return words.crawls;
    return Math.abs(slope) < 1e-3 ? words.arrived : words.moves;
  }

  function show() {
    for (const layer of layers) layer.replaceChildren();
    const { answers, loss, gradient, walk } = course.backprop;
    const [b, points] = [bias.value, data.points];
    const sentences = [
      course.fill(words.settings, { b: short(b), lr: data.lr, steps: steps.value, start: short(start.value) }),
    ];
    for (const kind of shown.values) {
      const ws = walk(kind, start.value, b, points, data.lr, steps.value);
      const w = ws[ws.length - 1];
      const height = (v) => loss(kind, v, b, points);
      const slope = gradient(kind, w, b, points)[0];
      const [onLeft, onRight] = layers.map((layer) => course.svg(layer, "g", { class: `live-c${colours[kind]}` }));
      const dash = { "stroke-dasharray": dashes[kind] };
      const xs = Array.from({ length: 251 }, (_, i) => -1.5 + i / 50);
      left.line(onLeft, xs.map((x) => [x, answers[kind](w * x + b)]), dash);
      const weights = Array.from({ length: 251 }, (_, i) => low + ((high - low) * i) / 250);
      right.line(onRight, weights.map((v) => [v, height(v)]), { ...dash, "stroke-opacity": 0.6 });
      // What is above the drawing stands at its edge.
      const seen = (v) => [v, Math.min(height(v), top)];
      right.trail(onRight, ws.map(seen));
      right.dots(onRight, [seen(start.value)], { class: "live-start", r: 6 });
      right.dots(onRight, [seen(w)], { r: 4.5 });
      right.line(onRight, [-0.9, 0.9].map((d) => [w + d, seen(w)[1] + d * slope]), { "stroke-width": 3 });
      sentences.push(
        course.fill(words.state, {
          name: words[kind][0].toUpperCase() + words[kind].slice(1),
          w: short(w),
          loss: short(height(w)),
          slope: slope !== 0 && Math.abs(slope) < 5e-5 ? words.tiny : course.minus(Number(slope.toPrecision(2))),
          tale: tale(slope, height(w), w !== start.value),
        }),
      );
    }
    state.textContent = sentences.join(" ");
  }
  show();
});

course.figure("backprop-graph", (root, data) => {
  const words = data.words;
  const line = 14;
  const kinds = Object.keys(data.names);
  const mistakes = kinds.filter((kind) => kind !== "right");
  const everything = (kind, what) =>
    Object.assign({}, ...data.frames[kind].map((frame) => frame[what]));
  const right = { grads: everything("right", "grads"), shares: everything("right", "shares") };
  let [kind, at] = ["right", 0];
  let round = null; // of "which bug is this?": what is left to ask, what is asked, the score

  const row = course.html(root, "div", { class: "live-tall" });
  course.html(row, "p", { class: "live-title" }, words.title);
  const drawing = course.svg(row, "svg", {
    class: "live-graph", viewBox: `0 0 ${data.size.join(" ")}`, "aria-hidden": "true",
  });

  const side = course.html(root, "div", { class: "live-side" });
  const walk = course.html(side, "div", { class: "live-row" });
  const step = (label, move) => course.button(walk, label, () => { player.stop(); go(move()); });
  step(words.first, () => 0);
  step(words.back, () => at - 1);
  step(words.next, () => at + 1);
  // Made before the player, which needs it; its place is further down.
  const state = course.state(root);
  const player = course.player(walk, {
    play: words.play,
    pause: words.pause,
    every: 1400,
    state,
    tick() {
      const last = data.frames[kind].length - 1;
      go(at === last ? 0 : at + 1);
      return at < last;
    },
  });
  const choice = course.select(side, {
    id: "live-graph-break",
    label: words.break,
    options: kinds.map((value) => ({ value, label: data.names[value] })),
    change: () => take(choice.value),
  });
  const chooser = choice.parentElement;
  side.append(state);
  const quiz = course.html(side, "div", { class: "live-row live-quiz", role: "group", "aria-label": words.choices });
  for (const name of mistakes) course.button(quiz, data.names[name], () => answer(name));
  const foot = course.html(side, "div", { class: "live-row" });
  const ask = course.button(foot, words.quiz, begin);
  const leave = course.button(foot, words.leave, end);

  /** The frame of a number, or the nearest one. */
  function go(number) {
    at = course.clamp(number, 0, data.frames[kind].length - 1);
    draw();
    state.textContent = data.frames[kind][at].said;
  }

  /** Another kind of Tensor, at its end. */
  function take(name) {
    player.stop();
    kind = name;
    go(Infinity);
    state.textContent = round
      ? `${words.ask} ${data.summaries[kind]}`
      : course.fill(words.broken, { name: data.names[kind], text: data.summaries[kind] });
    if (kind === "right") state.textContent = data.summaries.right;
  }

  /** All of them once, in a new order, and none twice in a row. */
  function shuffled() {
    const order = [...mistakes];
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    if (order.at(-1) === kind) order.unshift(order.pop());
    return order;
  }

  function begin() {
    round ??= { left: [], asked: 0, found: 0 };
    if (!round.left.length) round.left = shuffled();
    round.asked += 1;
    round.open = true;
    round.first = true;
    take(round.left.pop());
    mode();
  }

  function answer(name) {
    player.stop();
    const said = [data.feedback[kind][name]];
    if (name === kind) {
      if (round.open && round.first) round.found += 1;
      round.open = false;
      said.push(course.fill(words.score, { found: round.found, asked: round.asked }));
    }
    round.first = false;
    go(Infinity);
    state.textContent = said.join(" ");
  }

  function end() {
    round = null;
    choice.value = "right";
    take("right");
    mode();
    choice.focus();
  }

  /** Show the controls of the round, or those of breaking. */
  function mode() {
    chooser.hidden = Boolean(round);
    quiz.hidden = leave.hidden = !round;
    ask.textContent = round ? words.another : words.quiz;
  }

  /** The right edge of each column of numbers, from the left bracket on. */
  function columns(rows) {
    let edge = 2;
    return rows[0].map((_, j) => (edge += 6.6 * Math.max(...rows.map((row) => row[j].length)) + 9));
  }

  /** Rows of numbers in brackets; what differs from `wanted` is marked. Returns its width. */
  function matrix(parent, rows, x, y, name, wanted) {
    const edges = columns(rows);
    const width = edges.at(-1) + 4;
    const height = rows.length * line;
    for (const [edge, inwards] of [[x, 3], [x + width, -3]]) {
      course.svg(parent, "path", { class: "live-bracket", d: `M${edge + inwards} ${y}H${edge}V${y + height}H${edge + inwards}` });
    }
    rows.forEach((row, i) =>
      row.forEach((text, j) => {
        const bad = wanted && wanted[i]?.[j] !== text;
        course.svg(parent, "text", {
          class: `live-value ${name} ${bad ? "live-bad" : ""}`, x: x + edges[j], y: y + 11 + i * line,
        }, text);
      }),
    );
    return width;
  }

  /** An edge with an arrow at the end of its way. */
  function edge(parent, way, name) {
    const [[a, b], [c, d]] = way.slice(-2);
    const [u, v] = [Math.sign(c - a) * 6, Math.sign(d - b) * 6];
    course.svg(parent, "polyline", { class: name, points: way.join(" ") });
    course.svg(parent, "polyline", {
      class: name, points: [[c - u - v / 2, d - v - u / 2], [c, d], [c - u + v / 2, d - v + u / 2]].join(" "),
    });
  }

  function draw() {
    drawing.replaceChildren();
    const frames = data.frames[kind].slice(0, at + 1);
    const frame = frames[at];
    const grads = Object.assign({}, ...frames.map((f) => f.grads));
    const shares = Object.assign({}, ...frames.map((f) => f.shares));
    const made = Object.keys(data.nodes).slice(0, frame.made);
    const back = Object.keys(frame.grads).length > 0;
    for (const [name, { way, share, from, to }] of Object.entries(data.edges)) {
      const sent = name in frame.shares;
      const active = back ? sent : to === frame.at;
      const look = `live-edge ${active ? "live-active" : ""} ${sent ? "live-back" : ""}`;
      edge(drawing, sent ? [...way].reverse() : way, look);
      if (share && shares[name]) {
        const rows = shares[name];
        const [w, h] = [columns(rows).at(-1) + 10, rows.length * line + 6];
        const [x, y] = [share[0] - w / 2, share[1] - h / 2];
        course.svg(drawing, "rect", { class: "live-share", x, y, width: w, height: h, rx: 4 });
        matrix(drawing, rows, x + 3, y + 3, "live-grad", right.shares[name]);
      }
    }
    for (const [name, { box: [x, y, width], stacked, title, value }] of Object.entries(data.nodes)) {
      const [rows, status] = grads[name] ?? [[], ""];
      const lines = stacked ? value.length + Math.max(rows.length, value.length) : value.length;
      const marked = kind !== "right" && status;
      const look = [
        "live-box",
        name === frame.at ? "live-active" : "",
        marked && ["wrong", "stop"].includes(status) ? "live-bad" : "",
      ].join(" ");
      course.svg(drawing, "rect", { class: look, x, y, width, height: lines * line + (stacked ? 27 : 23), rx: 5 });
      course.svg(drawing, "text", { class: "live-name", x: x + 6, y: y + 13 }, title);
      if (marked) {
        const tone = { right: "live-good", none: "" }[status] ?? "live-bad";
        course.svg(drawing, "text", { class: `live-value ${tone}`, x: x + width - 6, y: y + 13 }, words.marks[status]);
      }
      if (!made.includes(name)) continue;
      const wide = matrix(drawing, value, x + 6, y + 19, "");
      if (!rows.length) continue;
      const place = stacked ? [x + 6, y + 21 + value.length * line] : [x + 6 + wide + 14, y + 19];
      matrix(drawing, rows, ...place, "live-grad", right.grads[name][0]);
    }
  }

  mode();
  go(Infinity);
});
