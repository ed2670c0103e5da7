// Chapter 1's interactive figures: a polynomial that is fitted to a sample, a constant that stands for
// five readings, and the gap between risk and empirical risk. Samples are drawn and fitted here; a test
// holds the arithmetic equal to the reference.
course.risk = (() => {
  /** Uniform numbers in (0, 1) from a seed (Tommy Ettinger's mulberry32). */
  function uniforms(seed) {
    let a = seed >>> 0;
    return () => {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), a | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
    };
  }

  /** n readings [[x, ...], [y, ...]] of the population; a longer sample begins with the shorter. */
  function readings({ amplitude, noise }, n, seed) {
    const next = uniforms(seed);
    const x = [];
    const y = [];
    for (let i = 0; i < n; i++) {
      x.push(2 * next() - 1);
      const normal = Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()); // Box and Muller
      y.push(amplitude * Math.sin(Math.PI * x[i]) + noise * normal);
    }
    return [x, y];
  }

  /** Millions of them are asked for at once: a loop, no function for each coefficient. */
  function polynomial(theta, x) {
    let sum = 0;
    for (let k = theta.length - 1; k >= 0; k--) sum = sum * x + theta[k];
    return sum;
  }

  /** Mean squared error of a polynomial on the first n readings. */
  function empirical(theta, [x, y], n = x.length) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (y[i] - polynomial(theta, x[i])) ** 2;
    return sum / n;
  }

  /** Its mean squared error over the population: noise^2 + E[truth^2] - 2 theta.c + theta.G theta. */
  function exact({ amplitude, noise, G, c }, theta) {
    let sum = noise ** 2 + amplitude ** 2 / 2;
    for (let j = 0; j < theta.length; j++) {
      sum -= 2 * theta[j] * c[j];
      for (let k = 0; k < theta.length; k++) sum += theta[j] * G[j][k] * theta[k];
    }
    return sum;
  }

  /** Legendre's polynomials at x: nearly orthogonal on a sample, so that no digits are lost. */
  function legendre(x, degree) {
    const p = [1, x];
    for (let k = 1; k < degree; k++) p.push(((2 * k + 1) * x * p[k] - k * p[k - 1]) / (k + 1));
    return p.slice(0, degree + 1);
  }

  /** The same polynomials' coefficients of 1, x, x^2, ..., one row each. */
  function legendrePowers(degree) {
    const rows = [[1], [0, 1]];
    for (let k = 1; k < degree; k++) {
      rows.push(
        Array.from({ length: k + 2 }, (_, j) =>
          ((2 * k + 1) * (rows[k][j - 1] ?? 0) - k * (rows[k - 1][j] ?? 0)) / (k + 1),
        ),
      );
    }
    return rows.slice(0, degree + 1);
  }

  /** Solve A w = b, A symmetric and positive, by Gauss's elimination. */
  function solve(A, b) {
    const d = b.length;
    for (let k = 0; k < d; k++) {
      for (let i = k + 1; i < d; i++) {
        const factor = A[i][k] / A[k][k];
        for (let j = k; j < d; j++) A[i][j] -= factor * A[k][j];
        b[i] -= factor * b[k];
      }
    }
    for (let k = d - 1; k >= 0; k--) {
      for (let j = k + 1; j < d; j++) b[k] -= A[k][j] * b[j];
      b[k] /= A[k][k];
    }
    return b;
  }

  /**
   * Least squares on the powers of x, over the first n readings for each n of `sizes`, which rise: the
   * coefficients. Each reading is looked at once.
   */
  function fits([x, y], degree, sizes) {
    const d = degree + 1;
    const A = Array.from({ length: d }, () => new Array(d).fill(0));
    const b = new Array(d).fill(0);
    const powers = legendrePowers(degree);
    let i = 0;
    return sizes.map((n) => {
      for (; i < n; i++) {
        const p = legendre(x[i], degree);
        for (let j = 0; j < d; j++) {
          b[j] += p[j] * y[i];
          for (let k = 0; k < d; k++) A[j][k] += p[j] * p[k];
        }
      }
      const weights = solve(A.map((row) => [...row]), [...b]);
      const theta = new Array(d).fill(0);
      powers.forEach((row, k) => row.forEach((v, j) => (theta[j] += weights[k] * v)));
      return theta;
    });
  }

  /** Least squares over the first n readings. */
  const fit = (drawn, degree, n = drawn[0].length) => fits(drawn, degree, [n])[0];

  const mean = (y) => y.reduce((sum, v) => sum + v, 0) / y.length;

  /** The middle one of an odd number of numbers. */
  const median = (y) => [...y].sort((a, b) => a - b)[(y.length - 1) / 2];

  const losses = {
    mse: (y, c) => mean(y.map((v) => (v - c) ** 2)),
    mae: (y, c) => mean(y.map((v) => Math.abs(v - c))),
  };

  /** A day's truth as points of a line, for a panel. */
  const across = Array.from({ length: 121 }, (_, i) => i / 60 - 1);
  const truth = ({ amplitude }) => across.map((x) => [x, amplitude * Math.sin(Math.PI * x)]);
  const curve = (theta) => across.map((x) => [x, polynomial(theta, x)]);

  return { readings, polynomial, empirical, exact, fit, fits, mean, median, losses, truth, curve };
})();

