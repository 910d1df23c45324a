// Words on a photo, or over the camera's picture, cover neither each other nor another face: one that would goes below
// its own, or is left to its number.
(() => {
  const NUMBER = 20; // pixels, the width of a number alone
  const EDGE = 5; // pixels of a face that may be covered
  const WORDS = [["word", "above"], ["word", "below"]], NUMBERS = [["number", "above"], ["number", "below"]];
  const meet = (a, b, by = 0) =>
    a.left + by < b.right && b.left + by < a.right && a.top + by < b.bottom && b.top + by < a.bottom;

  // The edges of a face's label at a place.
  const edges = ({ face, label, leftwards }, [what, where]) => {
    let { left, right, top, bottom } = label;
    if (what === "number") leftwards ? (left = right - NUMBER) : (right = left + NUMBER);
    if (where === "below") [top, bottom] = [face.bottom, face.bottom + bottom - top];
    return { left, right, top, bottom };
  };

  const makeRoom = (photo) => {
    const boxes = [...photo.querySelectorAll(".gf-box")];
    for (const box of boxes) box.removeAttribute("data-place");
    if (boxes.length < 2) return;
    const stage = photo.closest(".gf-stage").getBoundingClientRect();
    // All is measured before anything changes.
    const faces = boxes.map((box) => {
      const span = box.querySelector("span");
      return { box, leftwards: span.matches(".gf-leftwards"), face: box.getBoundingClientRect(), label: span.getBoundingClientRect() };
    });
    const rooms = new Map(); // of the faces whose place is found
    const isFree = (room, one) => stage.top <= room.top && room.bottom <= stage.bottom
      && faces.every((other) => other === one || !(meet(room, other.face, EDGE) || (rooms.has(other) && meet(room, rooms.get(other)))));
    const settle = (one, places) => {
      const place = places.find((place) => isFree(edges(one, place), one)) ?? (rooms.has(one) ? null : places[0]);
      if (!place) return;
      rooms.set(one, edges(one, place));
      one.box.dataset.place = place.join(" ");
    };
    // The chosen face has its word. Of the others each has its number before any has its word.
    const others = faces.filter(({ box }) => box.getAttribute("aria-pressed") !== "true");
    for (const one of faces) if (!others.includes(one)) settle(one, WORDS);
    for (const places of [NUMBERS, WORDS]) for (const one of others) settle(one, places);
  };

  const sizes = new ResizeObserver((photos) => photos.forEach(({ target }) => makeRoom(target)));
  const look = () => {
    for (const photo of document.querySelectorAll(":is(.gf-photo, .gf-live-boxes):has(.gf-box)")) {
      sizes.observe(photo); // which a photo that is observed already does not mind
      if (photo.checkVisibility()) makeRoom(photo); // else once it is seen, which changes its size
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributeFilter: ["aria-pressed"] });
})();
