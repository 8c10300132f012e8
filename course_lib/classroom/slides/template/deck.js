// MathJax first, so that reveal measures what is really there; then the deck itself.
window.MathJax = {
  loader: { load: [] },
  tex: { inlineMath: [["$", "$"]], displayMath: [["$$", "$$"]], processEscapes: true, tags: "ams" },
  svg: { fontCache: "local" },
  options: { enableMenu: false, enableAssistiveMml: true },
  startup: { typeset: false },
};

/** Code and what it printed: as large as its longest line allows. */
function fitCode(slide) {
  for (const text of slide.querySelectorAll(".page pre")) {
    let size = 26;
    do text.style.fontSize = `${size}px`;
    while (text.scrollWidth > text.clientWidth && --size >= 18);
    text.classList.toggle("wraps", size < 18);
  }
}

/** A formula that is wider than its place becomes smaller, down to what the back row can read. */
function fitFormulas(slide) {
  for (const formula of slide.querySelectorAll('mjx-container[display="true"]')) {
    const place = formula.parentElement.clientWidth;
    const drawing = formula.querySelector("svg");
    const needs = Math.max(formula.scrollWidth, drawing ? drawing.getBoundingClientRect().width / Reveal.getScale() : 0);
    if (place && needs > place) formula.style.fontSize = `${Math.max((100 * place) / needs - 1, 62)}%`;
  }
}

function startDeck() {
  const inWidget = () => document.activeElement?.closest(".course-widget");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && inWidget()) {
      document.activeElement.blur(); // the keys are the deck's again
      event.stopPropagation();
    }
  }, true);
  window.deckReady = MathJax.startup.promise
    .then(() => MathJax.typesetPromise([document.querySelector(".slides")]))
    .then(() => document.fonts.ready)
    .then(() => Reveal.initialize({
      width: 1280, height: 720, margin: 0, center: false, hash: true, transition: "none", slideNumber: "c/t",
      controlsTutorial: false, pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, plugins: [RevealNotes],
      showNotes: /showNotes/.test(location.search) ? "separate-page" : false,
      keyboardCondition: () => !inWidget(),
    }))
    .then(() => {
      for (const widget of document.querySelectorAll(".course-widget")) widget.setAttribute("role", "region");
      for (const slide of Reveal.getSlides()) {
        const hidden = [slide.style.display, slide.hidden];
        [slide.style.display, slide.hidden] = ["block", false];
        slide.setAttribute("aria-label", slide.querySelector("h1, h2")?.innerText ?? "");
        fitFormulas(slide);
        fitCode(slide);
        [slide.style.display, slide.hidden] = hidden;
      }
      Reveal.layout();
      document.body.dataset.ready = "yes";
    });
}
