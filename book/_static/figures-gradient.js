// Chapter 2's interactive figure: the learning rate on a ravine, and how steep the ravine is. The
// walk is computed here; a browser test holds it equal to the reference.
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

  return { walk, loss, stepsUntil, behaviour };
})();

course.figure("learning-rate", (root, data) => {
  const { walk, loss, stepsUntil, behaviour } = course.gradient;
  const { labels, steps } = data;
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

  const row = course.panels(root);
  const map = course.panel(row, {
    title: labels.map,
    height: 200,
    x: { range: [-4.7, 4.7] },
    y: { range: [-2.2, 2.2] },
  });
  const fall = course.panel(row, {
    title: labels.loss,
    height: 200,
    x: { range: [0, steps], ticks: [0, steps / 2, steps], label: labels.step },
    y: { range: [1e-8, 1e4], log: true, ticks: [1e-8, 1e-4, 1, 1e4], format: (v) => `10^${Math.log10(v)}` },
  });
  const ground = map.layer();
  const drawings = [map, fall].map((panel) => ({ panel, layer: panel.layer() }));
  const state = course.state(root);

  function redraw() {
    ground.replaceChildren();
    course.rings(map, ground, [1, Number(steep.value)], [0.1, 0.5, 1.5, 3.5, 7, 12, 18, 28]);
    show();
  }

  function show() {
    const curvature = Number(steep.value);
    const curvatures = [1, curvature];
    const points = walk(curvatures, data.theta, lr.value, steps);
    const { factor, kind } = behaviour(curvature, lr.value);
    for (const { panel, layer } of drawings) {
      const places = panel === map ? points : points.map((theta, t) => [t, loss(curvatures, theta)]);
      layer.replaceChildren();
      layer.setAttribute("class", `live-c${kind === "diverges" ? 2 : 1}`);
      panel.line(layer, places);
      panel.dots(layer, places.slice(0, 1), { class: "live-start", r: 5 });
      panel.dots(layer, places.slice(1));
    }
    root.classList.toggle("diverges", kind === "diverges");
    const needed = stepsUntil(curvatures, data.theta, lr.value);
    state.textContent = course.fill(labels.state, {
      lr: lr.value.toFixed(3),
      tale: course.fill(data.tales[kind], { factor: Math.abs(factor).toFixed(2) }),
      end: needed === null ? labels.never : course.fill(labels.arrives, { steps: needed }),
      cliff: String(2 / curvature),
    });
  }
  redraw();
});