course.figure("fit-a-sample", (root, data) => {
  const { readings, empirical, exact, fit, truth, curve } = course.risk;
  const { population, labels: words, n, degrees } = data;
  const PAST = 12; // fits of earlier samples that stay, faintly
  let seed = data.seed;

  const row = course.panels(root);
  const map = course.panel(row, {
    title: words.sample, height: 190, x: { range: [-1.05, 1.05], ticks: [-1, 0, 1] }, y: { range: [-8, 8], ticks: [-5, 0, 5] },
  });
  const errors = course.panel(row, {
    title: words.errors, height: 190,
    x: { range: [-0.4, degrees.at(-1) + 0.4], ticks: degrees.filter((k) => k % 3 === 0), label: words.axis },
    y: { range: [0.1, 1000], log: true, ticks: [0.1, 1, 10, 100, 1000], format: String },
  });
  const [past, now, lines] = [map.layer(), map.layer(), errors.layer()];
  course.legend(root, [
    { label: words.training, colour: 1 }, { label: words.risk, colour: 2, dash: "7 4" },
    { label: words.truth, colour: 5, dash: "2 4" },
  ]);
  const buttons = course.html(root, "div", { class: "live-row" });
  const state = course.state(root);
  course.button(buttons, words.again, () => {
    player.stop();
    another();
  });
  const player = course.player(buttons, {
    play: words.play, pause: words.pause, every: 350, state,
    tick: () => {
      another();
      return (seed - data.seed) % 40 !== 0;
    },
  });
  const degree = course.slider(root, {
    id: "live-fit-degree", label: words.degree, values: degrees, start: data.start,
    change: () => {
      player.stop();
      show();
    },
  });
  root.append(state);

  const drawn = (number) => readings(population, n, 7919 * number);

  function another() {
    seed += 1;
    show();
  }

  function show() {
    const sample = drawn(seed);
    const all = degrees.map((k) => {
      const theta = fit(sample, k);
      return { theta, training: empirical(theta, sample), risk: exact(population, theta) };
    });
    const { theta, training, risk } = all[degree.index];
    for (const layer of [past, now, lines]) layer.replaceChildren();
    for (let i = Math.max(data.seed, seed - PAST); i < seed; i++) {
      map.line(past, curve(fit(drawn(i), degree.value)), { class: "live-line live-c1", "stroke-opacity": 0.25 });
    }
    map.line(now, truth(population), { class: "live-line live-c5", "stroke-dasharray": "2 4" });
    map.dots(now, sample[0].map((x, i) => [x, sample[1][i]]), { class: "live-dot live-c5", r: 2.6 });
    map.line(now, curve(theta), { class: "live-line live-c1" });
    errors.line(lines, all.map((fitted, i) => [degrees[i], fitted.training]), { class: "live-line live-c1" });
    errors.line(lines, all.map((fitted, i) => [degrees[i], fitted.risk]), { class: "live-line live-c2", "stroke-dasharray": "7 4" });
    errors.dots(lines, [[degree.value, training]], { class: "live-dot live-c1", r: 5 });
    errors.dots(lines, [[degree.value, risk]], { class: "live-dot live-c2", r: 5 });
    const best = all.reduce((least, fitted, i) => (fitted.risk < all[least].risk ? i : least), 0);
    const figures = (v) => (v < 100 ? v.toFixed(2) : v.toFixed(0));
    state.textContent = course.fill(words.state, {
      n, degree: degree.value, training: figures(training), risk: figures(risk), best: degrees[best],
    });
  }
  show();
});

