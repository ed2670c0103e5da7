// Chapter 9's interactive figures. They draw what was measured, or simulated, when the page was built.
course.torch_gpu = (() => {
  const space = "\u00a0";

  /** A number to three digits, as the page's Python writes it. */
  const digits = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

  /** A number with the largest of the units [[size, name], ...] that leaves at least 1 of it. */
  function quantity(value, units) {
    const near = Number(value.toPrecision(3));
    const [size, name] = units.findLast(([each]) => each <= near * (1 + 1e-9)) ?? units[0];
    return `${digits(near / size)}${space}${name}`;
  }

  /** Some 1, 2 and 5 times powers of ten inside a range, or round steps where it is narrow. */
  function ticks([low, high], most = 4) {
    const inside = (values) => values.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
    const powers = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20));
    for (const parts of [[1, 2, 5], [1, 3], [1]]) {
      const found = inside(powers.flatMap((power) => parts.map((part) => part * power)));
      if (found.length >= 3 && found.length <= most) return found;
      if (found.length < 3) break;
    }
    const decades = inside(powers);
    if (decades.length > most) return decades.filter((_, i) => i % Math.ceil(decades.length / most) === 0);
    if (decades.length >= 2) return decades;
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((part) => part * power >= rough) * power;
    return inside(Array.from({ length: most + 2 }, (_, i) => (Math.ceil(low / step) + i) * step));
  }

  /** Seconds of a step by each limit of a device { flops, bandwidth }: what a step costs is
   *  [operations of an example, bytes of none, bytes of one more]. */
  const limits = ({ flops, bandwidth }, [operations, fixed, each], batch, launches, price) => ({
    launches: launches * price,
    bandwidth: (fixed + each * batch) / bandwidth,
    arithmetic: (operations * batch) / flops,
  });

  /** The place in a list from which on the first times are never above the others, of those places
   *  where both are numbers; -1 where there is none. */
  function crossover(first, others) {
    let ahead = -1;
    for (let i = first.length - 1; i >= 0; i--) {
      if (typeof first[i] !== "number" || typeof others[i] !== "number") continue;
      if (first[i] > others[i]) break;
      ahead = i;
    }
    return ahead;
  }

  return { digits, quantity, ticks, limits, crossover };
})();

