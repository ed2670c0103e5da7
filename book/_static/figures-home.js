// The home page's figure: walks that the course's own functions made, shown update by update.
course.figure("home-descent", (root, data) => {
  const { labels, methods, looks, walks, losses } = data;
  const names = Object.keys(methods);
  const last = walks[names[0]].length - 1;
  const row = course.panels(root);
  const map = course.panel(row, {
    title: labels.map,
    height: 160,
    x: { range: data.extent[0], ticks: [-10, -5, 0] },
    y: { range: data.extent[1], ticks: [-2, 0, 2] },
  });
  const fall = course.panel(row, {
    title: labels.loss,
    height: 160,
    x: { range: [0, last], ticks: [0, last / 2, last], label: labels.update },
    y: { range: [1e-5, 2], log: true, ticks: [1e-4, 1e-2, 1], format: (v) => `10^${Math.log10(v)}` },
  });
  course.rings(map, map.layer(), data.curvatures, [0.01, 0.06, 0.15, 0.3, 0.5, 1, 2]);
  const drawings = [map, fall].map((panel) => names.map(() => panel.layer()));
  const update = course.slider(root, {
    id: "home-update",
    label: labels.update,
    values: Array.from({ length: last + 1 }, (_, t) => t),
    start: last / 5,
    change: () => {
      player.stop();
      show();
    },
  });
  course.legend(root, names.map((name) => ({ label: methods[name], ...looks[name] })));
  const state = course.state(root);
  const player = course.player(root, {
    play: labels.play,
    pause: labels.pause,
    every: 70,
    state,
    tick: () => {
      update.set(update.index === last ? 0 : update.index + 1);
      show();
      return update.index < last;
    },
  });

  function show() {
    const t = update.value;
    for (const [i, name] of names.entries()) {
      const places = [walks[name], losses[name].map((height, at) => [at, height])];
      for (const [k, panel] of [map, fall].entries()) {
        const layer = drawings[k][i];
        const walked = places[k].slice(0, t + 1);
        layer.replaceChildren();
        layer.setAttribute("class", `live-c${looks[name].colour}`);
        panel.line(layer, walked, { "stroke-dasharray": looks[name].dash });
        panel.dots(layer, walked.slice(-1), { r: 4.5 });
      }
    }
    const heights = Object.fromEntries(names.map((name) => [name, course.minus(losses[name][t])]));
    state.textContent = course.fill(labels.state, { update: t, start: losses[names[0]][0], ...heights });
  }
  show();

  // Once, and under five seconds, for whoever wants things to move. The browser draws it: a script
  // that did so step by step would keep a slow phone busy while the page is still coming.
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    update.set(last);
    show();
    for (const line of map.svg.querySelectorAll("polyline")) {
      line.setAttribute("pathLength", 1);
      line.classList.add("home-draw");
      line.addEventListener("animationend", show, { once: true });
    }
  }, { threshold: 0.3 }).observe(root);
});
