// Chapter 7's interactive figures: a neuron that is trained while one watches, and a threshold. The
// arithmetic is live; browser tests hold it equal to the references. Shuffles are chapter 3's
// (course.sgd).
course.logistic = (() => {
  /** The exponential is taken of numbers that are not positive only. */
  const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

  const losses = {
    "cross entropy": {
      value: (z, y) => Math.max(z, 0) - y * z + Math.log1p(Math.exp(-Math.abs(z))),
      slope: (z, y) => sigmoid(z) - y,
    },
    "squared error": {
      value: (z, y) => (sigmoid(z) - y) ** 2 / 2,
      slope: (z, y) => (sigmoid(z) - y) * sigmoid(z) * sigmoid(-z),
    },
  };

  const logit = ([w0, w1, b], [x0, x1]) => w0 * x0 + w1 * x1 + b;

  /** One update of (w0, w1, b) on the mean loss of some rows. */
  function step(theta, X, y, index, lr, loss) {
    const gradient = [0, 0, 0];
    for (const i of index) {
      const pull = losses[loss].slope(logit(theta, X[i]), y[i]) / index.length;
      gradient[0] += pull * X[i][0];
      gradient[1] += pull * X[i][1];
      gradient[2] += pull;
    }
    return theta.map((value, j) => value - lr * gradient[j]);
  }

  const meanLoss = (theta, X, y, loss) =>
    X.reduce((sum, x, i) => sum + losses[loss].value(logit(theta, x), y[i]), 0) / X.length;

  const accuracy = (theta, X, y) =>
    X.filter((x, i) => (logit(theta, x) >= 0) === (y[i] === 1)).length / X.length;

  /** The rows of update t, counted from 0: each epoch has a shuffle of its own. */
  function batch(n, m, t) {
    const updates = Math.ceil(n / m);
    return course.sgd.epoch(n, m, course.sgd.generator(1 + Math.floor(t / updates)))[t % updates];
  }

  /** Counts [[right, alarms], [missed, found]]: row the truth, column the answer. */
  function confusion(y, yHat, threshold) {
    const table = [[0, 0], [0, 0]];
    y.forEach((truth, i) => (table[truth][yHat[i] >= threshold ? 1 : 0] += 1));
    return table;
  }

  /** A false alarm costs 1, a miss `price`. */
  function cost(y, yHat, threshold, price) {
    const table = confusion(y, yHat, threshold);
    return table[0][1] + price * table[1][0];
  }

  return { sigmoid, losses, logit, step, meanLoss, accuracy, batch, confusion, cost };
})();

