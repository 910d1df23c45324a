// Take it with you: files are made in the page, of what it shows, and go to the visitor's disk only.
(() => {
  const INK = "#14161b", PAPER = "#ffffff", FONT = "system-ui, sans-serif", CELL = 240; // pixels

  const canvasOf = (width, height) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d");
    pen.fillStyle = PAPER;
    pen.fillRect(0, 0, width, height);
    return [canvas, pen];
  };

  // A picture or a moment of a video, with the boxes that lie over it and their words.
  const pictureWithBoxes = (picture, boxes, mirrored) => {
    const width = picture.naturalWidth || picture.videoWidth, height = picture.naturalHeight || picture.videoHeight;
    const [canvas, pen] = canvasOf(width, height);
    if (mirrored) pen.setTransform(-1, 0, 0, 1, width, 0);
    pen.drawImage(picture, 0, 0, width, height);
    pen.resetTransform();
    const line = Math.max(2, width / 400), size = Math.max(12, width / 55);
    pen.font = `650 ${size}px ${FONT}`;
    pen.textBaseline = "middle";
    for (const box of boxes) {
      const [left, top, wide, high] = ["left", "top", "width", "height"].map((side) => parseFloat(box.style[side]) / 100);
      const [x, y, w, h] = [left * width, top * height, wide * width, high * height];
      for (const [colour, extra] of [[INK, 2], [getComputedStyle(box).borderColor, 0]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = line + extra;
        pen.strokeRect(x, y, w, h);
      }
      const word = box.querySelector("span").textContent, room = pen.measureText(word).width + size;
      const [labelX, labelY] = [Math.max(0, Math.min(x, width - room)), y < 1.5 * size ? y : y - 1.5 * size];
      pen.fillStyle = INK;
      pen.fillRect(labelX, labelY, room, 1.5 * size);
      pen.fillStyle = PAPER;
      pen.fillText(word, labelX + size / 2, labelY + 0.75 * size);
    }
    return canvas;
  };

  // Photos in rows, each above its name and the words of its faces.
  const sheet = (cards) => {
    const LINES = 4, columns = Math.min(5, cards.length), high = CELL + 24 * (LINES + 1);
    const [canvas, pen] = canvasOf(columns * CELL, Math.ceil(cards.length / columns) * high);
    pen.fillStyle = INK;
    cards.forEach((card, index) => {
      const x = (index % columns) * CELL + 8, y = Math.floor(index / columns) * high + 8, side = CELL - 16;
      const picture = card.querySelector("img"), scale = side / Math.max(picture.naturalWidth, picture.naturalHeight);
      pen.drawImage(picture, x, y, picture.naturalWidth * scale, picture.naturalHeight * scale);
      const faces = [...card.querySelectorAll("li")].map((face) => face.textContent.trim());
      const hidden = faces.length > LINES ? [`and ${faces.length - LINES + 1} more`] : [];
      const shown = [...(hidden.length ? faces.slice(0, LINES - 1) : faces), ...hidden];
      [card.querySelector("[data-photo]").lastChild.textContent, ...(shown.length ? shown : ["no face found"])].forEach((text, line) => {
        pen.font = `${line ? "" : "650 "}15px ${FONT}`;
        while (pen.measureText(text).width > side) text = `${text.slice(0, -2)}…`;
        pen.fillText(text, x, y + side + 22 * (line + 1));
      });
    });
    return canvas;
  };

  const PICTURES = {
    photo: (tab) => pictureWithBoxes(tab.querySelector("#gf-photo-view .gf-photo > img"), tab.querySelectorAll(".gf-box")),
    live: (tab) => pictureWithBoxes(tab.querySelector("#gf-camera video"), tab.querySelectorAll(".gf-box"), true),
    video: () => pictureWithBoxes(document.querySelector("#gf-clip video"), []),
    many: (tab) => sheet([...tab.querySelectorAll(".gf-many-photo")]),
  };

  // What the page shows, without what one clicks. A face's panel that was not chosen yet is text.
  const parts = (root) =>
    [...root.querySelectorAll("[data-report], [data-face-panel]")].flatMap((part) => {
      if (part.closest("#gf-chosen")) return [];
      if (part.matches("pre")) return parts(new DOMParser().parseFromString(part.textContent, "text/html"));
      const copy = part.cloneNode(true);
      for (const control of copy.querySelectorAll("details, label, .gf-take, .gf-how")) control.remove();
      for (const button of copy.querySelectorAll("button")) {
        const still = document.createElement("span");
        still.append(...button.childNodes);
        still.className = button.className;
        still.style.cssText = button.style.cssText;
        button.replaceWith(still);
      }
      return [copy];
    });

  const report = (tab, title) => {
    const page = new DOMParser().parseFromString(document.querySelector("#gf-report").textContent, "text/html");
    page.title = page.querySelector("h1").textContent = title;
    page.querySelector("time").textContent = new Date().toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
    page.querySelector("main").append(...parts(tab));
    return new Blob(["<!DOCTYPE html>\n", page.documentElement.outerHTML], { type: "text/html" });
  };

  const save = (content, name) => {
    const link = document.createElement("a");
    Object.assign(link, { href: URL.createObjectURL(content), download: name }).click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-save]");
    if (!button) return;
    const { kind, name, title } = button.closest(".gf-take").dataset, tab = button.closest(".tabitem");
    if (button.dataset.save === "report") return save(report(tab, title), `${name}.html`);
    PICTURES[kind](tab).toBlob((picture) => save(picture, `${name}.png`), "image/png");
  });
})();
