// The camera of the live tab. A frame is sent when the answer to the last one is there, and none while nobody looks.
// `element` holds templates/live/camera; `trigger` asks the server, whose answers come as templates/live/*.
const find = (selector) => element.querySelector(selector);
const video = find("video"), boxes = find(".gf-live-boxes"), words = find(".gf-live-words"), button = find("button");
const seconds = Number(find("[data-seconds]").dataset.seconds);
const WIDTH = 640, WAIT = 2000, PATIENCE = 60000; // pixels; milliseconds
let stream = null, sent = 0, ends = 0, said = "", received = null;

// What was seen since the start, for the visitor to take along: in this page only.
const recorded = find("[data-recorded]"), picture = recorded.querySelector('[data-save="png"]');
let rows = [], began = 0;
const record = (faces) => {
  if (!rows.length) began = performance.now();
  const time = Math.round(performance.now() - began) / 1000;
  for (const { person, word, right, corrected } of faces) rows.push({ time, person, label: word, right_in_100: right, ...corrected });
  recorded.hidden = !rows.length;
};
const cell = (value) => (typeof value === "number" ? value : `"${String(value ?? "").replace(/^[=+@-]/, "'$&").replaceAll('"', '""')}"`);
const FILES = {
  json: () => ["application/json", JSON.stringify(rows)],
  csv: () => ["text/csv", [Object.keys(rows[0]), ...rows.map(Object.values)].map((row) => `${row.map(cell).join(",")}\n`).join("")],
};
for (const [ending, make] of Object.entries(FILES)) {
  const link = recorded.querySelector(`[download$=".${ending}"]`);
  link.addEventListener("click", () => {
    const [type, text] = make();
    link.href = `data:${type};charset=utf-8,${encodeURIComponent(text)}`;
  });
}

const say = (text) => { words.textContent = text; };

const stop = (why) => {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = video.srcObject = null;
  boxes.replaceChildren();
  picture.disabled = true;
  button.textContent = "Start the camera";
  say(why);
  trigger("submit", { stop: true });
};

const send = (data) => { sent = performance.now(); trigger("submit", data); };

const sendFrame = () => {
  if (!stream) return;
  const canvas = document.createElement("canvas");
  canvas.width = Math.min(WIDTH, video.videoWidth);
  canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  send({ frame: canvas.toDataURL("image/jpeg", 0.85) });
};

const REASONS = {
  NotAllowedError: "The camera is not allowed here. Allow it beside the address of this page, then start again.",
  NotFoundError: "There is no camera. Connect one, then start again.",
  NotReadableError: "The camera is in use by another program. Close that, then start again.",
};

const start = async () => {
  if (!navigator.mediaDevices) return say("Browsers give the camera to pages with an https address only.");
  say("Waiting for the camera …");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH }, facingMode: "user" } });
  } catch (error) {
    return say(REASONS[error.name] ?? `The camera cannot be used (${error.message}).`);
  }
  stream.getVideoTracks()[0].onended = () => stop("The camera was switched off.");
  video.srcObject = stream;
  sent = performance.now();
  await video.play();
  button.textContent = "Stop the camera";
  ends = 0;
  said = "";
  rows = [];
  picture.disabled = false;
  say("The camera is on.");
  send({}); // asks for a seat
};

const draw = (faces) => {
  boxes.replaceChildren(...faces.map((face) => {
    const box = document.createElement("div");
    box.className = "gf-box";
    // The picture is a mirror.
    box.style.cssText = `left:${100 - face.left - face.width}%;top:${face.top}%;width:${face.width}%;height:${face.height}%`;
    box.style.setProperty("--class", face.colour);
    const label = document.createElement("span"), word = document.createElement("i");
    word.textContent = word.dataset.word = face.word;
    if (face.right !== null) word.dataset.right = face.right; // see strictness.js
    label.append(faces.length > 1 ? `${face.person} ` : "", word);
    box.append(label);
    return box;
  }));
  const stage = boxes.getBoundingClientRect(); // which the words do not leave
  const labels = [...boxes.querySelectorAll("span")], edges = labels.map((label) => label.getBoundingClientRect());
  labels.forEach((label, index) => {
    label.classList.toggle("gf-inside", edges[index].top < stage.top);
    label.classList.toggle("gf-leftwards", edges[index].right > stage.right);
  });
};

const receive = (answer) => {
  if (!answer || answer.dataset.answer === received) return;
  received = answer.dataset.answer;
  if (!stream) return; // came after the stop
  const { live, boxes: faces, place } = answer.dataset;
  if (live === "ended") return stop(answer.textContent.trim());
  if (live === "waiting" && place !== "0") {
    say(answer.textContent.trim());
    boxes.replaceChildren();
    ends = 0;
    return setTimeout(() => stream && send({}), WAIT);
  }
  if (!ends) {
    ends = performance.now() + 1000 * seconds;
    say(`The camera is on, for ${seconds} seconds.`);
  }
  if (faces) {
    draw(JSON.parse(faces));
    record(JSON.parse(faces));
    // Those who hear the page are told of changes, not of every frame.
    requestAnimationFrame(() => {
      const now = [...boxes.querySelectorAll("i")].map((word) => word.textContent).join(", ") || "no face";
      if (stream && now !== said) say((said = now));
    });
  }
  sendFrame();
};

button.addEventListener("click", () => (stream ? stop("The camera is off.") : start()));
setInterval(() => {
  if (!stream) return;
  if (document.hidden || !element.checkVisibility()) stop("The camera was switched off when you left.");
  else if (ends && performance.now() >= ends) stop(`The camera is off: ${seconds} seconds are over. Start it again if you like.`);
  else if (performance.now() - sent > PATIENCE) send({}); // an answer was lost
}, 250);
const view = document.querySelector("#gf-live-view");
new MutationObserver(() => receive(view.querySelector("[data-live]"))).observe(view, { childList: true, subtree: true });
