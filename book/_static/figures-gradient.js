// Chapter 2's interactive figure: a slider over learning rates. The walks were made by the
// reference when the page was built; nothing is computed here but places on the screen.
course.figure("learning-rate", (root, data) => {
  const steps = data.loss[0].length - 1;
  const lr = course.slider(root, {
    id: "live-learning-rate",
    label: data.labels.lr,
    values: data.lr,
    start: data.start,
    format: (value) => value.toFixed(3),
    change: show,
  });

  const row = course.panels(root);
  const map = course.panel(row, {
    title: data.labels.map,
    height: 200,
    x: { range: [-4.7, 4.7] },
    y: { range: [-2.2, 2.2] },
  });
  course.rings(map, map.layer(), [1, 10], [0.1, 0.5, 1.5, 3.5, 7, 12, 18]);
  const fall = course.panel(row, {
    title: data.labels.loss,
    height: 200,
    x: { range: [0, steps], ticks: [0, steps / 2, steps], label: data.labels.step },
    y: { range: [1e-8, 1e4], log: true, ticks: [1e-8, 1e-4, 1, 1e4], format: (v) => `10^${Math.log10(v)}` },
  });
  const drawings = [map, fall].map((panel) => ({ panel, layer: panel.layer() }));
  const state = course.state(root);

  function show() {
    const i = lr.index;
    const colour = data.diverges[i] ? 2 : 1;
    for (const { panel, layer } of drawings) {
      const points = panel === map ? data.walk[i] : data.loss[i].map((loss, t) => [t, loss]);
      layer.replaceChildren();
      layer.setAttribute("class", `live-c${colour}`);
      panel.line(layer, points);
      panel.dots(layer, points.slice(0, 1), { class: "live-start", r: 5 });
      panel.dots(layer, points.slice(1));
    }
    root.classList.toggle("diverges", data.diverges[i]);
    state.textContent = data.state[i];
  }
  show();
});