course.figure("best-constant", (root, data) => {
  const { mean, median, losses } = course.risk;
  const { labels: words, low, high } = data;
  const places = Array.from({ length: 141 }, (_, i) => low + ((high - low) * i) / 140);
  const temperature = { range: [low, high], ticks: data.ticks };
  const row = course.panels(root);
  const panels = ["mse", "mae"].map((name) =>
    course.panel(row, {
      title: words[name], height: 150, x: temperature,
      y: { range: [-data.top[name] / 10, data.top[name]], ticks: [0, data.top[name] / 2, data.top[name]] },
    }),
  );
  const layers = panels.map((panel) => panel.layer());
  const slider = course.slider(root, {
    id: "live-outlier", label: words.outlier, values: data.values, start: data.start,
    format: (v) => v.toFixed(1), change: show,
  });
  const state = course.state(root);
  const handles = panels.map((panel) =>
    course.draggable(panel, ([c]) => {
      const step = data.values[1] - data.values[0];
      slider.set(course.clamp(Math.round((c - data.values[0]) / step), 0, data.values.length - 1));
      show();
    }),
  );

  function show() {
    const y = [...data.readings, slider.value];
    ["mse", "mae"].forEach((name, i) => {
      const [panel, layer] = [panels[i], layers[i]];
      const best = name === "mse" ? mean(y) : median(y);
      layer.replaceChildren();
      layer.setAttribute("class", `live-c${i + 1}`);
      panel.line(layer, places.map((c) => [c, losses[name](y, c)]));
      panel.line(layer, [[best, -1000], [best, 1000]], { "stroke-dasharray": "5 4" });
      panel.dots(layer, y.slice(0, -1).map((v) => [v, 0]), { class: "live-dot live-c5", r: 4 });
      panel.dots(layer, [[slider.value, 0]], { class: "live-start live-c5", r: 8 });
      handles[i].put([slider.value, 0]);
    });
    state.textContent = course.fill(words.state, {
      last: slider.value.toFixed(1), mean: mean(y).toFixed(1), median: median(y).toFixed(1),
    });
  }
  show();
});

