// Predictions: a choice, a number or a sketch first, then the result unfolds. Without this script every
// choice and the result are folds that the browser opens itself. Nothing that is answered leaves the page.
// All words come from the page (data-words, written by book/_ext/predict.py).
(() => {
  const make = (parent, name, attributes = {}, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return parent.appendChild(element);
  };
  const SIGNS = { right: "\u2713", wrong: "\u2717" };

  /** Open the fold below a box. */
  function unfold(box) {
    const fold = box.nextElementSibling;
    if (fold?.matches("details.reveal")) fold.open = true;
  }

  /** Say right or not, by a sign and a word, and then a sentence; screen readers read it out. */
  function tell(place, verdict, word, sentence) {
    place.replaceChildren();
    const line = make(place, "p", { class: "predict-verdict", "data-verdict": verdict });
    make(line, "span", { "aria-hidden": "true" }, `${SIGNS[verdict]} `);
    line.append(word);
    make(place, "p", {}, sentence);
  }

  /** Make buttons of the choices. An answer keeps its place, so that paper has all of them. */
  function choices(box, words) {
    const options = [...box.querySelectorAll("details.predict-choice")].map((fold) => {
      const verdict = fold.dataset.verdict;
      const answer = fold.querySelector(".predict-answer");
      const choice = document.createElement("div");
      choice.className = "predict-choice";
      choice.dataset.verdict = verdict;
      const button = make(choice, "button", { type: "button", class: "predict-option", "aria-pressed": fold.open });
      make(button, "span").append(...fold.querySelector("summary").childNodes);
      const sign = make(button, "span", { class: "predict-sign" });
      make(choice, "div", { "aria-live": "polite" }).append(answer);
      answer.toggleAttribute("data-waits", !fold.open);
      fold.replaceWith(choice);
      button.addEventListener("click", () => {
        for (const other of options) {
          other.button.setAttribute("aria-pressed", other.button === button);
          other.answer.toggleAttribute("data-waits", other.button !== button);
        }
        if (!sign.hasChildNodes()) {
          make(sign, "span", { "aria-hidden": "true" }, SIGNS[verdict]);
          make(sign, "span", { class: "visually-hidden" }, words[verdict]);
        }
        unfold(box);
      });
      return { button, answer };
    });
  }

  function wake(box) {
    const words = JSON.parse(box.dataset.words);
    choices(box, words);
    box.classList.add("predict-live");
  }

  /** Open every fold around an element; say whether one was closed. */
  function openAround(element) {
    let opened = false;
    for (let fold = element?.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      opened ||= !fold.open;
      fold.open = true;
    }
    return opened;
  }

  /** A link to something in a fold opens it. */
  function follow(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (target && openAround(target)) target.scrollIntoView();
  }

  window.addEventListener("hashchange", () => follow(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href*='#']");
    if (link && link.pathname === location.pathname) follow(link.hash);
  });

  // On paper everything is open; where the style sheet cannot do that, this does.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.reveal:not([open])")];
    for (const fold of closed) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });

  window.addEventListener("load", async () => {
    follow(location.hash);
    // What a search found is marked by Sphinx's own script.
    for (const found of document.querySelectorAll("details.reveal:not([open]) .highlighted")) openAround(found);
    // Formulas in a choice are typeset while all of them can be measured.
    await window.MathJax?.startup?.promise;
    document.querySelectorAll(".predict-box").forEach(wake);
  });
})();
