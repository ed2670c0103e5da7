// Chapter 3's interactive figures: a walk with its price and its floor; the batch size and the cloud of
// gradient estimates. The batches are drawn here, so the arithmetic is too; a test holds it to the
// reference.
course.sgd = (() => {
  /** Numbers in [0, 1) from a seed (mulberry32). */
  function generator(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 15), z | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** Gradient of half the mean squared error of the line theta0 + theta1 x, over some points. */
  function gradient([a, b], x, y, index) {
    let [g0, g1] = [0, 0];
    for (const i of index) {
      const error = a + b * x[i] - y[i];
      g0 += error;
      g1 += error * x[i];
    }
    return [g0 / index.length, g1 / index.length];
  }

  /** One epoch: every index once, in random order, in batches of m; the last may be short. */
  function epoch(n, m, random) {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return Array.from({ length: Math.ceil(n / m) }, (_, k) => order.slice(k * m, (k + 1) * m));
  }

  /** m of n indices, none twice: the first batch of an epoch, without making the others. */
  function withoutReplacement(n, m, random) {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = 0; i < m; i++) {
      const j = i + Math.floor(random() * (n - i));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order.slice(0, m);
  }

  /** m indices, each drawn from all n. */
  const withReplacement = (n, m, random) => Array.from({ length: m }, () => Math.floor(random() * n));

  /** The points visited when a step against the gradient is taken for each batch, start included. */
  function walk(theta, x, y, lr, batches) {
    const trajectory = [theta];
    for (const index of batches) {
      const [g0, g1] = gradient(theta, x, y, index);
      theta = [theta[0] - lr * g0, theta[1] - lr * g1];
      trajectory.push(theta);
    }
    return trajectory;
  }

  /** Standard error of a batch's gradient from the examples' own spread: s / sqrt(m), (2,). */
  function standardError(theta, x, y, m) {
    const n = x.length;
    const each = x.map((_, i) => gradient(theta, x, y, [i]));
    return [0, 1].map((k) => {
      const mean = each.reduce((sum, g) => sum + g[k], 0) / n;
      const squares = each.reduce((sum, g) => sum + (g[k] - mean) ** 2, 0);
      return Math.sqrt(squares / (n - 1) / m);
    });
  }

  /** Root mean square distance of points from a centre. */
  const spread = (points, [a, b]) =>
    Math.sqrt(points.reduce((sum, [u, v]) => sum + (u - a) ** 2 + (v - b) ** 2, 0) / points.length);

  /** Half the squared distance in the bowl of a Hessian: the loss above its minimum, for each point. */
  const excess = (points, [a, b], [[p, q], [, r]]) =>
    points.map(([u, v]) => ((u - a) * (p * (u - a) + 2 * q * (v - b)) + r * (v - b) ** 2) / 2);

  /** The batches of some whole epochs, each shuffled anew. */
  const epochs = (n, m, count, random) =>
    Array.from({ length: count }, () => epoch(n, m, random)).flat();

  /** The walk under a schedule: lr is a function of the number of the update. */
  function scheduledWalk(theta, x, y, lr, batches) {
    const trajectory = [theta];
    batches.forEach((index, t) => {
      trajectory.push(walk(trajectory[t], x, y, lr(t), [index])[1]);
    });
    return trajectory;
  }

  /** A quarter of the variances of the gradient's components, times lr / m: where a walk levels off. */
  function floor(best, x, y, lr, m) {
    const n = x.length;
    const [s0, s1] = standardError(best, x, y, 1);
    return (lr * (s0 ** 2 + s1 ** 2) * (n - 1)) / (4 * n * m);
  }

  /** Half a wave of the cosine, from lr to 0 over `most` updates. */
  const cosine = (lr, most) => (t) => (lr * (1 + Math.cos((Math.PI * t) / most))) / 2;

  return {
    generator, gradient, epoch, epochs, withoutReplacement, withReplacement, walk, scheduledWalk,
    standardError, spread, excess, floor, cosine,
  };
})();

