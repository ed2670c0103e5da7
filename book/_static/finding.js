// The search page: sections that have all of the words, the best first.
(() => {
  const SHOWN = 30;
  const AROUND = 90;
  const list = document.getElementById("finding-results");
  const state = document.getElementById("finding-state");
  const words = JSON.parse(list.dataset.words);
  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  /** A word and what it begins; "rates" finds "rate" too. */
  function pattern(word) {
    const stem = word.length > 3 ? word.replace(/(?<!s)s$/u, "") : word;
    return new RegExp(`(?<![\\p{L}\\p{N}_])${stem}`, "giu");
  }
  const count = (text, expression) => (text.match(expression) ?? []).length;

  function score(page, [, title, text], patterns, phrase) {
    let sum = 0;
    for (const expression of patterns) {
      const [inTitle, inText] = [count(title, expression), count(text, expression)];
      if (!inTitle && !inText) return 0;
      sum += 8 * Math.min(inTitle, 1) + Math.min(inText, 5);
    }
    // The more of a title the words are, the more it is about them.
    const [said] = title.match(phrase) ?? [""];
    sum += (40 * said.length) / Math.max(title.length, 1) + 10 * Math.min(count(page.title, phrase), 1);
    return page.weight * (sum + 2 * Math.min(count(text, phrase), 6));
  }

  /** The text around the first hit, with all hits marked. */
  function snippet(text, patterns, phrase) {
    const at = [phrase, ...patterns].map((expression) => text.search(expression)).find((i) => i >= 0) ?? 0;
    const start = at > AROUND ? text.indexOf(" ", at - AROUND) + 1 : 0;
    const end = text.lastIndexOf(" ", at + 2 * AROUND);
    const piece = text.slice(start, end > at ? end : undefined);
    const shown = document.createElement("p");
    const any = new RegExp(patterns.map((expression) => `${expression.source}[\\p{L}\\p{N}_]*`).join("|"), "giu");
    let last = 0;
    for (const hit of piece.matchAll(any)) {
      shown.append(piece.slice(last, hit.index));
      shown.appendChild(document.createElement("mark")).textContent = hit[0];
      last = hit.index + hit[0].length;
    }
    shown.prepend(start ? "… " : "");
    shown.append(piece.slice(last), end > at && end < text.length ? " …" : "");
    return shown;
  }

  function show(page, [place, title, text], patterns, phrase) {
    const item = list.appendChild(document.createElement("li"));
    const link = item.appendChild(document.createElement("a"));
    link.href = `${page.name}.html${place ? `#${place}` : ""}`;
    link.textContent = place ? `${page.title} › ${title}` : page.title;
    item.append(snippet(text, patterns, phrase));
  }

  async function search(query) {
    for (const field of document.querySelectorAll('input[name="q"]')) field.value = query;
    const asked = query.match(/[\p{L}\p{N}_]+/gu);
    if (!asked) return;
    const answer = await fetch("_static/sections.json").catch(() => null);
    if (!answer?.ok) return void (state.textContent = words.failed);
    const patterns = asked.map(pattern);
    const phrase = new RegExp(patterns.map((expression) => expression.source).join("\\S*\\s+"), "giu");
    const found = [];
    for (const page of await answer.json()) {
      for (const section of page.sections) {
        const points = score(page, section, patterns, phrase);
        if (points) found.push({ points, page, section });
      }
    }
    found.sort((a, b) => b.points - a.points);
    const [all, shown] = [found.length, Math.min(found.length, SHOWN)];
    const kind = all === 0 ? "none" : all === 1 ? "one" : all > shown ? "many" : "all";
    state.textContent = fill(words[kind], { count: all, shown });
    for (const { page, section } of found.slice(0, shown)) show(page, section, patterns, phrase);
  }

  search(new URLSearchParams(location.search).get("q") ?? "");
})();
