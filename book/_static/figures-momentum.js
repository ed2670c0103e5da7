// Chapter 4's interactive figures: beta and lr on a ravine, and the two roots of momentum's recursion.
// The arithmetic is live; a browser test holds it equal to the references. Everywhere `lr` is that of
// the averaged form.
course.momentum = (() => {
  /** Momentum on an array: v <- beta v + (1 - beta) g, then a step against the new v. */
  function step(theta, velocity, grad, lr, beta) {
    const v = velocity.map((old, i) => beta * old + (1 - beta) * grad[i]);
    return [theta.map((x, i) => x - lr * v[i]), v];
  }

  /** The same with the gradient at theta - lr beta v; `grad` is a function. */
  function nesterov(theta, velocity, grad, lr, beta) {
    return step(theta, velocity, grad(theta.map((x, i) => x - lr * beta * velocity[i])), lr, beta);
  }

  /** The gradient of 1/2 sum(curvature * theta ** 2). */
  const bowl = (curvatures) => (theta) => theta.map((x, i) => curvatures[i] * x);

  /** One step of a method by name; plain descent has beta = 0. */
  function advance(method, theta, velocity, grad, lr, beta) {
    if (method === "nesterov") return nesterov(theta, velocity, grad, lr, beta);
    return step(theta, velocity, grad(theta), lr, method === "momentum" ? beta : 0);
  }

  /** All points of a walk, start included. */
  function walk(method, curvatures, start, lr, beta, steps) {
    const grad = bowl(curvatures);
    let [theta, velocity] = [start, start.map(() => 0)];
    const points = [theta];
    for (let t = 0; t < steps; t++) {
      [theta, velocity] = advance(method, theta, velocity, grad, lr, beta);
      points.push(theta);
    }
    return points;
  }

  const loss = (curvatures, theta) => theta.reduce((sum, x, i) => sum + (curvatures[i] * x * x) / 2, 0);

  /** The largest modulus among the roots of each direction's two-term recursion. */
  function theory(method, curvatures, lr, beta) {
    if (method === "plain") return Math.max(...curvatures.map((c) => Math.abs(1 - lr * c)));
    const a = lr * (1 - beta);
    return Math.max(
      ...curvatures.map((c) => {
        const kept = method === "momentum" ? 1 : 1 - a * c;
        const total = method === "momentum" ? 1 + beta - a * c : (1 + beta) * kept;
        const product = beta * kept;
        const square = total * total - 4 * product;
        return square < 0 ? Math.sqrt(product) : (Math.abs(total) + Math.sqrt(square)) / 2;
      }),
    );
  }

  /** The mean factor a step from step `settle` over `count` steps, distance and last step together. */
  function measure(method, curvatures, lr, beta, settle, count) {
    const grad = bowl(curvatures);
    let theta = curvatures.map(() => 1);
    let velocity = curvatures.map(() => 0);
    let [scale, before, now] = [0, 0, 0];
    for (let t = 0; t < settle + count; t++) {
      [theta, velocity] = advance(method, theta, velocity, grad, lr, beta);
      let size = Math.sqrt(
        theta.reduce((sum, x) => sum + x * x, 0) + lr * lr * velocity.reduce((sum, x) => sum + x * x, 0),
      );
      if (size === 0) return 0;
      if (!(size > 1e-50 && size < 1e50)) {
        theta = theta.map((x) => x / size);
        velocity = velocity.map((x) => x / size);
        scale += Math.log(size);
        size = 1;
      }
      now = scale + Math.log(size);
      if (t === settle - 1) before = now;
    }
    return Math.exp((now - before) / count);
  }

  /** The best lr and beta for curvatures from 1/k to 1; compare best() in the page's experiments. */
  function best(method, k) {
    if (method === "plain") return [2 / (1 + 1 / k), 0];
    const root = Math.sqrt(k);
    const rate = (root - 1) / (root + 1);
    return method === "momentum" ? [root, rate * rate] : [1 / (1 - rate), rate];
  }

  /** Momentum's two roots at lr (1 - beta) curvature = pull: [[real, imaginary], ...], the larger first. */
  function roots(pull, beta) {
    const half = (1 + beta - pull) / 2;
    const square = half * half - beta;
    if (square < 0) return [[half, Math.sqrt(-square)], [half, -Math.sqrt(-square)]];
    const pair = [[half + Math.sqrt(square), 0], [half - Math.sqrt(square), 0]];
    return half < 0 ? pair.reverse() : pair;
  }

  return { step, nesterov, bowl, walk, loss, theory, measure, best, roots };
})();

