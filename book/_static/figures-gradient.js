// Chapter 2's interactive figures: a walk on the Gabor surface from a start that is dragged, and the
// learning rate on a ravine. Walks are computed here; browser tests hold them equal to the references.
course.gradient = (() => {
  /** The points of gradient descent on 1/2 sum(curvature * theta ** 2), start included. */
  function walk(curvatures, start, lr, steps) {
    const points = [start];
    for (let t = 0; t < steps; t++) {
      points.push(points[t].map((x, i) => x - lr * curvatures[i] * x));
    }
    return points;
  }

  const loss = (curvatures, theta) => theta.reduce((sum, x, i) => sum + (curvatures[i] * x * x) / 2, 0);

  /** Steps until the loss is `goal` of its start; null where it is not within `limit`. */
  function stepsUntil(curvatures, start, lr, goal = 1e-6, limit = 2000) {
    const heights = walk(curvatures, start, lr, limit).map((theta) => loss(curvatures, theta));
    const first = heights.findIndex((height) => height <= goal * heights[0]);
    return first < 0 ? null : first;
  }

  /** What a step multiplies a component by, and the name of what the walk then does. */
  function behaviour(curvature, lr) {
    const factor = 1 - lr * curvature;
    const near = (value) => Math.abs(factor - value) < 1e-9;
    if (near(-1)) return { factor, kind: "edge" };
    if (near(0)) return { factor, kind: "floor" };
    if (factor < -1) return { factor, kind: "diverges" };
    return { factor, kind: factor < 0 ? "zigzags" : "creeps" };
  }

  /** The sum of squared errors of the Gabor model and its gradient: [loss, [by theta 0, by theta 1]]. */
  function gabor([a, b], xs, ys) {
    let loss = 0;
    const slope = [0, 0];
    xs.forEach((x, i) => {
      const u = a + 0.06 * b * x;
      const bell = Math.exp((-u * u) / 32);
      const error = Math.sin(u) * bell - ys[i];
      const pull = 2 * error * (Math.cos(u) - (Math.sin(u) * u) / 16) * bell;
      loss += error * error;
      slope[0] += pull;
      slope[1] += pull * 0.06 * x;
    });
    return [loss, slope];
  }

  /** The points of gradient descent on it, start included. */
  function descend(start, xs, ys, lr, steps) {
    const points = [start];
    for (let t = 0; t < steps; t++) {
      const [, slope] = gabor(points[t], xs, ys);
      points.push(points[t].map((value, i) => value - lr * slope[i]));
    }
    return points;
  }

  /** Step and Play, in a row, for a walk of `most` steps: `go(t)` shows it up to step t. */
  function steps(row, words, state, most, go) {
    let t = most;
    const show = (place) => go((t = place));
    course.button(row, words.one, () => {
      player.stop();
      show(t < most ? t + 1 : 1);
    });
    const player = course.player(row, {
      play: words.play, pause: words.pause, every: 90, state,
      tick: () => {
        show(t < most ? t + 1 : 0);
        return t < most;
      },
    });
    course.button(row, words.back, () => {
      player.stop();
      show(0);
    });
    return {
      get t() {
        return t;
      },
      /** The whole walk, as after any other change. */
      end() {
        player.stop();
        show(most);
      },
    };
  }

  return { walk, loss, stepsUntil, behaviour, gabor, descend, steps };
})();

course.figure("descend", (root, data) => {
  const { gabor, descend, steps: stepper } = course.gradient;
  const { labels: words, x, y, steps, minima } = data;
  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.map, height: 240,
    x: { range: data.range[0], ticks: [-6, -3, 0, 3, 6] }, y: { range: data.range[1], ticks: [5, 10, 15, 20] },
  });
  const fall = course.panel(row, {
    title: words.loss, height: 150,
    x: { range: [0, steps], ticks: [0, steps / 2, steps], label: words.step }, y: { range: [0, 13], ticks: [0, 5, 10] },
  });
  const ground = map.layer();
  for (const line of data.lines) {
    const points = Array.from({ length: line.length / 2 }, (_, i) => [line[2 * i], line[2 * i + 1]]);
    map.line(ground, points, { class: "live-ring" });
  }
  for (const [a, b] of minima) {
    const side = 12;
    course.svg(ground, "rect", {
      class: "live-start live-c5", x: map.x(a) - side / 2, y: map.y(b) - side / 2, width: side, height: side,
    });
  }
  const drawings = [map, fall].map((panel) => panel.layer());

  const controls = course.html(root, "div", { class: "live-row" });
  const state = course.state(root);
  const play = stepper(controls, words, state, steps, show);
  const sliders = course.html(root, "div", { class: "live-row" });
  const slider = (name, values, start, format = String) =>
    course.slider(sliders, { id: `live-descend-${name}`, label: words[name], values, start, format, change: () => play.end() });
  const nearest = (values, value) =>
    values.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(values[best] - value) ? i : best), 0);
  const lr = slider("lr", data.lr.values, data.lr.start);
  const across = slider("across", data.across, nearest(data.across, data.start[0]));
  const up = slider("up", data.up, nearest(data.up, data.start[1]));
  root.append(state);
  const handle = course.draggable(map, ([a, b]) => {
    across.set(nearest(data.across, a));
    up.set(nearest(data.up, b));
    play.end();
  });

  function where(theta, slope) {
    const [low, high] = [0, 1].map((end) => data.range.map((range) => range[end]));
    if (theta.some((v, i) => !(v >= low[i] && v <= high[i]))) return words.lost;
    const pit = minima.findIndex((m) => Math.hypot(m[0] - theta[0], m[1] - theta[1]) < 0.2);
    if (pit < 0 || slope > 1) return words.on;
    return course.fill(pit ? words.pit : words.lowest, { best: minima[0][2].toFixed(2) });
  }

  function show(t) {
    const start = [across.value, up.value];
    const points = descend(start, x, y, lr.value, steps);
    const heights = points.map((theta) => gabor(theta, x, y));
    for (const layer of drawings) layer.replaceChildren();
    const colour = `live-c${data.look.colour}`;
    map.line(drawings[0], points.slice(0, t + 1), { class: `live-line ${colour}` });
    map.dots(drawings[0], points.slice(1, t + 1), { class: `live-dot ${colour}`, r: 1.8 });
    map.dots(drawings[0], [start], { class: `live-start ${colour}`, r: 8 });
    map.dots(drawings[0], [points[t]], { class: `live-dot ${colour}`, r: 5 });
    fall.line(drawings[1], heights.slice(0, t + 1).map(([loss], i) => [i, loss]), { class: `live-line ${colour}` });
    fall.dots(drawings[1], [[t, heights[t][0]]], { class: `live-dot ${colour}`, r: 5 });
    handle.put(start);
    const slope = Math.hypot(...heights[t][1]);
    state.textContent = course.fill(words.state, {
      lr: lr.value, t, steps, loss: heights[t][0].toFixed(2), slope: slope.toFixed(2), where: where(points[t], slope),
    });
  }
  play.end();
});

