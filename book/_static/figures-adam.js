// Chapter 5's interactive figure: all optimisers on one badly scaled surface. The arithmetic is here
// and nowhere else on the page; a browser test holds each step to the reference functions.
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

  /** Every point of a walk on the quadratic 1/2 theta.H.theta, start included. */
  function walk(name, H, start, count, settings) {
    const zeros = start.map(() => 0);
    let state = { theta: start, m: zeros, v: zeros };
    const points = [start];
    for (let t = 1; t <= count; t++) {
      state = steps[name](state, slope(H, state.theta), t, settings);
      points.push(state.theta);
    }
    return points;
  }
  return { steps, walk, loss };
})();

course.figure("optimiser-race", (root, data) => {
  const { walk, loss } = course.adam;
  const words = data.words;
  const slow = new Set(["GD", "momentum"]);
  const raised = (exponent) => [...String(exponent)].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
  const rate = (value) => value.toPrecision(2);
  const pick = ({ values, start }) => ({ values, start: values.indexOf(start), change: show });

  const racers = course.choice(root, {
    name: "live-racers",
    legend: words.racers,
    many: true,
    options: data.names.map((name, i) => ({
      value: name, label: name, colour: data.colours[i], dash: data.dashes[i],
    })),
    chosen: data.chosen,
    change: show,
  });
  const shape = course.choice(root, {
    name: "live-surface",
    legend: words.ravine,
    options: ["axes", "turned"].map((value) => ({ value, label: words[value] })),
    chosen: ["axes"],
    change: show,
  });
  const setting = (name, id, more = {}) =>
    course.slider(root, { id: `live-${id}`, label: words[name], ...pick(data[name]), ...more });
  const lr = setting("lr", "lr", { format: rate });
  const adaptiveLr = setting("adaptiveLr", "adaptive-lr", { format: rate });
  const beta1 = setting("beta1", "beta1");
  const beta2 = setting("beta2", "beta2");
  const eps = setting("eps", "eps");
  const weightDecay = setting("weightDecay", "weight-decay");
  const step = course.slider(root, {
    id: "live-step", label: words.shown, start: data.show, change: show,
    values: Array.from({ length: data.steps + 1 }, (_, t) => t),
  });

  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.map,
    height: 296, // as many pixels a unit upwards as across, so that a turned ring is right
    x: { range: [-5, 5], ticks: [-4, 0, 4] },
    y: { range: [-5, 5], ticks: [-4, 0, 4] },
  });
  const rings = map.layer();
  course.rings(map, rings, data.curvature, [0.5, 5, 20, 50, 125, 300, 700]);
  const fall = course.panel(row, {
    title: words.loss,
    height: 296,
    x: { range: [0, data.steps], ticks: [0, 50, 100, 150], label: words.step },
    y: { range: [1e-6, 1e4], log: true, ticks: [1e-6, 1e-3, 1, 1e3], format: (v) => `10^${Math.round(Math.log10(v))}` },
  });
  const marker = fall.layer();
  const layers = [map, fall].map((panel) => data.names.map((_, i) => {
    const layer = panel.layer();
    layer.setAttribute("class", `live-c${data.colours[i]}`);
    return layer;
  }));
  const state = course.state(root);

  function tell(value, start) {
    if (!Number.isFinite(value) || value > 1000 * start) return words.flown;
    if (value < 1e-12) return words.tiny;
    if (value >= 0.01 && value < 1000) return String(Number(value.toPrecision(2)));
    const [mantissa, exponent] = value.toExponential(1).split("e");
    return `${mantissa} × 10${raised(Number(exponent))}`;
  }

  function show() {
    const { H, start } = data.surfaces[shape.value];
    // A turn of the picture by 45 degrees anticlockwise; on the screen y runs down.
    const turn = shape.value === "turned" ? -45 : 0;
    for (const ring of rings.children) {
      ring.setAttribute("transform", `rotate(${turn} ${map.x(0)} ${map.y(0)})`);
    }
    const now = step.value;
    const standings = [];
    data.names.forEach((name, i) => {
      layers[0][i].replaceChildren();
      layers[1][i].replaceChildren();
      if (!racers.values.includes(name)) return;
      const settings = {
        lr: (slow.has(name) ? lr : adaptiveLr).value,
        beta1: beta1.value, beta2: beta2.value, eps: eps.value, weight_decay: weightDecay.value,
      };
      const points = walk(name, H, start, data.steps, settings);
      const losses = points.map((theta) => loss(H, theta));
      const look = { "stroke-dasharray": data.dashes[i] };
      map.line(layers[0][i], points.slice(0, now + 1), look);
      square(map, layers[0][i], points[now]);
      fall.line(layers[1][i], losses.map((value, t) => [t, value]), look);
      square(fall, layers[1][i], [now, losses[now]]);
      standings.push([Number.isFinite(losses[now]) ? losses[now] : Infinity, name, losses[0]]);
    });
    marker.replaceChildren();
    course.svg(marker, "line", {
      class: "live-grid", x1: fall.x(now), x2: fall.x(now), y1: fall.inside.top, y2: fall.inside.bottom,
    });
    standings.sort((a, b) => a[0] - b[0]);
    const list = standings.map(([value, name, first]) => `${name} ${tell(value, first)}`).join("; ");
    state.textContent = list ? course.fill(words.state, { step: now, list }) : words.nobody;
  }

  function square(panel, layer, [a, b]) {
    course.svg(layer, "rect", {
      class: "live-dot", width: 8, height: 8, x: (panel.x(a) - 4).toFixed(1), y: (panel.y(b) - 4).toFixed(1),
    });
  }
  show();
});