course.figure("ravine-momentum", (root, data) => {
  const words = data.labels;
  const { walk, loss, theory, measure, best } = course.momentum;
  const methods = ["momentum", "nesterov"];
  const { looks } = data;
  const short = (value) => String(Number(value.toPrecision(3)));
  const brief = (value) =>
    !Number.isFinite(value) || value > 1e6 ? "∞" : value < 1e-6 ? course.minus(value.toExponential(0)) : short(value);
  let start = data.start;
  let t = data.steps;

  /** Steps for one more decimal digit at a rate; without end from 1 on. */
  const digit = (rate) => (rate < 1 ? -Math.LN10 / Math.log(Math.max(rate, 1e-9)) : Infinity);

  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.map, height: 196,
    x: { range: [-5, 5], ticks: [-4, -2, 0, 2, 4] }, y: { range: [-2.4, 2.4], ticks: [-2, 0, 2] },
  });
  const lrs = data.lr.values;
  const plane = course.panel(row, {
    title: words.plane, height: 190,
    x: { range: [lrs[0], lrs.at(-1)], log: true, ticks: [0.1, 1, 10, 100], label: words.lr_axis },
    // By what a step forgets, so that the long memories stand apart.
    y: { range: [1, 0.01], log: true, ticks: [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01], format: (v) => short(1 - v) },
  });
  const [rings, mapLayer, shade, planeLayer] = [map.layer(), map.layer(), plane.layer(), plane.layer()];
  const told = ([a, b]) => course.minus(course.fill(words.at, { a: a.toFixed(1), b: b.toFixed(1) }));
  const startGrip = course.grip(map, {
    label: words.start, at: start, words: told(start), keys: [0.2, 0.2],
    move: ([a, b]) => {
      player.stop();
      start = [course.clamp(a, -4.8, 4.8), course.clamp(b, -2.2, 2.2)];
      startGrip.set(start, told(start));
      show();
    },
  });
  const settingGrip = course.grip(plane, {
    label: words.setting, at: [10, 0.1], words: "",
    keys: (here, [across, up]) => {
      const step = (control, by) => control.index + by;
      if (across) nudge(lr, step(lr, across));
      if (up) nudge(beta, step(beta, up));
      return [lr.value, 1 - beta.value];
    },
    move: ([a, forgets]) => {
      player.stop();
      set("lr", lr, a);
      set("beta", beta, 1 - forgets);
      show();
    },
  });
  course.legend(root, [{ label: words.plain, colour: looks.plain.colour }]);

  /** The places of a slider, a list of its own: a button may put an exact value in one of them. */
  const places = Object.fromEntries(["k", "lr", "beta"].map((name) => [name, [...data[name].values]]));
  const change = () => {
    player.stop();
    show();
  };
  const control = (name, then) =>
    course.slider(root, {
      id: `live-momentum-${name}`, label: words[name], values: places[name], start: data[name].start, format: short,
      change: then,
    });
  const lr = control("lr", change);
  const beta = control("beta", change);
  const k = control("k", change);
  const method = course.choice(root, {
    name: "live-momentum-method", legend: words.method, chosen: ["momentum"], change,
    options: methods.map((value) => ({ value, label: words[value], colour: looks[value].colour })),
  });
  const buttons = course.html(root, "div", { class: "live-control live-buttons" });
  const state = course.state(root);
  const player = course.player(buttons, {
    play: words.play, pause: words.pause, every: 90, state,
    tick: () => {
      t = t >= data.steps ? 0 : t + 1;
      show();
      return t < data.steps;
    },
  });
  const press = (label, what) =>
    course.button(buttons, label, () => {
      player.stop();
      what();
      show();
    });
  press(words.step, () => (t = t >= data.steps ? 0 : t + 1));
  press(words.restart, () => (t = 0));
  press(words.best, () => {
    const [rate, memory] = best(method.value, k.value);
    set("beta", beta, memory, true);
    set("lr", lr, rate, true);
  });

  function nudge(slider, index) {
    slider.set(course.clamp(index, 0, Number(slider.input.max)));
  }

  /** Move a slider to the nearest place; `exactly` puts the value itself there: best settings are at an edge. */
  function set(name, slider, wanted, exactly = false) {
    const scale = name === "lr" ? Math.log : (v) => v;
    const away = data[name].values.map((value) => Math.abs(scale(value) - scale(wanted)));
    const nearest = away.indexOf(Math.min(...away));
    places[name].splice(0, Infinity, ...data[name].values);
    if (exactly) places[name][nearest] = wanted;
    slider.set(nearest);
  }

  const bands = [5, 10, 20, 40, 80, 200, Infinity];
  let shaded = "";

  /** Shade the plane by the steps a digit. A row is cut where the band changes. */
  function shadePlane(curvatures) {
    const key = `${method.value} ${k.value}`;
    if (key === shaded) return;
    shaded = key;
    shade.replaceChildren();
    const [left, right] = [plane.inside.left, plane.inside.right];
    const rows = 70;
    const columns = 90;
    const high = (plane.inside.bottom - plane.inside.top) / rows;
    const wide = (right - left) / columns;
    const band = (i, j) => {
      const [rate, forgets] = [plane.x.back(left + (i + 0.5) * wide), plane.y.back(plane.inside.top + (j + 0.5) * high)];
      const shrink = theory(method.value, curvatures, rate, 1 - forgets);
      return shrink >= 1 ? -1 : bands.findIndex((most) => digit(shrink) <= most);
    };
    for (let j = 0; j < rows; j++) {
      for (let i = 0, from = 0; i < columns; i++) {
        const now = band(i, j);
        if (i + 1 < columns && band(i + 1, j) === now) continue;
        if (now >= 0) {
          course.svg(shade, "rect", {
            class: `live-dot live-c${looks[method.value].colour}`, "fill-opacity": 0.78 - 0.11 * now,
            x: left + from * wide, y: plane.inside.top + j * high, width: (i + 1 - from) * wide, height: high, "shape-rendering": "crispEdges",
          });
        }
        from = i + 1;
      }
    }
    course.label(shade, words.beyond, { x: right - 8, y: plane.inside.bottom - 12, "text-anchor": "end" });
  }

  function tale(rate) {
    if (Math.abs(rate - 1) < 1e-9) return words.stays;
    if (rate > 1) return words.diverges;
    return course.fill(words.digit, { steps: Math.max(1, Math.ceil(digit(rate))) });
  }

  /** A walk on the map, up to step t. What leaves the map for good is drawn up to there. */
  function draw(name, points) {
    const gone = points.findIndex((theta) => Math.abs(theta[1]) > 12);
    const drawn = points.slice(0, gone < 0 ? t + 1 : Math.min(gone + 1, t + 1));
    const layer = course.svg(mapLayer, "g", { class: `live-c${looks[name].colour}` });
    map.line(layer, drawn, name === "plain" ? { "stroke-width": 1.2, "stroke-opacity": 0.8 } : {});
    map.dots(layer, drawn.slice(1), { r: name === "plain" ? 1.6 : 2.2 });
    if (drawn.length === t + 1) map.dots(layer, [drawn[t]], { r: 4.5 });
  }

  function show() {
    const curvatures = [1 / k.value, 1];
    rings.replaceChildren();
    course.rings(map, rings, curvatures, [0.003, 0.02, 0.08, 0.3, 0.9, 2, 4]);
    mapLayer.replaceChildren();
    planeLayer.replaceChildren();
    shadePlane(curvatures);

    const plain = walk("plain", curvatures, start, ...best("plain", k.value), data.steps);
    const points = walk(method.value, curvatures, start, lr.value, beta.value, data.steps);
    draw("plain", plain);
    draw(method.value, points);
    map.dots(mapLayer, [start], { class: "live-start live-c5", r: 6 });
    map.dots(mapLayer, [[0, 0]], { class: "live-dot live-c5", r: 3.5 });

    const here = [lr.value, 1 - beta.value];
    plane.dots(planeLayer, [here], { class: "live-start live-c5", r: 7, "stroke-width": 2.5 });
    plane.dots(planeLayer, [here], { class: "live-dot live-c5", r: 2.5 });
    settingGrip.set(here, course.fill(words.pair, { lr: short(lr.value), beta: short(beta.value) }));

    const promised = theory(method.value, curvatures, lr.value, beta.value);
    const name = words[method.value];
    state.textContent = course.fill(words.state, {
      name: name[0].toUpperCase() + name.slice(1),
      k: k.value, lr: short(lr.value), beta: short(beta.value),
      measured: measure(method.value, curvatures, lr.value, beta.value, data.settle, data.settle).toFixed(3),
      theory: promised.toFixed(3),
      tale: tale(promised),
      t,
      loss: brief(loss(curvatures, points[t])),
      plain: brief(loss(curvatures, plain[t])),
    });
  }
  show();
});

