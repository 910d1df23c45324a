// Why an answer: parts of a face are covered on demand, and anchors are read one by one.
// `trigger` asks the server, which says what became of a covered face (templates/photo/covered) in #gf-covered.
let asked = 0;
const answers = document.querySelector("#gf-covered");
const waiting = new Map(); // questions to the faces that they are about

const chosenPanel = () => {
  const number = document.querySelector("[data-face][aria-pressed=true]")?.dataset.face ?? "1";
  return document.querySelector(`[data-face-panel="${number}"]`);
};

const cover = (button) => {
  const place = button.closest(".gf-cover"), { landmarks } = place.dataset;
  const crop = place.closest(".gf-looked").querySelector(".gf-layers img").src;
  waiting.set(String(++asked), { panel: chosenPanel(), crop });
  button.setAttribute("aria-disabled", "true"); // disabled, it would lose the focus
  place.querySelector("[role=status]").textContent = "Covering one part after the other …";
  trigger("submit", { crop, landmarks: landmarks ? JSON.parse(landmarks) : null, asked });
};

const read = (anchor) => {
  for (const other of anchor.parentElement.querySelectorAll(".gf-anchor")) {
    other.setAttribute("aria-pressed", String(other === anchor));
    other.tabIndex = other === anchor ? 0 : -1;
  }
  anchor.closest(".gf-anchors").querySelector(".gf-anchor-words").textContent = anchor.dataset.words;
};

// Another face of the photo beside the chosen one: lines to its nearest anchors, and which these are.
const compare = (face) => {
  const map = face.closest(".gf-anchors"), { words, from, nearest } = face.dataset;
  for (const other of map.querySelectorAll("button.gf-anchor-face"))
    other.setAttribute("aria-pressed", String(other === face));
  map.querySelector("path").setAttribute("d", JSON.parse(nearest).map((place) => `M${from}L${place.join(" ")}`).join(""));
  map.querySelector(".gf-beside > :last-child").textContent = words;
};

document.addEventListener("click", (event) => {
  const find = (selector) => event.target.closest?.(selector);
  const button = find(".gf-cover button"), anchor = find(".gf-anchor"), face = find("button.gf-anchor-face");
  if (button && button.ariaDisabled !== "true") cover(button);
  if (anchor) read(anchor);
  if (face) compare(face);
});

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
document.addEventListener("keydown", (event) => {
  const anchor = event.target.closest?.(".gf-anchor");
  if (!anchor || !(event.key in STEPS)) return;
  event.preventDefault();
  const all = [...anchor.parentElement.querySelectorAll(".gf-anchor")];
  const next = all[(all.indexOf(anchor) + STEPS[event.key] + all.length) % all.length];
  read(next);
  next.focus();
});

// An answer goes into the face's panel, where it is when the face is chosen again, and onto the page if it is shown.
new MutationObserver(() => {
  const answer = answers.querySelector("[data-asked]"), face = waiting.get(answer?.dataset.asked);
  if (!face) return;
  waiting.delete(answer.dataset.asked);
  const { panel, crop } = face;
  if (!panel.isConnected || !panel.textContent.includes(crop)) return; // another photo has taken its place
  const whole = new DOMParser().parseFromString(panel.textContent, "text/html");
  whole.querySelector(".gf-cover [role=status]").innerHTML = answer.innerHTML;
  panel.textContent = whole.body.innerHTML;
  if (panel !== chosenPanel()) return;
  const place = document.querySelector("#gf-chosen .gf-cover");
  place.querySelector("[role=status]").innerHTML = answer.innerHTML;
  place.querySelector("button").removeAttribute("aria-disabled");
}).observe(answers, { childList: true, subtree: true });
