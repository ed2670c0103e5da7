// Chapter 4's interactive figure: beta and lr on a ravine. The arithmetic is live; a browser test
// holds it equal to the references. Everywhere `lr` is that of the averaged form.
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

  return { step, nesterov, bowl, walk, loss, theory, measure, best };
})();

course.figure("ravine-momentum", (root, data) => {
  const words = data.labels;
  const methods = ["plain", "momentum", "nesterov"];
  const colours = { plain: 1, momentum: 2, nesterov: 3 };
  const dashes = { plain: "none", momentum: "7 3", nesterov: "2 3" };
  const seen = 60;
  const steps = 120;
  const short = (value) => String(Number(value.toPrecision(3)));

  /** Steps for one more decimal digit at a rate; without end from 1 on. */
  const digit = (rate) => (rate < 1 ? -Math.LN10 / Math.log(Math.max(rate, 1e-9)) : Infinity);

  /** The places of a slider, a list of its own: a button may put an exact value in one of them. */
  const places = Object.fromEntries(["k", "lr", "beta"].map((name) => [name, [...data[name].values]]));
  const control = (name) =>
    course.slider(root, {
      id: `live-momentum-${name}`,
      label: words[name],
      values: places[name],
      start: data[name].start,
      format: short,
      change: show,
    });
  const k = control("k");
  const lr = control("lr");
  const beta = control("beta");
  const form = course.choice(root, {
    name: "live-momentum-form",
    legend: words.form,
    options: ["averaged", "torch"].map((value) => ({ value, label: words[value] })),
    chosen: ["averaged"],
    change: show,
  });
  const shown = course.choice(root, {
    name: "live-momentum-methods",
    legend: words.methods,
    options: methods.map((value) => ({
      value, label: words[value], colour: colours[value], dash: dashes[value],
    })),
    chosen: methods,
    many: true,
    change: show,
  });
  const buttons = course.html(root, "div", { class: "live-control live-buttons" });
  for (const method of methods) {
    course.button(buttons, course.fill(words.best, { method: words[method] }), () => {
      const [rate, memory] = course.momentum.best(method, k.value);
      set("beta", beta, memory);
      set("lr", lr, form.value === "averaged" ? rate : rate * (1 - memory));
    });
    buttons.append(" ");
  }

  /** Move a slider to a value. The nearest place takes it: the best settings stand at an edge. */
  function set(name, slider, wanted) {
    const away = data[name].values.map((value) => Math.abs(value - wanted));
    const nearest = away.indexOf(Math.min(...away));
    places[name].splice(0, Infinity, ...data[name].values);
    places[name][nearest] = wanted;
    slider.input.value = nearest;
    slider.input.dispatchEvent(new Event("input"));
  }

  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.map,
    height: 200,
    x: { range: [-5, 5] },
    y: { range: [-3, 3] },
  });
  const fall = course.panel(row, {
    title: words.loss,
    height: 200,
    x: { range: [0, steps], ticks: [0, 40, 80], label: words.step },
    y: { range: [1e-8, 1e4], log: true, ticks: [1e-8, 1e-4, 1, 1e4], format: (v) => `10^${Math.log10(v)}` },
  });
  const rates = course.panel(row, {
    title: words.rate,
    height: 200,
    x: { range: [0.05, 101], log: true, ticks: [0.1, 1, 10], label: words.lr_axis },
    // By steps a digit, so that rates close to 1 stand apart; what diverges is beyond the top.
    y: {
      range: [digit(0.05), digit(0.9995)],
      log: true,
      ticks: [0.1, 0.5, 0.9, 0.99, 0.999].map(digit),
      format: (steps) => short(10 ** (-1 / steps)),
    },
  });
  const rings = map.layer();
  const layers = [map, fall, rates].map((panel) => panel.layer());
  const state = course.state(root);

  /** The averaged form's learning rate, whichever form the slider stands for; plain has but one. */
  const averaged = (method, value) =>
    method === "plain" || form.value === "averaged" ? value : value / (1 - beta.value);

  function tale(rate) {
    if (Math.abs(rate - 1) < 1e-9) return words.stays;
    if (rate > 1) return words.diverges;
    return course.fill(words.digit, { steps: Math.max(1, Math.ceil(digit(rate))) });
  }

  function show() {
    const curvatures = [1 / k.value, 1];
    rings.replaceChildren();
    course.rings(map, rings, curvatures, [0.003, 0.02, 0.08, 0.3, 0.9, 2, 4]);
    for (const layer of layers) layer.replaceChildren();
    const sentences = [
      course.fill(words.settings, { k: k.value, lr: short(lr.value), beta: short(beta.value) }),
    ];
    for (const method of shown.values) {
      const rate = averaged(method, lr.value);
      const { walk, loss, theory, measure } = course.momentum;
      const points = walk(method, curvatures, data.start, rate, beta.value, steps);
      const promised = theory(method, curvatures, rate, beta.value);
      const measured = measure(method, curvatures, rate, beta.value, data.settle, data.settle);
      const [onMap, onFall, onRates] = layers.map((layer) =>
        course.svg(layer, "g", { class: `live-c${colours[method]}` }),
      );
      const dash = { "stroke-dasharray": dashes[method] };
      // What leaves the map for good is drawn up to there: its swings would hide everything else.
      const gone = points.findIndex((theta) => Math.abs(theta[1]) > 12);
      const drawn = points.slice(0, gone < 0 ? seen + 1 : Math.min(gone + 1, seen + 1));
      map.line(onMap, drawn, dash);
      map.dots(onMap, drawn.slice(1), { r: 2 });
      map.dots(onMap, points.slice(0, 1), { class: "live-start", r: 5 });
      fall.line(onFall, points.map((theta, t) => [t, loss(curvatures, theta)]), dash);
      const curve = data.lr.values.map((value) => [
        value,
        digit(theory(method, curvatures, averaged(method, value), beta.value)),
      ]);
      rates.line(onRates, curve, dash);
      rates.dots(onRates, [[lr.value, digit(measured)]], { class: "live-start", r: 5 });
      sentences.push(
        course.fill(words.state, {
          name: words[method][0].toUpperCase() + words[method].slice(1),
          measured: measured.toFixed(3),
          theory: promised.toFixed(3),
          tale: tale(promised),
        }),
      );
    }
    state.textContent = sentences.join(" ");
  }
  show();
});
