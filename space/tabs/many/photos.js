// The set of photos: a click opens one, cards of removed files go, and summary, order and files are made of what is there.
// `element` holds templates/many/batch.
const all = (selector) => [...element.querySelectorAll(selector)];

const mend = () => {
  const cards = all(".gf-many-photo"), summary = element.querySelector("#gf-many-summary");
  if (!summary) return; // some are missing still
  withholdAnswers(); // before they are counted
  const counts = new Map();
  for (const face of all("[data-answer]")) {
    const [swatch, word] = face.childNodes, known = counts.get(word.textContent.trim()) ?? { count: 0, swatch: swatch.cloneNode() };
    if (face.querySelector("[data-withheld]")) known.swatch.style.setProperty("--class", "#8a8f98");
    counts.set(word.textContent.trim(), { ...known, count: known.count + 1 });
  }
  const unsure = all("[data-unsure]:not(:has([data-withheld]))").length, faces = all("[data-answer]").length;
  const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const add = (text, swatch) => {
    const part = document.createElement("span");
    part.append(...(swatch ? [swatch] : []), text);
    summary.append(part);
  };
  summary.replaceChildren();
  add(cards.length ? `${counted(faces, "face")} in ${counted(cards.length, "photo")}${faces ? ":" : ""}` : "There is no photo to analyse in these files.");
  for (const part of element.querySelectorAll(".gf-take, .gf-many-head label")) part.hidden = !cards.length;
  for (const [word, { count, swatch }] of [...counts].sort((a, b) => b[1].count - a[1].count)) add(`${count} ${word}`, swatch);
  if (unsure) add(`(${unsure} unsure)`);
  cards.sort((a, b) => a.dataset.number - b.dataset.number);
  const link = (ending, type, text) => {
    element.querySelector(`[download$=".${ending}"]`).href = `data:${type};charset=utf-8,${encodeURIComponent(text)}`;
  };
  const { header } = element.querySelector(".gf-many").dataset;
  link("csv", "text/csv", [header + "\n", ...cards.map((card) => card.dataset.rows)].join(""));
  link("json", "application/json", `[${cards.map((card) => card.dataset.json)}]`);
};

const order = (key) => {
  const number = (card) => Number(card.dataset.number);
  const word = (card) => card.querySelector("[data-answer]")?.childNodes[1].textContent ?? "~"; // without a face: last
  const compare = (a, b) => (key === "word" ? word(a).localeCompare(word(b)) : a.dataset[key] - b.dataset[key]);
  element.querySelector(".gf-many").append(...all(".gf-many-photo").sort((a, b) => compare(a, b) || number(a) - number(b)));
};

element.addEventListener("click", (event) => {
  const card = event.target.closest(".gf-many-photo");
  if (!card) return;
  for (const other of all(".gf-many-photo")) other.toggleAttribute("data-opened", other === card);
  trigger("click", { path: card.querySelector("[data-photo]").dataset.photo });
});
element.addEventListener("change", (event) => event.target.id === "gf-many-order" && order(event.target.value));
window.keepPhotos = (files) => {
  const kept = new Set((files ?? []).map((file) => file.path));
  for (const card of all("[data-upload]")) if (!kept.has(card.dataset.upload)) card.remove();
  mend();
};
watch("value", mend);
document.addEventListener("strictness", mend);
