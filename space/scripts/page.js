// The page's names, whatever the framework makes of them.
(() => {
  const mend = () => {
    // A name that differs from the text one sees cannot be spoken to a computer that listens.
    for (const field of document.querySelectorAll("button.upload-container:not(.icon-mode)[aria-label]")) field.removeAttribute("aria-label");
    for (const button of document.querySelectorAll('[aria-label="common.upload"]')) // a key, which has no translation
      for (const name of ["aria-label", "title"]) button.setAttribute(name, "Add photos");
    // What else the fields take, see arrivals.js.
    for (const [field, more] of [["#gf-upload", ".heic,.heif"], ["#gf-video-upload", ".gif,.webp,.mkv,.avi"]])
      for (const input of document.querySelectorAll(`${field} input[type=file]`))
        if (!input.accept.includes(more)) input.accept = `${input.accept},${more}`;
    // A button within a button: the outer one does nothing.
    for (const button of document.querySelectorAll("button:not([role]):has(button)")) {
      button.setAttribute("role", "group");
      button.tabIndex = -1;
    }
  };
  mend();
  new MutationObserver(mend).observe(document, { subtree: true, childList: true, attributeFilter: ["aria-label"] });
})();

// Choosing a face and switching the layers of its crop, all in the page already: no request is made.
(() => {
  const hidden = new Set(); // layers of the crop that are switched off, for all faces

  const choose = (number) => {
    for (const button of document.querySelectorAll("[data-face]"))
      button.setAttribute("aria-pressed", String(button.dataset.face === number));
    const chosen = document.querySelector("#gf-chosen");
    chosen.innerHTML = document.querySelector(`[data-face-panel="${number}"]`).textContent;
    for (const box of chosen.querySelectorAll("[data-layer]")) box.checked = !hidden.has(box.dataset.layer);
    // Whether the reasons are open, once the visitor has said so of this photo.
    if (chosen.dataset.open) chosen.querySelector("details").open = chosen.dataset.open === "true";
    // On a narrow screen the panel lies below the photo.
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    if (window.innerWidth <= 1020) document.querySelector("#gf-faces")?.scrollIntoView({ behavior, block: "start" });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-face]");
    if (button) choose(button.dataset.face);
    const summary = event.target.closest?.(".gf-why > summary");
    if (summary) summary.closest("#gf-chosen").dataset.open = !summary.parentElement.open;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches?.(".gf-term")) event.target.blur(); // its words go
  });
  // page.css hides the layer of a switch that is off.
  document.addEventListener("change", (event) => {
    const { layer } = event.target.dataset ?? {};
    if (layer) event.target.checked ? hidden.delete(layer) : hidden.add(layer);
  });
  // After a result those who hear the page, and those who use the keyboard, go on at the answer.
  window.focusOn = (selector, tries = 30) =>
    requestAnimationFrame(() => {
      const element = document.querySelector(selector);
      element?.focus({ preventScroll: true });
      if (tries && document.activeElement !== element) focusOn(selector, tries - 1); // it is not there yet
    });
  // A button that was pressed has gone away or does nothing now: its user goes on at the one that took its place.
  window.focusIfLost = (selector) => {
    const { activeElement } = document;
    if (activeElement === document.body || activeElement.disabled) focusOn(selector);
  };
  window.focusAnswer = () => {
    if (!isAnswered()) return; // what is hidden takes no focus
    focusOn("#gf-faces h2[tabindex]");
    fillScreen(); // of many photos one was opened
    // On a narrow screen the photo above has the answer, but not what was wrong.
    requestAnimationFrame(() => document.querySelector("#gf-faces .gf-problem")?.scrollIntoView({ block: "nearest" }));
  };
})();
