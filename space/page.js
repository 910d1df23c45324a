// Choosing a face and switching the layers of its crop. All faces are in the page already: no request is made.
(() => {
  const choose = (number) => {
    for (const button of document.querySelectorAll("[data-face]"))
      button.setAttribute("aria-pressed", String(button.dataset.face === number));
    for (const panel of document.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== number;
    // On a narrow screen the panel lies below the photo.
    if (window.innerWidth <= 1020)
      document.querySelector("#gf-faces")?.scrollIntoView({ behavior: "smooth", block: "start" });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-face]");
    if (button) choose(button.dataset.face);
  });
  // A switch holds for all faces of the photo; page.css hides the layer of a switch that is off.
  document.addEventListener("change", (event) => {
    const { layer } = event.target.dataset ?? {};
    if (!layer) return;
    for (const box of document.querySelectorAll(`[data-layer="${layer}"]`)) box.checked = event.target.checked;
  });
})();
