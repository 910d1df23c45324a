// A timeline of a video is a slider over its annotated copy: a click or a key goes to that moment, a line marks it.
(() => {
  const STEP = 0.2; // seconds between analysed moments
  const KEYS = { ArrowRight: STEP, ArrowUp: STEP, ArrowLeft: -STEP, ArrowDown: -STEP, Home: -Infinity, End: Infinity };
  const clip = () => document.querySelector("#gf-clip video");
  const length = (slider) => Number(slider.getAttribute("aria-valuemax"));

  const wordAt = (slider, place) => {
    const moment = JSON.parse(slider.closest("[data-moments]").dataset.moments).find(([left, width]) => left <= place && place <= left + width);
    return moment ? (isWithheld(moment[2]) ? "no answer" : moment[3]) : "not in sight";
  };
  const show = (time) => {
    for (const slider of document.querySelectorAll(".gf-bands[role=slider]")) {
      const place = (100 * time) / length(slider);
      slider.style.setProperty("--at", `${place}%`);
      slider.setAttribute("aria-valuenow", time.toFixed(1));
      slider.setAttribute("aria-valuetext", `${time.toFixed(1)} seconds: ${wordAt(slider, place)}`);
    }
  };
  const seek = (slider, time) => {
    if (!clip()) return;
    clip().currentTime = Math.min(Math.max(time, 0), length(slider));
    show(clip().currentTime);
  };

  const sliderOf = (event) => event.target.closest?.(".gf-bands[role=slider]");
  const point = (event) => {
    const slider = sliderOf(event);
    if (!slider || !(event.buttons & 1)) return;
    const { left, width } = slider.getBoundingClientRect();
    seek(slider, (length(slider) * (event.clientX - left)) / width);
  };
  for (const kind of ["pointerdown", "pointermove"]) document.addEventListener(kind, point);
  document.addEventListener("keydown", (event) => {
    const slider = sliderOf(event);
    if (!slider || !clip()) return;
    const step = KEYS[event.key] ?? { PageUp: length(slider) / 10, PageDown: -length(slider) / 10 }[event.key];
    if (step !== undefined) seek(slider, clip().currentTime + step);
    else if (event.key === "Enter" || event.key === " ") clip().paused ? clip().play() : clip().pause();
    else return;
    event.preventDefault();
  });
  document.addEventListener("timeupdate", (event) => event.target === clip() && show(event.target.currentTime), true);
})();