course.figure("two-roots", (root, data) => {
  const words = data.labels;
  const { roots, walk } = course.momentum;
  const row = course.panels(root);
  // Both axes with the same number of pixels a unit: the circles are circles.
  const plane = course.panel(row, {
    title: words.plane, height: 200,
    x: { range: [-1.91, 1.91], ticks: [-1, 0, 1] }, y: { range: [-1.21, 1.21], ticks: [-1, 0, 1] },
  });
  const time = course.panel(row, {
    title: words.walk, height: 200,
    x: { range: [0, data.steps], ticks: [0, 20, 40, 60], label: words.step }, y: { range: [-1.6, 1.6], ticks: [-1, 0, 1] },
  });
  const [planeLayer, timeLayer] = [plane.layer(), time.layer()];
  const control = (name) =>
    course.slider(root, {
      id: `live-roots-${name}`, label: words[name], values: data[name].values, start: data[name].start,
      change: () => {
        player.stop();
        show();
      },
    });
  const pull = control("pull");
  const beta = control("beta");
  const buttons = course.html(root, "div", { class: "live-control live-buttons" });
  const state = course.state(root);
  const last = data.pull.values.length - 1;
  const player = course.player(buttons, {
    play: words.play, pause: words.pause, every: 60, state,
    tick: () => {
      pull.set(pull.index >= last ? 0 : Math.min(last, pull.index + 4));
      show();
      return pull.index < last;
    },
  });

  const circle = (radius) =>
    Array.from({ length: 97 }, (_, i) => [radius * Math.cos((i * Math.PI) / 48), radius * Math.sin((i * Math.PI) / 48)]);

  function show() {
    planeLayer.replaceChildren();
    timeLayer.replaceChildren();
    plane.line(planeLayer, [[-2, 0], [2, 0]], { class: "live-ring" });
    plane.line(planeLayer, [[0, -2], [0, 2]], { class: "live-ring" });
    plane.line(planeLayer, circle(1), { class: "live-line live-c5" });
    plane.line(planeLayer, circle(Math.sqrt(beta.value)), { class: "live-line live-c7", "stroke-dasharray": "4 3" });
    for (const which of [0, 1]) {
      const path = data.pull.values.map((value) => roots(value, beta.value)[which]);
      // The larger and the smaller root change places on the way: dots, not a line.
      plane.dots(planeLayer, path.filter((_, i) => i % 5 === 0), { class: "live-dot live-c7", r: 1.1, "fill-opacity": 0.7 });
    }
    const pair = roots(pull.value, beta.value);
    plane.dots(planeLayer, pair, { class: "live-dot live-c2", r: 5.5 });

    // One direction of curvature 1: lr is then pull / (1 - beta).
    const points = walk("momentum", [1], [1], pull.value / (1 - beta.value), beta.value, data.steps);
    const gone = points.findIndex(([value]) => Math.abs(value) > 30);
    const drawn = points.map(([value], i) => [i, value]).slice(0, gone < 0 ? undefined : gone + 1);
    time.line(timeLayer, [[0, 0], [data.steps, 0]], { class: "live-ring" });
    time.line(timeLayer, drawn, { class: "live-line live-c2", "stroke-width": 1.4 });
    time.dots(timeLayer, drawn, { class: "live-dot live-c2", r: 2.2 });

    const size = Math.hypot(...pair[0]);
    const [real, imaginary] = pair[0];
    const complex = imaginary !== 0;
    const other = pair[1][0];
    let tale = words.mixed;
    if (size > 1 + 1e-12) tale = words.gone;
    else if (complex) {
      tale = course.fill(words.swing, { period: ((2 * Math.PI) / Math.atan2(Math.abs(imaginary), real)).toFixed(1) });
    } else if (real > 0 && other >= 0) tale = words.creep;
    else if (real < 0 && other <= 0) tale = words.flip;
    const two = (value) => course.minus(value.toFixed(2));
    state.textContent = course.fill(words.state, {
      roots: complex
        ? course.fill(words.pair, { real: two(real), imaginary: Math.abs(imaginary).toFixed(2) })
        : course.fill(words.two, { one: two(real), other: two(other) }),
      size: size.toFixed(3),
      tale,
    });
  }
  show();
});
