// Chapter 1's interactive figure: sample size and the gap between risk and empirical risk. Samples
// are drawn and fitted here; a test holds the arithmetic equal to the reference.
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

  const polynomial = (theta, x) => theta.reduceRight((sum, coefficient) => sum * x + coefficient, 0);

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

  /** Least squares on the powers of x, over the first n readings: the coefficients. */
  function fit([x, y], degree, n = x.length) {
    const d = degree + 1;
    const A = Array.from({ length: d }, () => new Array(d).fill(0));
    const b = new Array(d).fill(0);
    for (let i = 0; i < n; i++) {
      const p = legendre(x[i], degree);
      for (let j = 0; j < d; j++) {
        b[j] += p[j] * y[i];
        for (let k = 0; k < d; k++) A[j][k] += p[j] * p[k];
      }
    }
    const weights = solve(A, b);
    const theta = new Array(d).fill(0);
    legendrePowers(degree).forEach((row, k) => row.forEach((v, j) => (theta[j] += weights[k] * v)));
    return theta;
  }

  return { readings, polynomial, empirical, exact, fit };
})();

course.figure("sample-size", (root, data) => {
  const { readings, polynomial, empirical, exact, fit } = course.risk;
  const { n: sizes, population, labels } = data;
  const SAMPLES = 300;
  const samples = Array.from({ length: SAMPLES }, (_, i) =>
    readings(population, sizes[sizes.length - 1], 7919 * (i + 1)),
  );
  const colour = { rule: 1, fit: 2 };
  let current = 0;

  const who = course.choice(root, {
    name: "live-judged",
    legend: labels.who,
    options: ["rule", "fit"].map((value) => ({ value, label: labels[value], colour: colour[value] })),
    chosen: ["rule"],
    change: redraw,
  });
  const size = course.slider(root, {
    id: "live-sample-size", label: labels.n, values: sizes, start: data.start, change: show,
  });
  const again = course.button(root, labels.again, () => {
    current = (current + 1) % SAMPLES;
    show();
  });

  const row = course.panels(root);
  const map = course.panel(row, {
    title: labels.sample,
    x: { range: [-1.05, 1.05], ticks: [-1, 0, 1] },
    y: { range: [-8, 8], ticks: [-5, 0, 5] },
  });
  const fall = course.panel(row, {
    title: labels.gaps,
    x: { range: [17, 970], log: true, ticks: [32, 128, 512], label: labels.readings },
    y: { range: [1e-3, 10], log: true, ticks: [1e-3, 1e-2, 0.1, 1, 10], format: (v) => `10^${Math.log10(v)}` },
  });
  const sample = map.layer();
  const cloud = fall.layer();
  const path = fall.layer();
  const state = course.state(root);
  const across = Array.from({ length: 81 }, (_, i) => i / 40 - 1);

  /** Risk, empirical risk and gap of whoever is judged, on the first n readings of a sample. */
  function judge(kind, drawn, n) {
    const theta = kind === "rule" ? data.rule : fit(drawn, data.degree, n);
    const risk = exact(population, theta);
    const found = empirical(theta, drawn, n);
    return { theta, risk, found, gap: risk - found };
  }

  const known = {};
  const gaps = (kind) =>
    (known[kind] ??= samples.map((drawn) => sizes.map((n) => judge(kind, drawn, n).gap)));

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
    const now = judge(kind, drawn, n);

    sample.replaceChildren();
    sample.setAttribute("class", `live-c${colour[kind]}`);
    const truth = across.map((x) => [x, population.amplitude * Math.sin(Math.PI * x)]);
    map.line(sample, truth, { class: "live-ring", style: "stroke-opacity: 0.8; stroke-dasharray: 2 4" });
    const dots = drawn[0].slice(0, n).map((x, j) => [x, drawn[1][j]]);
    map.dots(sample, dots, { r: n > 200 ? 1.3 : 2.2, "fill-opacity": 0.6 });
    map.line(sample, across.map((x) => [x, polynomial(now.theta, x)]));

    path.replaceChildren();
    path.setAttribute("class", `live-c5`);
    fall.line(path, [[n, 1e-4], [n, 100]], { class: "live-grid" });
    fall.line(path, gaps(kind)[current].map((gap, k) => [sizes[k], Math.abs(gap)]));
    fall.dots(path, [[n, Math.abs(now.gap)]], { r: 5 });

    const figures = (v) => course.minus(v.toFixed(Math.abs(v) < 0.1 ? 3 : 2));
    const judged = kind === "rule" ? "The rule 3x" : "The cubic fitted to this sample";
    const usual = kind === "rule" ? "root mean square of the gaps" : "mean gap";
    state.textContent =
      `n = ${n}. ${judged}: risk ${figures(now.risk)}, empirical risk ${figures(now.found)}, ` +
      `gap ${figures(now.gap)}. Over ${SAMPLES} samples of this size the ${usual} is ` +
      `${figures(typical(kind, i))}, expected ${figures(data.expected[kind][i])}.`;
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
