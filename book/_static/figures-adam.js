// Chapter 5's interactive figures: a slider for each direction, and all optimisers on one badly scaled
// surface. The arithmetic is here and nowhere else on the page; browser tests hold each step and each
// learning rate to the reference functions.
course.adam = (() => {
  // Each takes theta, grad, m and v as arrays, t from 1 and { lr, beta1, beta2, eps,
  // weight_decay }; gives new ones.
  const average = (old, now, beta) => old.map((value, i) => beta * value + (1 - beta) * now[i]);
  const squares = (grad) => grad.map((g) => g * g);
  const move = (theta, lr, direction) => theta.map((value, i) => value - lr * direction[i]);
  const divide = (grad, v, eps) => grad.map((g, i) => g / (Math.sqrt(v[i]) + eps));

  const steps = {
    GD: ({ theta, m, v }, grad, t, { lr }) => ({ theta: move(theta, lr, grad), m, v }),
    momentum({ theta, m, v }, grad, t, { lr, beta1 }) {
      m = average(m, grad, beta1);
      return { theta: move(theta, lr, m), m, v };
    },
    normalised: ({ theta, m, v }, grad, t, { lr, eps }) => ({
      theta: move(theta, lr, grad.map((g) => g / (Math.abs(g) + eps))), m, v,
    }),
    AdaGrad({ theta, m, v }, grad, t, { lr, eps }) {
      v = v.map((sum, i) => sum + grad[i] * grad[i]);
      return { theta: move(theta, lr, divide(grad, v, eps)), m, v };
    },
    RMSprop({ theta, m, v }, grad, t, { lr, beta2, eps }) {
      v = average(v, squares(grad), beta2);
      return { theta: move(theta, lr, divide(grad, v, eps)), m, v };
    },
    Adam({ theta, m, v }, grad, t, { lr, beta1, beta2, eps }) {
      m = average(m, grad, beta1);
      v = average(v, squares(grad), beta2);
      const direction = m.map((value) => value / (1 - beta1 ** t));
      const size = v.map((value) => value / (1 - beta2 ** t));
      return { theta: move(theta, lr, divide(direction, size, eps)), m, v };
    },
    AdamW({ theta, m, v }, grad, t, settings) {
      const kept = 1 - settings.lr * settings.weight_decay;
      return steps.Adam({ theta: theta.map((value) => kept * value), m, v }, grad, t, settings);
    },
  };

  const slope = (H, theta) => H.map((row) => row.reduce((sum, h, j) => sum + h * theta[j], 0));
  const loss = (H, theta) => slope(H, theta).reduce((sum, g, i) => sum + (g * theta[i]) / 2, 0);

  /** Every state { theta, m, v } of a walk on the quadratic 1/2 theta.H.theta, start included. */
  function states(name, H, start, count, settings, noise) {
    const zeros = start.map(() => 0);
    const all = [{ theta: start, m: zeros, v: zeros }];
    for (let t = 1; t <= count; t++) {
      const before = all[t - 1];
      const exact = slope(H, before.theta);
      const grad = noise ? exact.map((g, i) => g + noise[t - 1][i]) : exact;
      all.push(steps[name](before, grad, t, settings));
    }
    return all;
  }

  /** Every point of it; `noise` is what is added to each gradient. */
  const walk = (...how) => states(...how).map(({ theta }) => theta);

  /** A walk with a learning rate for each direction: its points, and these rates at each step. */
  function desk(mode, { H, begin, steps: count }, { along, across, length }) {
    if (mode === "itself") {
      const settings = { lr: length, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
      const all = states("Adam", H, begin, count, settings);
      const rate = (v, t) => length / (Math.sqrt(v / (1 - settings.beta2 ** t)) + settings.eps);
      return {
        points: all.map(({ theta }) => theta),
        rates: all.slice(1).map(({ v }, i) => v.map((value) => rate(value, i + 1))),
      };
    }
    const rates = [along, mode === "one" ? along : across];
    const points = [begin];
    for (let t = 1; t <= count; t++) {
      const grad = slope(H, points[t - 1]);
      points.push(points[t - 1].map((value, i) => value - rates[i] * grad[i]));
    }
    return { points, rates: Array(count).fill(rates) };
  }

  /** A loss in words: two digits, a power of ten, or that it has left the map. */
  function tell(value, start, words) {
    if (!Number.isFinite(value) || value > 1000 * start) return words.flown;
    if (value < 1e-12) return words.tiny;
    if (value >= 0.01 && value < 1000) return String(Number(value.toPrecision(2)));
    const [mantissa, exponent] = value.toExponential(1).split("e");
    const raised = [...String(Number(exponent))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
    return `${mantissa} × 10${raised.join("")}`;
  }

  /** A square at a place of a panel. */
  function square(panel, layer, [a, b]) {
    course.svg(layer, "rect", {
      class: "live-dot", width: 8, height: 8, x: (panel.x(a) - 4).toFixed(1), y: (panel.y(b) - 4).toFixed(1),
    });
  }

  /** Play, one step, and a slider of the steps: `show` draws what it stands at. */
  function stepper(root, { id, words, count, start, state, show }) {
    const row = course.html(root, "div", { class: "live-control live-buttons" });
    const advance = () => {
      if (step.index === count) step.set(0);
      else step.set(step.index + 1);
      show();
      return step.index < count;
    };
    const player = course.player(row, { play: words.play, pause: words.pause, every: 80, state, tick: advance });
    course.button(row, words.next, () => {
      player.stop();
      advance();
    });
    const step = course.slider(root, {
      id, label: words.shown, start, values: Array.from({ length: count + 1 }, (_, t) => t),
      change: show,
    });
    // Whatever else is used, what plays stops.
    root.addEventListener("input", player.stop, true);
    return step;
  }
  return { steps, walk, loss, desk, tell, square, stepper };
})();

course.figure("mixing-desk", (root, data) => {
  const { desk, loss, tell, square, stepper } = course.adam;
  const { words, H, begin } = data;
  const short = (value) => (value < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(2))));

  const held = course.html(root, "div", { class: "live-held" });
  const row = course.panels(held);
  const map = course.panel(row, {
    title: words.map, height: 160, x: { range: [-4.6, 1.6], ticks: [-4, -2, 0] }, y: { range: [-2.5, 2.5], ticks: [-2, 0, 2] },
  });
  course.rings(map, map.layer(), data.curvature, [0.5, 5, 20, 50, 125, 300]);
  const walked = map.layer();
  const rates = course.panel(row, {
    title: words.rates, height: 150,
    x: { range: [0, data.steps], ticks: [0, 20, 40, 60], label: words.step },
    y: { range: [3e-4, 3], log: true, ticks: [0.001, 0.01, 0.1, 1], format: (v) => `10^${Math.round(Math.log10(v))}` },
  });
  const ideal = rates.layer();
  data.curvature.forEach((curvature, i) => {
    const at = 1 / curvature;
    rates.line(ideal, [[0, at], [data.steps, at]], { class: `live-line live-c${i + 3}`, "stroke-dasharray": "3 4", "stroke-width": 1 });
  });
  const set = rates.layer();
  course.legend(held, [
    { label: words.along_line, colour: 3 },
    { label: words.across_line, colour: 4, dash: "7 3" },
  ]);
  const state = course.state(held);

  const mode = course.choice(root, {
    name: "live-desk-mode", legend: words.mode, chosen: ["one"], change: show,
    options: data.modes.map((value) => ({ value, label: words[value] })),
  });
  const setting = (name) => course.slider(root, {
    id: `live-desk-${name}`, label: words[name], values: data[name].values,
    start: data[name].values.indexOf(data[name].start), format: short, change: show,
  });
  const sliders = { along: setting("along"), across: setting("across"), length: setting("length") };
  const step = stepper(root, { id: "live-desk-step", words, count: data.steps, start: 40, state, show });
  const label = sliders.along.input.parentElement.querySelector("label").firstChild;

  function show() {
    const chosen = mode.value;
    label.textContent = `${chosen === "one" ? words.both : words.along}: `;
    for (const [name, control] of Object.entries(sliders)) {
      control.input.parentElement.hidden = (name === "length") !== (chosen === "itself") || (name === "across" && chosen === "one");
    }
    const settings = { along: sliders.along.value, across: sliders.across.value, length: sliders.length.value };
    const { points, rates: all } = desk(chosen, data, settings);
    const now = step.value;
    walked.replaceChildren();
    set.replaceChildren();
    walked.setAttribute("class", `live-c${data.looks[chosen].colour}`);
    map.line(walked, points.slice(0, now + 1));
    map.dots(walked, [begin], { class: "live-start", r: 5 });
    square(map, walked, points[now]);
    for (const [i, dash] of ["none", "7 3"].entries()) {
      const line = all.map((rate, t) => [t + 1, rate[i]]);
      rates.line(set, line, { class: `live-line live-c${i + 3}`, "stroke-dasharray": dash });
    }
    const at = Math.max(now, 1);
    course.svg(set, "line", { class: "live-grid", x1: rates.x(at), x2: rates.x(at), y1: rates.inside.top, y2: rates.inside.bottom });
    const first = loss(H, begin);
    const [along, across] = all[at - 1].map(short);
    state.textContent = course.fill(words.state, {
      step: now, loss: tell(loss(H, points[now]), first, words), first: Math.round(first), along, across,
    });
  }
  show();
});