course.figure("train-a-classifier", (root, data) => {
  const words = data.labels;
  const { losses, logit, sigmoid, step, meanLoss, accuracy, batch } = course.logistic;
  const X = data.X.map((x) => [...x]);
  const { y, side, most } = data;
  const n = X.length;
  let theta, history;
  let t = 0;
  let timer = null;

  const slider = (name, change) =>
    course.slider(root, {
      id: `live-train-${name}`, label: words[name], values: data[name].values, start: data[name].start, change,
    });
  const m = slider("batch", again);
  const lr = slider("lr", again);
  const options = (names) => names.map((value) => ({ value, label: words[value] }));
  const loss = course.choice(root, {
    name: "live-train-loss", legend: words.loss, options: options(Object.keys(losses)),
    chosen: ["squared error"], change: again,
  });
  const start = course.choice(root, {
    name: "live-train-start", legend: words.start, options: options(Object.keys(data.starts)),
    chosen: ["wrong"], change: again,
  });
  const buttons = course.html(root, "div", { class: "live-control live-buttons" });
  course.button(buttons, words.step, () => {
    pause();
    advance();
    show();
  });
  const play = course.button(buttons, words.play, () => {
    if (timer !== null) {
      pause();
      show();
    } else {
      if (t >= most) restart();
      play.textContent = words.pause;
      timer = setInterval(tick, 60);
    }
  });
  course.button(buttons, words.restart, () => {
    pause();
    restart();
    show();
  });

  // The drawing stands between what trains the neuron and what moves a point: near to both on a phone.
  const upper = course.panels(root);
  const map = course.panel(upper, {
    title: words.map, height: 250,
    x: { range: [-side, side], ticks: [-2, 0, 2] }, y: { range: [-side, side], ticks: [-2, 0, 2] },
  });
  const updates = { range: [0, most], ticks: [0, most / 2, most], label: words.update };
  const own = course.panel(upper, {
    title: words.own, height: 200,
    x: { range: [-15, 15], ticks: [-10, 0, 10], label: words.logit }, y: { range: [-0.6, 12], ticks: [0, 5, 10] },
  });

  // A tenth is fine enough for a thumb, and keeps sliders and points in step.
  const places = Array.from({ length: 20 * side + 1 }, (_, i) => Math.round(10 * (i / 10 - side)) / 10);
  const at = (value) => places.indexOf(course.clamp(Math.round(10 * value) / 10, -side, side));
  const point = course.slider(root, {
    id: "live-train-point", label: words.point, values: X.map((_, i) => i), start: data.point,
    format: (i) => course.fill(words.which, { number: i + 1, y: y[i] }), change: choose,
  });
  const [across, up] = ["across", "up"].map((name, axis) =>
    course.slider(root, {
      id: `live-train-${name}`, label: words[name], values: places, start: at(X[data.point][axis]),
      change: move,
    }),
  );

  const state = course.state(root);
  const lower = course.panels(root);
  const curve = course.panel(lower, {
    title: words.curve, height: 150, x: updates,
    y: { range: [0.02, 20], log: true, ticks: [0.1, 1, 10], format: String },
  });
  const share = course.panel(lower, {
    title: words.accuracy, height: 150, x: updates, y: { range: [0, 1.02], ticks: [0, 0.5, 1] },
  });
  const [mapLayer, curveLayer, shareLayer, ownLayer] = [map, curve, share, own].map((panel) => panel.layer());
  // One element for good: what a finger holds must not be replaced under it.
  const handle = course.svg(map.svg, "circle", { class: "live-handle", r: 24 });

  function restart() {
    theta = data.starts[start.value];
    t = 0;
    history = [];
    note();
  }

  function note() {
    history.push([meanLoss(theta, X, y, loss.value), accuracy(theta, X, y)]);
  }

  function advance() {
    if (t >= most) return;
    theta = step(theta, X, y, batch(n, m.value, t), lr.value, loss.value);
    t += 1;
    note();
  }

  /** The same number of updates, with what is chosen now. */
  function again() {
    const wanted = t;
    restart();
    while (t < wanted) advance();
    show();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = words.play;
  }

  function tick() {
    advance();
    if (t >= most) pause();
    // While it runs the sentence changes now and then: it is read out each time.
    show(timer === null || t % 40 === 0);
  }

  function set(control, index) {
    control.input.value = index;
    control.input.dispatchEvent(new Event("input"));
  }

  function choose() {
    place(...X[point.value]);
  }

  /** Put the chosen point somewhere, by way of its two sliders. */
  function place(right, high) {
    set(across, at(right));
    set(up, at(high));
  }

  function move() {
    X[point.value] = [across.value, up.value];
    show();
  }

  function here(event) {
    const box = map.svg.getBoundingClientRect();
    const scale = 320 / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  let held = false;
  map.svg.addEventListener("pointerdown", (event) => {
    const [a, b] = here(event);
    const away = X.map((x) => Math.hypot(map.x(x[0]) - a, map.y(x[1]) - b));
    const nearest = away[point.value] <= 24 ? point.value : away.indexOf(Math.min(...away));
    if (away[nearest] > 24) return;
    if (nearest !== point.value) set(point, nearest);
    held = true;
    map.svg.setPointerCapture(event.pointerId);
  });
  map.svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [a, b] = here(event);
    const { left, right, top, bottom } = map.inside;
    place(
      -side + (2 * side * (a - left)) / (right - left),
      side - (2 * side * (b - top)) / (bottom - top),
    );
  });
  for (const end of ["pointerup", "pointercancel"]) map.svg.addEventListener(end, () => (held = false));

  function draw() {
    for (const layer of [mapLayer, curveLayer, shareLayer, ownLayer]) layer.replaceChildren();
    const [w0, w1, b] = theta;
    const square = w0 * w0 + w1 * w1;
    if (square > 0) {
      for (const [probability, dash] of [[0.1, "2 4"], [0.5, "none"], [0.9, "7 4"]]) {
        const along = (Math.log(probability / (1 - probability)) - b) / square;
        const far = 20 / Math.sqrt(square);
        const end = (sign) => [w0 * along - sign * far * w1, w1 * along + sign * far * w0];
        map.line(mapLayer, [end(-1), end(1)], { class: "live-line live-c5", "stroke-dasharray": dash });
      }
    }
    X.forEach((x, i) => {
      if (y[i] === 0) map.dots(mapLayer, [x], { class: "live-dot live-c1", r: 4 });
      else {
        const box = { x: map.x(x[0]) - 3.6, y: map.y(x[1]) - 3.6, width: 7.2, height: 7.2 };
        course.svg(mapLayer, "rect", { class: "live-dot live-c2", ...box });
      }
    });
    const chosen = X[point.value];
    map.dots(mapLayer, [chosen], { class: "live-start live-c5", r: 9 });
    handle.setAttribute("cx", map.x(chosen[0]));
    handle.setAttribute("cy", map.y(chosen[1]));

    curve.line(curveLayer, history.map(([value], i) => [i, value]));
    curve.dots(curveLayer, [[t, history[t][0]]], { r: 4 });
    share.line(shareLayer, history.map(([, value], i) => [i, value]));
    share.dots(shareLayer, [[t, history[t][1]]], { r: 4 });

    const target = y[point.value];
    const logits = Array.from({ length: 121 }, (_, i) => -15 + i / 4);
    for (const name of Object.keys(losses)) {
      const line = logits.map((z) => [z, losses[name].value(z, target)]);
      own.line(ownLayer, line, {
        class: `live-line live-c${name === loss.value ? 1 : 7}`,
        "stroke-dasharray": name === loss.value ? "none" : "3 4",
      });
    }
    const z = logit(theta, chosen);
    const value = losses[loss.value].value(z, target);
    const slope = losses[loss.value].slope(z, target);
    own.line(ownLayer, [[z - 3, value - 3 * slope], [z + 3, value + 3 * slope]], {
      class: "live-line live-c2", "stroke-width": 3,
    });
    own.dots(ownLayer, [[z, value]], { class: "live-dot live-c2", r: 5 });
  }

  function sentence() {
    const target = y[point.value];
    const z = logit(theta, X[point.value]);
    const short = (value) =>
      (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toFixed(3)).replaceAll("-", "\u2212");
    const said = {
      t, m: m.value, lr: lr.value, y: target,
      loss: words[loss.value],
      mean: short(history[t][0]),
      accuracy: history[t][1].toFixed(3),
      z: course.minus(z.toFixed(2)),
      p: short(sigmoid(z)),
      verdict: (z >= 0) === (target === 1) ? words.right : words.wrong_side,
      own: short(losses[loss.value].value(z, target)),
      pull: short(losses[loss.value].slope(z, target)),
    };
    return course.fill(words.state, said);
  }

  function show(aloud = true) {
    draw();
    if (aloud) state.textContent = sentence();
  }

  restart();
  while (t < data.updates) advance();
  show();
});