course.figure("sample-size", (root, data) => {
  const { readings, empirical, exact, fits, truth, curve } = course.risk;
  const { n: sizes, population, labels } = data;
  const SAMPLES = 300;
  const samples = Array.from({ length: SAMPLES }, (_, i) =>
    readings(population, sizes[sizes.length - 1], 7919 * (i + 1)),
  );
  const colour = { rule: 1, fit: 2 };
  let current = 0;

  const row = course.panels(root);
  const map = course.panel(row, {
    title: labels.sample,
    height: 180,
    x: { range: [-1.05, 1.05], ticks: [-1, 0, 1] },
    y: { range: [-8, 8], ticks: [-5, 0, 5] },
  });
  const fall = course.panel(row, {
    title: labels.gaps,
    height: 180,
    x: { range: [17, 970], log: true, ticks: [32, 128, 512], label: labels.readings },
    y: { range: [1e-3, 10], log: true, ticks: [1e-3, 1e-2, 0.1, 1, 10], format: (v) => `10^${Math.log10(v)}` },
  });
  const sample = map.layer();
  const cloud = fall.layer();
  const path = fall.layer();
  const who = course.choice(root, {
    name: "live-judged",
    legend: labels.who,
    options: ["rule", "fit"].map((value) => ({ value, label: labels[value], colour: colour[value] })),
    chosen: ["rule"],
    change: redraw,
  });
  const size = course.slider(root, {
    id: "live-sample-size", label: labels.n, values: sizes, start: data.start,
    change: () => {
      player.stop();
      show();
    },
  });
  const buttons = course.html(root, "div", { class: "live-row" });
  const state = course.state(root);
  const another = () => {
    current = (current + 1) % SAMPLES;
    show();
  };
  course.button(buttons, labels.again, () => {
    player.stop();
    another();
  });
  const player = course.player(buttons, {
    play: labels.play, pause: labels.pause, every: 350, state,
    tick: () => {
      another();
      return current % 40 !== 0;
    },
  });

  /** Risk, empirical risk and gap of whoever is judged, on the first n readings of a sample, for each n. */
  function judge(kind, drawn, lengths) {
    const thetas = kind === "rule" ? lengths.map(() => data.rule) : fits(drawn, data.degree, lengths);
    return lengths.map((n, i) => {
      const risk = exact(population, thetas[i]);
      const found = empirical(thetas[i], drawn, n);
      return { theta: thetas[i], risk, found, gap: risk - found };
    });
  }

  const known = {};
  const gaps = (kind) =>
    (known[kind] ??= samples.map((drawn) => judge(kind, drawn, sizes).map(({ gap }) => gap)));

  /** What falls in a straight line: the rule's gaps in the root mean square, the fit's in the mean. */
  function typical(kind, i) {
    const column = gaps(kind).map((row) => row[i]);
    const mean = (values) => values.reduce((sum, v) => sum + v, 0) / SAMPLES;
    return kind === "rule" ? Math.sqrt(mean(column.map((v) => v * v))) : mean(column);
  }

  function show() {
    const kind = who.value;
    const i = size.index;
    const n = size.value;
    const drawn = samples[current];
    const [now] = judge(kind, drawn, [n]);

    sample.replaceChildren();
    sample.setAttribute("class", `live-c${colour[kind]}`);
    map.line(sample, truth(population), { class: "live-ring", style: "stroke-opacity: 0.8; stroke-dasharray: 2 4" });
    const dots = drawn[0].slice(0, n).map((x, j) => [x, drawn[1][j]]);
    map.trail(sample, dots, { "stroke-opacity": 0.6, style: `stroke-width: ${n > 200 ? 2.6 : 4.4}` });
    map.line(sample, curve(now.theta));

    path.replaceChildren();
    path.setAttribute("class", `live-c5`);
    fall.line(path, [[n, 1e-4], [n, 100]], { class: "live-grid" });
    fall.line(path, gaps(kind)[current].map((gap, k) => [sizes[k], Math.abs(gap)]));
    fall.dots(path, [[n, Math.abs(now.gap)]], { r: 5 });

    const figures = (v) => course.minus(v.toFixed(Math.abs(v) < 0.1 ? 3 : 2));
    state.textContent = course.fill(labels.state, {
      n, judged: labels.judged[kind], risk: figures(now.risk), empirical: figures(now.found),
      gap: figures(now.gap), samples: SAMPLES, usual: labels.usual[kind],
      typical: figures(typical(kind, i)), expected: figures(data.expected[kind][i]),
    });
  }

  function redraw() {
    const kind = who.value;
    cloud.replaceChildren();
    cloud.setAttribute("class", `live-c${colour[kind]}`);
    // One path of dots: thousands of circles would be slow on a phone.
    const places = gaps(kind).flatMap((row, j) => {
      const aside = 12 * (((j * 0.618) % 1) - 0.5); // so that dots do not hide each other
      return row.map((gap, i) =>
        `M${(fall.x(sizes[i]) + aside).toFixed(1)} ${fall.y(Math.abs(gap)).toFixed(1)}h0`,
      );
    });
    course.svg(cloud, "path", {
      class: "live-line", d: places.join(""),
      style: "stroke-width: 1.8; stroke-linecap: round; stroke-opacity: 0.45",
    });
    fall.line(cloud, sizes.map((n, i) => [n, data.expected[kind][i]]), { "stroke-dasharray": "7 4" });
    const marks = sizes.map((n, i) => [n, typical(kind, i)]).filter(([, gap]) => gap > 0);
    fall.dots(cloud, marks, { class: "live-start", r: 5 });
    show();
  }
  redraw();
});