course.figure("noisy-walk", (root, data) => {
  const { x, y, best, hessian, words } = data;
  const n = x.length;
  const paid = data.epochs * n;
  const { epochs, generator, scheduledWalk, excess, floor, cosine } = course.sgd;
  let seed = 1;
  let start = data.far;
  let examples = data.start.examples;
  let points, heights, full;

  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.map, height: 206,
    x: { range: [-2.1, 1.75], ticks: [-2, -1, 0, 1] }, y: { range: [0.15, 3.05], ticks: [1, 2, 3] },
  });
  const ticks = Array.from({ length: data.epochs / 2 + 1 }, (_, i) => 2 * i * n);
  const curve = course.panel(row, {
    title: words.loss, height: 190,
    x: { range: [0, paid], ticks, label: words.epochs, format: (v) => String(v / n) },
    y: { range: [1e-6, 10], log: true, ticks: [1e-6, 1e-4, 0.01, 1], format: (v) => `10^${Math.log10(v)}` },
  });
  const under = map.layer();
  for (const ring of data.rings) map.line(under, ring, { class: "live-ring" });
  const [mapLayer, curveLayer] = [map.layer(), curve.layer()];
  const told = ([a, b]) => course.minus(course.fill(words.at, { a: a.toFixed(2), b: b.toFixed(2) }));
  const grip = course.grip(map, {
    label: words.start, at: start, words: told(start), keys: [0.1, 0.1],
    move: ([a, b]) => {
      player.stop();
      start = [course.clamp(a, -2, 1.65), course.clamp(b, 0.25, 2.95)];
      grip.set(start, told(start));
      again();
    },
  });
  course.legend(root, [
    { label: words.walk, colour: data.looks.SGD.colour },
    { label: course.fill(words.full, { n }), colour: data.looks.GD.colour },
    { label: words.line, colour: 5, dash: "6 4" },
  ]);
  const change = () => {
    player.stop();
    again();
  };
  const m = course.slider(root, {
    id: "live-walk-size", label: words.size, values: data.sizes, start: data.start.size, change,
  });
  const lr = course.slider(root, {
    id: "live-walk-lr", label: words.lr, values: data.lrs, start: data.start.lr, change,
  });
  const schedule = course.choice(root, {
    name: "live-walk-schedule", legend: words.schedule, chosen: ["constant"], change,
    options: ["constant", "cosine"].map((value) => ({ value, label: words[value] })),
  });
  const buttons = course.html(root, "div", { class: "live-control live-buttons" });
  const state = course.state(root);
  const player = course.player(buttons, {
    play: words.play, pause: words.pause, every: 60, state,
    tick: () => {
      if (examples >= paid) examples = 0;
      go(Math.max(m.value, n / 10));
      return examples < paid;
    },
  });
  const press = (label, what) =>
    course.button(buttons, label, () => {
      player.stop();
      what();
    });
  press(words.step, () => go(m.value));
  press(words.restart, () => {
    examples = 0;
    show();
  });
  press(words.again, () => {
    seed += 1;
    again();
  });

  const rate = (t) =>
    schedule.value === "cosine" ? cosine(lr.value, Math.ceil(n / m.value) * data.epochs)(t) : lr.value;

  /** A new walk, as far as the old one had gone. */
  function again() {
    const random = generator(1000 * seed + m.value);
    points = scheduledWalk(start, x, y, rate, epochs(n, m.value, data.epochs, random));
    heights = excess(points, best, hessian);
    const whole = x.map((_, i) => i);
    full = excess(course.sgd.walk(start, x, y, lr.value, Array(data.epochs).fill(whole)), best, hessian);
    show();
  }

  /** Pay for some more examples; a batch is paid for as a whole. */
  function go(more) {
    examples = Math.min(paid, examples + more);
    show();
  }

  /** The updates made, and the examples that they looked at; the last of an epoch may be short. */
  const updates = () => Math.floor(examples / n) * Math.ceil(n / m.value) + Math.floor((examples % n) / m.value);

  function show() {
    const done = updates();
    for (const layer of [mapLayer, curveLayer]) {
      layer.replaceChildren();
      layer.setAttribute("class", `live-c${data.looks.SGD.colour}`);
    }
    const lately = points.slice(Math.max(0, done - 1500), done + 1);
    map.line(mapLayer, lately, { "stroke-width": m.value < 10 ? 0.9 : 1.5 });
    if (m.value >= 10) map.dots(mapLayer, lately.slice(1), { r: 2.2 });
    map.dots(mapLayer, [points[done]], { r: 4.5 });
    map.dots(mapLayer, [start], { class: "live-start live-c2", r: 6 });
    map.dots(mapLayer, [best], { class: "live-dot live-c5", r: 4 });

    const line = (values, size, to, attributes) => {
      const every = Math.max(1, Math.floor(to / 400));
      const some = [];
      for (let t = 0; t <= to; t += every) some.push([t * size, values[t]]);
      curve.line(curveLayer, some, attributes);
    };
    line(full, n, data.epochs, { class: `live-line live-c${data.looks.GD.colour}` });
    // An epoch's updates share its width, also where the last batch is short.
    const size = n / Math.ceil(n / m.value);
    line(heights, size, done, { "stroke-width": 1.3 });
    curve.dots(curveLayer, [[done * size, heights[done]]], { r: 4.5 });
    if (m.value < n) {
      const level = floor(best, x, y, rate(done), m.value);
      curve.line(curveLayer, [[0, level], [paid, level]], { class: "live-line live-c5", "stroke-dasharray": "6 4" });
    }
    const short = (value) =>
      value < 1e-4 || value > 1e4 ? course.minus(value.toExponential(0)) : String(Number(value.toPrecision(2)));
    const level = floor(best, x, y, rate(done), m.value);
    let tale = course.fill(schedule.value === "cosine" ? words.sinks : words.floor, { floor: short(level) });
    if (m.value === n) tale = words.none;
    if (!(heights[done] < 100)) {
      tale = course.fill(lr.value > data.cliff ? words.cliff : words.thrown, { cliff: data.cliff.toFixed(2) });
    }
    state.textContent = course.fill(words.state, {
      updates: done.toLocaleString("en-GB"),
      examples: Math.min(examples, paid).toLocaleString("en-GB"),
      height: Number.isFinite(heights[done]) ? short(heights[done]) : "∞",
      floor: tale,
    });
  }

  again();
});