course.figure("choose-a-threshold", (root, data) => {
  const words = data.labels;
  const { confusion, cost } = course.logistic;
  const slider = (name) =>
    course.slider(root, {
      id: `live-threshold-${name}`, label: words[name], values: data[name].values, start: data[name].start,
      change: show,
    });
  const threshold = slider("threshold");
  const price = slider("price");
  const model = course.choice(root, {
    name: "live-threshold-model", legend: words.model, chosen: ["two"], change: show,
    options: Object.keys(data.models).map((value) => ({ value, label: words[value] })),
  });

  const odds = (p) => Math.log(p / (1 - p));
  const marks = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];
  const told = (z) => String(Number((1 / (1 + Math.exp(-z))).toPrecision(3)));
  const row = course.panels(root);
  const dots = course.panel(row, {
    title: words.dots, height: 170,
    x: { range: [-8.2, 8.2], ticks: marks.filter((p) => p !== 0.9 && p !== 0.1).map(odds), format: told, label: words.probability },
    y: { range: [-0.7, 1.7] },
  });
  const costs = course.panel(row, {
    title: words.cost, height: 190,
    x: { range: [-4.8, 4.8], ticks: marks.slice(1, -1).map(odds), format: told, label: words.cost_axis },
    y: { range: [1, 10000], log: true, ticks: [1, 10, 100, 1000, 10000], format: (v) => `10^${Math.log10(v)}` },
  });
  const box = course.html(row, "div", { class: "live-panel" });
  const table = course.html(box, "table", { class: "live-table" });
  course.html(table, "caption", { class: "live-title" }, words.table);
  const head = course.html(course.html(table, "thead"), "tr");
  for (const text of [words.truth, ...words.called]) course.html(head, "th", { scope: "col" }, text);
  const body = course.html(table, "tbody");
  const numbers = words.classes.map((name) => {
    const line = course.html(body, "tr");
    course.html(line, "th", { scope: "row" }, name);
    return [0, 1].map(() => course.html(line, "td"));
  });
  const [dotLayer, costLayer] = [dots, costs].map((panel) => panel.layer());
  const state = course.state(root);

  function show() {
    const { y, y_hat: said } = data.models[model.value];
    const [limit, miss] = [threshold.value, price.value];
    const counts = confusion(y, said, limit);
    for (const layer of [dotLayer, costLayer]) layer.replaceChildren();
    said.forEach((p, i) => {
      // Side by side, so that many are seen where many are.
      const place = [course.clamp(odds(p), -8, 8), y[i] + ((i * 0.618) % 1) - 0.5];
      dots.dots(dotLayer, [place], { class: `live-dot live-c${y[i] === 1 ? 2 : 1}`, r: 3, "fill-opacity": 0.75 });
    });
    dots.line(dotLayer, [[odds(limit), -1], [odds(limit), 2]], { class: "live-line live-c5" });

    const all = data.threshold.values.map((value) => cost(y, said, value, miss));
    const least = Math.min(...all);
    const fair = 1 / (1 + miss);
    costs.line(costLayer, data.threshold.values.map((value, i) => [odds(value), all[i]]));
    costs.line(costLayer, [[odds(fair), 1], [odds(fair), 10000]], { class: "live-line live-c3", "stroke-dasharray": "5 4" });
    const now = cost(y, said, limit, miss);
    costs.dots(costLayer, [[odds(limit), now]], { class: "live-dot live-c5", r: 5 });
    numbers.forEach((line, truth) => line.forEach((cell, answer) => (cell.textContent = counts[truth][answer])));
    const values = {
      threshold: limit, price: miss, missed: counts[1][0], ill: counts[1][0] + counts[1][1],
      alarms: counts[0][1], well: counts[0][0] + counts[0][1],
      accuracy: ((counts[0][0] + counts[1][1]) / y.length).toFixed(3),
      cost: now, least, where: data.threshold.values[all.indexOf(least)], fair: fair.toFixed(3),
    };
    state.textContent = course.fill(words.state, values);
  }
  show();
});