course.figure("torch-gpu-crossing", (root, data) => {
  const { words, batches } = data;
  const { fill } = course;
  const { digits, quantity, limits, crossover } = course.torch_gpu;
  const whole = (v) => v.toLocaleString("en");
  const micro = 1e-6;
  const seconds = (micros) => quantity(micros * micro, data.seconds);
  const timed = (v) => typeof v === "number";

  const drawing = course.html(root, "div", { class: "live-tall" });
  const side = course.html(root, "div", { class: "live-side" });
  const slider = (parent, name, values, format) =>
    course.slider(parent, { id: `live-crossing-${name}`, label: words[name], values, start: data.start[name], format, change: draw });
  const short = course.html(side, "div", { class: "live-row" });
  const width = slider(short, "width", data.widths, whole);
  const batch = slider(short, "batch", batches, whole);
  const options = data.gpus.map(({ name }, value) => ({ value, label: name }));
  const gpu = course.select(side, { id: "live-crossing-gpu", label: words.gpu, options, change: draw });
  const launch = slider(side, "launch", data.launch, seconds);
  const state = course.state(side);
  const source = course.html(root, "p", { class: "live-title" });

  // The same axes at every setting, so that it is the lines that move.
  const all = data.processor.flat().filter(timed);
  const range = [Math.min(...all, data.launches * data.launch[0]) / 1.5e3, (Math.max(...all) * 1.5) / 1e3];
  const decades = Array.from({ length: 12 }, (_, i) => 10 ** (i - 4));

  const chosen = () => data.gpus[Number(gpu.value)];
  const found = (m) => limits(chosen(), data.costs[width.index], m, data.launches, launch.value * micro);
  const slowest = (each) => Math.max(...Object.values(each)) / micro;

  function draw() {
    const device = chosen();
    launch.input.closest(".live-control").hidden = device.how === "measured";
    const ours = data.processor[width.index];
    const theirs = device.micros?.[width.index] ?? batches.map((m) => slowest(found(m)));
    const at = crossover(theirs, ours);
    drawLines(device, ours, theirs, at);
    state.textContent = tell(device, ours, theirs, at);
    source.textContent = device.told;
  }

  function tell(device, ours, theirs, at) {
    const said = [fill(words.setting, { width: whole(width.value), batch: whole(batch.value) })];
    const [own, other] = [ours[batch.index], theirs[batch.index]];
    if (!timed(other)) return [...said, words.unknown].join(" ");
    const pair = { gpu: seconds(other), how: words.how[device.how] };
    if (timed(own)) said.push(fill(words.both, { processor: seconds(own), ...pair }));
    else said.push(fill(words.alone, { why: own ?? words.absent, ...pair }));
    if (!device.micros) {
      const each = found(batch.value);
      said.push(words.binds[Object.keys(each).reduce((a, b) => (each[b] > each[a] ? b : a))]);
    }
    if (timed(own)) {
      const times = Math.max(own / other, other / own);
      const winner = times < data.even ? "even" : other < own ? "gpu" : "processor";
      said.push(fill(words.wins[winner], { times: digits(times) }));
    }
    const first = batches.findIndex((_, i) => timed(ours[i]) && timed(theirs[i]));
    if (at < 0) said.push(words.never);
    else said.push(at === first ? words.always : fill(words.from, { batch: whole(batches[at]) }));
    return said.join(" ");
  }

  function drawLines(device, ours, theirs, at) {
    drawing.replaceChildren();
    const panel = course.panel(drawing, {
      title: fill(words.title, { width: whole(width.value) }),
      height: 225,
      x: { range: [batches[0] / 1.3, batches.at(-1) * 1.3], ticks: batches.filter((_, i) => i % 2 === 0), log: true, format: whole, label: words.axis },
      y: { range, ticks: decades.filter((v) => v > range[0] && v < range[1]), log: true, format: whole },
    });
    const layer = panel.layer();
    const places = (values) => batches.map((m, i) => [m, values[i] / 1e3]).filter((_, i) => timed(values[i]));
    const line = (colour, name, points, attributes) =>
      panel.line(course.svg(layer, "g", { class: `live-c${colour}` }), points, { "data-line": name, ...attributes });
    const entries = [{ label: words.processor, colour: 5 }, { label: words[device.how], colour: 1, style: "stroke-width: 4px" }];
    line(5, "batch", [[batch.value, range[0]], [batch.value, range[1]]], { "stroke-dasharray": "2 3", style: "stroke-width: 1px" });
    if (device.micros) line(1, "gpu", places(theirs), { style: "stroke-width: 3.5px" });
    else {
      // Fine enough for the bend between two batches.
      const fine = Array.from({ length: 97 }, (_, i) => batches[0] * (batches.at(-1) / batches[0]) ** (i / 96));
      const each = fine.map((m) => [m, found(m)]);
      line(1, "gpu", each.map(([m, v]) => [m, slowest(v) / 1e3]), { style: "stroke-width: 3.5px" });
      const thin = { style: "stroke-width: 1.3px" };
      line(4, "price", each.map(([m, v]) => [m, v.launches * 1e3]), { "stroke-dasharray": "9 3 2 3", ...thin });
      line(3, "work", each.map(([m, v]) => [m, Math.max(v.bandwidth, v.arithmetic) * 1e3]), { "stroke-dasharray": "7 3", ...thin });
      entries.push({ label: words.price, colour: 4, dash: "9 3 2 3" }, { label: words.work, colour: 3, dash: "7 3" });
    }
    line(5, "processor", places(ours));
    const mark = (colour, points, attributes) => panel.dots(course.svg(layer, "g", { class: `live-c${colour}` }), points, attributes);
    mark(5, places(ours), { r: 2.6 });
    const here = (values) => places(values).filter(([m]) => m === batch.value);
    mark(1, here(theirs), { r: 6 });
    mark(5, here(ours), { r: 6 });
    const both = batches.map((_, i) => i).filter((i) => timed(ours[i]) && timed(theirs[i]));
    const before = both[both.indexOf(at) - 1];
    if (at >= 0 && before !== undefined) {
      // Where two straight lines meet, on axes that are logarithmic.
      const lead = (i) => Math.log(ours[i] / theirs[i]);
      const share = lead(before) / (lead(before) - lead(at));
      const between = (a, b) => a * (b / a) ** share;
      const ring = [between(batches[before], batches[at]), between(ours[before], ours[at]) / 1e3];
      mark(2, [ring], { class: "live-start", r: 10, "data-ring": "" });
    }
    course.legend(drawing, entries);
  }

  draw();
});

