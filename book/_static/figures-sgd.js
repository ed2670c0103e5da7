// Chapter 3's interactive figure: the batch size, the cloud of gradient estimates, and a walk. The
// batches are drawn here, so the arithmetic is too; a test holds it to the reference.
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

  return { generator, gradient, epoch, withReplacement, walk, standardError, spread };
})();

course.figure("batch-size", (root, data) => {
  const { x, y, lr, sizes, best, words } = data;
  const n = x.length;
  const all = x.map((_, i) => i);
  let seed = 1;
  let seen = new Map(); // batch size -> measured error, for the place and the way of drawing at hand

  const size = course.slider(root, {
    id: "live-batch-size", label: words.size, values: sizes, start: data.start, change: show,
  });
  const row = course.panels(root);
  const ranges = { x: { range: [-2.1, 1.75] }, y: { range: [0.15, 3.05] } };
  const maps = [words.cloud, words.walk].map((title) =>
    course.panel(row, { title, height: 246, ...ranges }),
  );
  for (const map of maps) {
    const under = map.layer();
    for (const ring of data.rings) map.line(under, ring, { class: "live-ring" });
  }
  const law = course.panel(row, {
    title: words.law,
    height: 246,
    x: { range: [0.8, 500], log: true, ticks: [1, 10, 100, 400], label: words.size_axis },
    y: { range: [0.01, 2.5], log: true, ticks: [0.01, 0.1, 1], format: String },
  });
  const [cloudLayer, walkLayer, lawLayer] = [...maps, law].map((panel) => panel.layer());
  const state = course.state(root);

  // Below the drawings, so that on a phone the slider stays beside what it moves.
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

  function show() {
    const m = size.value;
    const start = place.value === "far" ? data.far : best;
    const apart = drawing.value === "without";
    const random = course.sgd.generator(1000 * seed + m);
    const draw = () =>
      apart ? course.sgd.epoch(n, m, random)[0] : course.sgd.withReplacement(n, m, random);

    const full = course.sgd.gradient(start, x, y, all);
    const length = Math.hypot(...full);
    const estimates = Array.from({ length: data.repeats }, () =>
      course.sgd.gradient(start, x, y, draw()),
    );
    const measured = course.sgd.spread(estimates, full);
    const plain = (size) => Math.hypot(...course.sgd.standardError(start, x, y, size));
    const shrink = (size) => (apart ? Math.sqrt(1 - size / n) : 1);
    seen.set(m, measured);

    const land = ([g0, g1]) => [start[0] - lr * g0, start[1] - lr * g1];
    redraw(maps[0], cloudLayer, start, () => {
      maps[0].dots(cloudLayer, estimates.map(land), { r: 2.2, "fill-opacity": 0.55 });
      maps[0].line(cloudLayer, [start, land(full)], { class: "live-line live-c5" });
    });

    const batches = [];
    while (batches.length < data.updates) {
      if (apart) batches.push(...course.sgd.epoch(n, m, random));
      else batches.push(draw());
    }
    const walk = course.sgd.walk(start, x, y, lr, batches.slice(0, data.updates));
    redraw(maps[1], walkLayer, start, () => {
      maps[1].line(walkLayer, walk, { "stroke-width": 1.3 });
      maps[1].dots(walkLayer, walk.slice(1), { r: 2.2 });
    });

    lawLayer.replaceChildren();
    const one = plain(1);
    law.line(lawLayer, [1, n].map((k) => [k, one / Math.sqrt(k)]), { class: "live-line live-c5", "stroke-dasharray": "6 4" });
    if (apart) {
      const places = Array.from({ length: 81 }, (_, i) => (n * 0.9999) ** (i / 80));
      law.line(lawLayer, places.map((k) => [k, (one / Math.sqrt(k)) * shrink(k)]), { class: "live-line live-c3" });
    }
    law.dots(lawLayer, [...seen], { r: 4 });

    state.textContent = sentence({ m, apart, measured, plain: plain(m), shrink: shrink(m), length, walk });
  }

  function redraw(map, layer, start, draw) {
    layer.replaceChildren();
    draw();
    map.dots(layer, [start], { class: "live-start live-c2", r: 5 });
    map.dots(layer, [best], { class: "live-dot live-c5", r: 4 });
  }

  function sentence({ m, apart, measured, plain, shrink, length, walk }) {
    const error = (value) => (value < 1e-9 ? "0" : value.toFixed(3));
    const end = walk[walk.length - 1];
    const corrected = course.fill(words.corrected, { n, error: error(plain * shrink) });
    return course.fill(words.state, {
      m,
      how: apart ? words.without : words.with,
      measured: error(measured),
      predicted: error(plain) + (apart ? corrected : ""),
      full: length < 1e-9 ? words.zero : course.fill(words.length, { length: length.toFixed(3) }),
      examples: (data.updates * m).toLocaleString(document.documentElement.lang || "en-GB"),
      away: Math.hypot(end[0] - best[0], end[1] - best[1]).toFixed(3),
    });
  }

  show();
});