course.figure("batch-size", (root, data) => {
  const { x, y, lr, sizes, best, words } = data;
  const n = x.length;
  const all = x.map((_, i) => i);
  let seed = 1;
  let seen = new Map(); // batch size -> measured error, for the place and the way of drawing at hand

  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.cloud, height: 232,
    x: { range: [-2.1, 1.75], ticks: [-2, -1, 0, 1] }, y: { range: [0.15, 3.05], ticks: [1, 2, 3] },
  });
  const under = map.layer();
  for (const ring of data.rings) map.line(under, ring, { class: "live-ring" });
  const law = course.panel(row, {
    title: words.law,
    height: 216,
    x: { range: [0.8, 500], log: true, ticks: [1, 10, 100, 400], label: words.size_axis },
    y: { range: [0.01, 2.5], log: true, ticks: [0.01, 0.1, 1], format: String },
  });
  const [cloudLayer, lawLayer] = [map.layer(), law.layer()];
  const size = course.slider(root, {
    id: "live-batch-size", label: words.size, values: sizes, start: data.start, change: show,
  });

  const afresh = () => {
    seen = new Map();
    show();
  };
  const place = course.choice(root, {
    name: "live-place", legend: words.place, chosen: ["far"], change: afresh,
    options: ["far", "minimum"].map((value) => ({ value, label: words[value] })),
  });
  const drawing = course.choice(root, {
    name: "live-drawing", legend: words.drawing, chosen: ["without"], change: afresh,
    options: ["without", "with"].map((value) => ({ value, label: words[value] })),
  });
  course.button(root, words.again, () => {
    seed += 1;
    show();
  });
  const state = course.state(root);

  function show() {
    const m = size.value;
    const start = place.value === "far" ? data.far : best;
    const apart = drawing.value === "without";
    const random = course.sgd.generator(1000 * seed + m);
    const draw = () => course.sgd[apart ? "withoutReplacement" : "withReplacement"](n, m, random);

    const full = course.sgd.gradient(start, x, y, all);
    const length = Math.hypot(...full);
    const estimates = Array.from({ length: data.repeats }, () =>
      course.sgd.gradient(start, x, y, draw()),
    );
    const measured = course.sgd.spread(estimates, full);
    const one = Math.hypot(...course.sgd.standardError(start, x, y, 1));
    const plain = (size) => one / Math.sqrt(size);
    const shrink = (size) => (apart ? Math.sqrt(1 - size / n) : 1);
    seen.set(m, measured);

    const land = ([g0, g1]) => [start[0] - lr * g0, start[1] - lr * g1];
    cloudLayer.replaceChildren();
    cloudLayer.setAttribute("class", `live-c${data.looks.SGD.colour}`);
    map.dots(cloudLayer, estimates.map(land), { r: 2.2, "fill-opacity": 0.55 });
    map.line(cloudLayer, [start, land(full)], { class: `live-line live-c${data.looks.GD.colour}` });
    map.dots(cloudLayer, [start], { class: "live-start live-c2", r: 5 });
    map.dots(cloudLayer, [best], { class: "live-dot live-c5", r: 4 });

    lawLayer.replaceChildren();
    lawLayer.setAttribute("class", `live-c${data.looks.SGD.colour}`);
    law.line(lawLayer, [1, n].map((k) => [k, one / Math.sqrt(k)]), { class: "live-line live-c5", "stroke-dasharray": "6 4" });
    if (apart) {
      const places = Array.from({ length: 81 }, (_, i) => (n * 0.9999) ** (i / 80));
      law.line(lawLayer, places.map((k) => [k, (one / Math.sqrt(k)) * shrink(k)]), { class: "live-line live-c3" });
    }
    law.dots(lawLayer, [...seen], { r: 4 });

    state.textContent = sentence({ m, apart, measured, plain: plain(m), shrink: shrink(m), length });
  }

  function sentence({ m, apart, measured, plain, shrink, length }) {
    const error = (value) => (value < 1e-9 ? "0" : value.toFixed(3));
    const corrected = course.fill(words.corrected, { n, error: error(plain * shrink) });
    return course.fill(words.state, {
      m,
      how: apart ? words.without : words.with,
      measured: error(measured),
      predicted: error(plain) + (apart ? corrected : ""),
      full: length < 1e-9 ? words.zero : course.fill(words.length, { length: length.toFixed(3) }),
    });
  }

  show();
});