course.figure("learning-rate", (root, data) => {
  const { walk, loss, stepsUntil, behaviour, steps: stepper } = course.gradient;
  const { labels, steps } = data;
  let start = data.theta;
  const row = course.panels(root);
  const map = course.panel(row, {
    title: labels.map,
    height: 170,
    x: { range: [-4.7, 4.7], ticks: [-4, -2, 0, 2, 4] },
    y: { range: [-2.2, 2.2], ticks: [-2, 0, 2] },
  });
  const fall = course.panel(row, {
    title: labels.loss,
    height: 170,
    x: { range: [0, steps], ticks: [0, steps / 2, steps], label: labels.step },
    y: { range: [1e-8, 1e4], log: true, ticks: [1e-8, 1e-4, 1, 1e4], format: (v) => `10^${Math.log10(v)}` },
  });
  const ground = map.layer();
  const drawings = [map, fall].map((panel) => ({ panel, layer: panel.layer() }));
  const controls = course.html(root, "div", { class: "live-row" });
  const state = course.state(root);
  const play = stepper(controls, labels, state, steps, draw);
  const told = ([a, b]) => course.minus(course.fill(labels.at, { a: a.toFixed(1), b: b.toFixed(1) }));
  const grip = course.grip(map, {
    label: labels.handle, at: start, words: told(start), keys: [0.2, 0.2],
    move: ([a, b]) => {
      // To tenths, so that the floor itself can be met.
      start = [course.clamp(a, -4.5, 4.5), course.clamp(b, -2, 2)].map((value) => Math.round(10 * value) / 10);
      grip.set(start, told(start));
      show();
    },
  });
  const steep = course.choice(root, {
    name: "live-curvature",
    legend: labels.curvature,
    options: data.curvatures.map((value) => ({ value: String(value), label: String(value) })),
    chosen: [String(data.chosen)],
    change: redraw,
  });
  const lr = course.slider(root, {
    id: "live-learning-rate",
    label: labels.lr,
    values: data.lr,
    start: data.start,
    format: (value) => value.toFixed(3),
    change: show,
  });

  root.append(state);

  function redraw() {
    ground.replaceChildren();
    course.rings(map, ground, [1, Number(steep.value)], [0.1, 0.5, 1.5, 3.5, 7, 12, 18, 28]);
    show();
  }

  function show() {
    play.end();
  }

  /** The first t steps; the words are about the whole walk. */
  function draw(t) {
    const curvature = Number(steep.value);
    const curvatures = [1, curvature];
    const points = walk(curvatures, start, lr.value, t);
    const { factor, kind } = start[1] === 0 ? { factor: 1 - lr.value, kind: "along" } : behaviour(curvature, lr.value);
    for (const { panel, layer } of drawings) {
      const places = panel === map ? points : points.map((theta, i) => [i, loss(curvatures, theta)]);
      layer.replaceChildren();
      layer.setAttribute("class", `live-c${kind === "diverges" ? 2 : data.look.colour}`);
      panel.line(layer, places);
      panel.dots(layer, places.slice(0, 1), { class: "live-start", r: panel === map ? 7 : 5 });
      panel.dots(layer, places.slice(1));
    }
    root.classList.toggle("diverges", kind === "diverges");
    const needed = stepsUntil(curvatures, start, lr.value);
    state.textContent = course.fill(labels.state, {
      lr: lr.value.toFixed(3),
      tale: course.fill(data.tales[kind], { factor: Math.abs(factor).toFixed(2) }),
      end: needed === null ? labels.never : course.fill(labels.arrives, { steps: needed }),
      cliff: String(2 / curvature),
    });
  }
  redraw();
});