course.figure("torch-gpu-roofline", (root, data) => {
  const words = data.words;
  const { fill } = course;
  const { digits, quantity, ticks } = course.torch_gpu;
  const seconds = (value) => quantity(value, data.units.seconds);
  const dashes = { arithmetic: "none", memory: "7 3", touched: "2 3", launches: "9 3 2 3" };
  const colours = { arithmetic: 2, memory: 3, touched: 3, launches: 4 };

  const whole = (v) => v.toLocaleString("en");

  const row = course.panels(root);
  const [left, right] = [course.html(row, "div"), course.html(row, "div")];
  const slider = (name, values) =>
    course.slider(root, { id: `live-roofline-${name}`, label: words[name], values, start: data.start[name], format: whole, change: draw });
  const batch = slider("batch", data.batches);
  const width = slider("width", data.widths);
  const devices = data.devices.map(({ name }, value) => ({ value, label: name }));
  const device = course.select(root, { id: "live-roofline-device", label: words.device, options: devices, change: enter });
  device.parentElement.hidden = devices.length < 2;
  const way = course.select(root, { id: "live-roofline-way", label: words.way, options: [], change: draw });
  const state = course.state(root);
  const source = course.html(root, "p", { class: "live-title" });

  /** What the numbers of a step are, by name; nothing where it was left out. */
  function read(point) {
    if (!Array.isArray(point)) return null;
    const [mega, x, ...rest] = point;
    const [low, median, high, ...limits] = rest.slice(0, 6).map((v) => (v === null ? null : v * 1e-6));
    const [giga, binds, how, share, from, to, bins] = rest.slice(6);
    return {
      x, low, median, high, share, bins,
      flop: mega * 1e6,
      y: (mega * 1e6) / median,
      limits: Object.fromEntries(data.limits.map((name, i) => [name, limits[i]])),
      flow: giga * 1e9,
      binds: data.limits[binds],
      how: data.verdicts[how],
      from: from * 1e-6,
      to: to * 1e-6,
    };
  }

  /** Another device: its ways, the same one if it has it. */
  function enter() {
    const before = way.selectedOptions[0]?.textContent;
    way.replaceChildren();
    const { ways } = here();
    for (const [value, { name }] of ways.entries()) course.html(way, "option", { value }, name);
    const same = ways.findIndex(({ name }) => name === before);
    way.value = before === undefined ? data.start.way : Math.max(same, 0);
    draw();
  }

  const here = () => data.devices[Number(device.value)];
  const chosen = () => here().ways[Number(way.value)];

  function draw() {
    const point = chosen().points[width.index][batch.index];
    const step = read(point);
    source.textContent = here().source;
    drawRoof(step);
    drawReadings(step);
    const setting = fill(words.setting, { width: whole(width.value), batch: whole(batch.value) });
    state.textContent = `${setting} ${step ? tell(step) : point ? fill(words.skipped, { why: point }) : words.absent}`;
  }

  function tell(step) {
    const { low, median, high } = step;
    const ending = typeof words[step.how] === "string" ? words[step.how] : words[step.how][step.binds];
    return [
      fill(words.step, {
        low: seconds(low), median: seconds(median), high: seconds(high),
        rate: quantity(step.y, data.units.rate), intensity: digits(step.x),
      }),
      fill(
        step.limits.launches === null ? words.uncounted : words.limits,
        Object.fromEntries(Object.entries(step.limits).map(([name, v]) => [name, v && seconds(v)])),
      ),
      fill(ending, { share: `${step.share}\u00a0%` }),
    ].join(" ");
  }

  function drawRoof(step) {
    left.replaceChildren();
    const { x, y } = here();
    const { peak, memory, points } = chosen();
    const [first, last] = [x[0], x.at(-1)];
    const every = Math.ceil((y.length - 1) / 5);
    const names = { 3: "k", 6: "M", 9: "G", 12: "T", 15: "P" };
    const letter = (v) => {
      const power = Math.round(Math.log10(v));
      const base = 3 * Math.floor(power / 3);
      return `${10 ** (power - base)}${names[base] ?? ""}`;
    };
    const panel = course.panel(left, {
      title: words.roofline,
      height: 250,
      x: { range: [first, last], ticks: x, log: true, label: words.intensity },
      y: { range: [y[0], y.at(-1)], ticks: y.filter((_, i) => i % every === 0), log: true, format: letter },
    });
    const layer = panel.layer();
    const limit = (name, values) => {
      const group = course.svg(layer, "g", { class: `live-c${colours[name]}` });
      panel.line(group, values, { "stroke-dasharray": dashes[name], "data-line": name });
    };
    const slanted = (flow) => [[first, flow * first], [Math.min(last, peak / flow), Math.min(flow * last, peak)]];
    limit("arithmetic", [[first, peak], [last, peak]]);
    limit("memory", slanted(memory));
    const entries = [
      { label: fill(words.arithmetic, { rate: quantity(peak, data.units.rate) }), colour: 2 },
      { label: fill(words.memory, { flow: quantity(memory, data.units.flow) }), colour: 3, dash: dashes.memory },
    ];
    const all = points.map((line) => line.map(read).filter(Boolean));
    const trail = (points[width.index] ?? []).map(read).filter(Boolean);
    const dots = course.svg(layer, "g", { class: "live-c5" });
    for (const other of all.flat()) {
      const attributes = { r: 2, "fill-opacity": 0.35 };
      panel.dots(dots, [[other.x, other.y]], other.how === "impossible" ? { class: "live-start live-c2", r: 5 } : attributes);
    }
    if (trail.length) {
      const counted = trail.filter(({ limits }) => limits.launches !== null);
      if (counted.length) {
        limit("launches", counted.map(({ x, flop, limits }) => [x, flop / limits.launches]));
        entries.push({ label: words.launches, colour: 4, dash: dashes.launches });
      }
      const group = course.svg(layer, "g", { class: "live-c1" });
      panel.line(group, trail.map((one) => [one.x, one.y]), { style: "stroke-width: 1.2px" });
      panel.dots(group, trail.map((one) => [one.x, one.y]), { r: 2.6 });
    }
    if (step) {
      if (Math.abs(step.flow / memory - 1) > 0.01) {
        limit("touched", slanted(step.flow));
        entries.splice(2, 0, { label: fill(words.touched, { flow: quantity(step.flow, data.units.flow) }), colour: 3, dash: dashes.touched });
      }
      const top = step.flop / step.limits[step.binds];
      const group = course.svg(layer, "g", { class: "live-c1" });
      panel.line(group, [[step.x, step.y], [step.x, top]], { "stroke-opacity": 0.6, "data-line": "gap" });
      const across = [1 / 1.35, 1.35].map((factor) => [step.x * factor, top]);
      panel.line(group, across, { style: "stroke-width: 3.5px", "data-line": "lowest" });
      panel.dots(group, [[step.x, step.y]], { class: step.how === "impossible" ? "live-dot live-c2" : "live-dot", r: 7 });
    }
    course.legend(left, entries);
  }

  function drawReadings(step) {
    right.replaceChildren();
    if (!step) return course.html(right, "p", { class: "live-title" }, words.none);
    const bins = step.bins.flatMap((n) => (n < 0 ? Array(-n).fill(0) : [n]));
    const [count, most] = [bins.reduce((a, b) => a + b, 0), Math.max(...bins)];
    const range = [step.from, step.to];
    const panel = course.panel(right, {
      title: fill(words.readings, { count }),
      height: 112,
      x: { range, ticks: ticks(range), log: true, format: seconds },
      y: { range: [0, Math.max(most, 12) + 1] },
    });
    const layer = panel.layer();
    const group = course.svg(layer, "g", { class: "live-c1" });
    const { top, bottom } = panel.inside;
    course.svg(group, "rect", {
      class: "live-dot", "fill-opacity": 0.18, x: panel.x(step.low), width: Math.max(panel.x(step.high) - panel.x(step.low), 1), y: top, height: bottom - top,
    });
    course.svg(group, "line", { class: "live-line", x1: panel.x(step.median), x2: panel.x(step.median), y1: top, y2: bottom });
    const middle = (i) => step.from * (step.to / step.from) ** ((i + 0.5) / bins.length);
    const places = bins.flatMap((n, i) => Array.from({ length: n }, (_, k) => `M${panel.x(middle(i)).toFixed(1)} ${panel.y(k + 0.5).toFixed(1)}h0`));
    course.svg(layer, "path", { class: "live-readings", d: places.join("") });
  }

  enter();
});