course.figure("optimiser-race", (root, data) => {
  const { walk, loss, tell, square, stepper } = course.adam;
  const words = data.words;
  const slow = new Set(["GD", "momentum"]);
  const rate = (value) => value.toPrecision(2);

  // The drawings come first, and stay in sight while the controls below them are used.
  const held = course.html(root, "div", { class: "live-held" });
  const row = course.panels(held);
  const map = course.panel(row, {
    title: words.map,
    height: 202, // as many pixels a unit upwards as across, so that a turned ring is right
    x: { range: [-5, 5], ticks: [-4, 0, 4] },
    y: { range: [-3.2, 3.2], ticks: [-2, 0, 2] },
  });
  const rings = map.layer();
  course.rings(map, rings, data.curvature, [0.5, 5, 20, 50, 125, 300, 700]);
  const fall = course.panel(row, {
    title: words.loss,
    height: 202,
    x: { range: [0, data.steps], ticks: [0, 50, 100, 150], label: words.step },
    y: { range: [1e-6, 1e4], log: true, ticks: [1e-6, 1e-3, 1, 1e3], format: (v) => `10^${Math.round(Math.log10(v))}` },
  });
  const marker = fall.layer();
  const layers = [map, fall].map((panel) => data.names.map((_, i) => {
    const layer = panel.layer();
    layer.setAttribute("class", `live-c${data.looks[i].colour}`);
    return layer;
  }));
  const state = course.state(held);

  const racers = course.choice(root, {
    name: "live-racers",
    legend: words.racers,
    many: true,
    options: data.names.map((name, i) => ({
      value: name, label: name, ...data.looks[i],
    })),
    chosen: data.chosen,
    change: again,
  });
  const step = stepper(root, { id: "live-step", words, count: data.steps, start: data.show, state, show });
  const shape = course.choice(root, {
    name: "live-surface",
    legend: words.ravine,
    options: ["axes", "turned"].map((value) => ({ value, label: words[value] })),
    chosen: ["axes"],
    change: again,
  });
  const setting = (name, id, more = {}) => course.slider(root, {
    id: `live-${id}`, label: words[name], values: data[name].values,
    start: data[name].values.indexOf(data[name].start), change: again, ...more,
  });
  const noise = setting("noise", "noise");
  const lr = setting("lr", "lr", { format: rate });
  const adaptiveLr = setting("adaptiveLr", "adaptive-lr", { format: rate });
  const beta1 = setting("beta1", "beta1");
  const beta2 = setting("beta2", "beta2");
  const eps = setting("eps", "eps");
  const weightDecay = setting("weightDecay", "weight-decay");
  let runs = [];

  /** The walks of all that are chosen, with what is set now. */
  function again() {
    const { H, start } = data.surfaces[shape.value];
    const added = noise.value ? data.normal.map((pair) => pair.map((z) => noise.value * z)) : null;
    runs = data.names.map((name) => {
      if (!racers.values.includes(name)) return null;
      const settings = {
        lr: (slow.has(name) ? lr : adaptiveLr).value,
        beta1: beta1.value, beta2: beta2.value, eps: eps.value, weight_decay: weightDecay.value,
      };
      const points = walk(name, H, start, data.steps, settings, added);
      return { points, losses: points.map((theta) => loss(H, theta)) };
    });
    // A turn of the picture by 45 degrees anticlockwise; on the screen y runs down.
    const turn = shape.value === "turned" ? -45 : 0;
    for (const ring of rings.children) {
      ring.setAttribute("transform", `rotate(${turn} ${map.x(0)} ${map.y(0)})`);
    }
    show();
  }

  function show() {
    const now = step.value;
    const standings = [];
    runs.forEach((run, i) => {
      layers[0][i].replaceChildren();
      layers[1][i].replaceChildren();
      if (!run) return;
      const { points, losses } = run;
      const look = { "stroke-dasharray": data.looks[i].dash };
      map.line(layers[0][i], points.slice(0, now + 1), look);
      square(map, layers[0][i], points[now]);
      fall.line(layers[1][i], losses.map((value, t) => [t, value]), look);
      square(fall, layers[1][i], [now, losses[now]]);
      standings.push([Number.isFinite(losses[now]) ? losses[now] : Infinity, data.names[i], losses[0]]);
    });
    marker.replaceChildren();
    course.svg(marker, "line", {
      class: "live-grid", x1: fall.x(now), x2: fall.x(now), y1: fall.inside.top, y2: fall.inside.bottom,
    });
    standings.sort((a, b) => a[0] - b[0]);
    const list = standings.map(([value, name, first]) => `${name} ${tell(value, first, words)}`).join("; ");
    state.textContent = list ? course.fill(words.state, { step: now, list }) : words.nobody;
  }
  again();
});