course.figure("torch-gpu-spot", (root, data) => {
  const words = data.words;
  const { fill } = course;
  const { quantity, ticks } = course.torch_gpu;
  const seconds = (value) => quantity(value, data.units.seconds);
  const kinds = { reading: 4, ask: 1, wait: 5, product: 3, copy: 2, load: 6, others: 7 };

  const tall = course.html(root, "div", { class: "live-tall" });
  const drawing = course.html(tall, "div");
  const lanes = course.html(tall, "div");
  const side = course.html(root, "div", { class: "live-side" });
  const about = course.html(side, "p", { class: "live-about", "aria-live": "polite" });
  const game = course.quiz({
    head: tall,
    side,
    words,
    names: data.names,
    rounds: data.rounds,
    order: () => data.rounds.map((_, i) => i),
    parts: [drawing, lanes, about],
    show(round) {
      about.textContent = `${round.about} `;
      course.html(about, "span", { class: "live-numbers" }, round.numbers);
      drawReadings(round);
      drawLanes(round);
    },
    answered() {},
  });

  function drawReadings(round) {
    drawing.replaceChildren();
    const values = round.readings.map((v) => v * 1e-6);
    const [reported, least] = [round.reported * 1e-6, round.least * 1e-6];
    const all = [...values, reported, least];
    const range = [Math.min(...all) / 1.6, Math.max(...all) * 1.6];
    const count = values.length;
    const panel = course.panel(drawing, {
      title: words.readings,
      height: 150,
      x: { range: [0, count + 1], ticks: count > 1 ? [1, count] : [1] },
      y: { range, ticks: ticks(range), log: true, format: seconds },
    });
    const layer = panel.layer();
    const level = (value, colour, dash, name) =>
      panel.line(course.svg(layer, "g", { class: `live-c${colour}` }), [[0, value], [count + 1, value]], { "stroke-dasharray": dash, "data-line": name });
    const places = values.map((v, i) => `M${panel.x(i + 1).toFixed(1)} ${panel.y(v).toFixed(1)}h0`);
    course.svg(layer, "path", { class: "live-readings", d: places.join("") });
    level(reported, 4, "none", "reported");
    level(least, 2, "7 3", "least");
    course.legend(drawing, [
      { label: fill(words.reported, { reported: seconds(reported) }), colour: 4 },
      { label: fill(words.least, { least: seconds(least) }), colour: 2, dash: "7 3" },
    ]);
  }

  /** Clock, host and device under each other, where a device was simulated. */
  function drawLanes({ timeline, until }) {
    lanes.replaceChildren();
    if (!timeline) return;
    const panel = course.panel(lanes, {
      title: words.timeline,
      height: 105,
      x: { range: [0, until * 1.02], ticks: [0, until / 2, until], format: (v) => (v ? seconds(v * 1e-6) : "0") },
      y: { range: [2.6, -0.6], ticks: [0, 1, 2], format: (v) => words.lanes[v] },
    });
    const layer = panel.layer();
    for (const [lane, what, from, to] of timeline) {
      const x = panel.x(from);
      const group = course.svg(layer, "g", { class: `live-c${kinds[what]}` });
      course.svg(group, "rect", {
        class: `live-span live-${what}`, x, width: Math.max(panel.x(to) - x, 1.5), y: panel.y(lane) - 9, height: 18,
      });
    }
    const shown = Object.keys(words.spans).filter((kind) => timeline.some(([, what]) => what === kind));
    course.legend(lanes, shown.map((kind) => ({
      label: words.spans[kind], colour: kinds[kind], dash: kind === "wait" ? "2 2" : "none", style: "stroke-width: 4px",
    })));
  }

  game.begin();
});
