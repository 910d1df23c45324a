// "Answer only if at least N in 100 such answers are right": words that are less certain give way, in all tabs.
(() => {
  const WITHHELD = "cannot tell";
  let least = 0;

  // Of the answers whose `right` in 100 is known: 0 for a face that cannot be read.
  window.isWithheld = (right) => right !== null && (right === 0 || right < least);

  // Where a timeline has no answer, in one piece where moments follow each other; all in per cent of its width.
  const shade = (line) => {
    if (line.dataset.shaded === String(least)) return;
    line.dataset.shaded = least;
    const veils = [];
    for (const [left, width, right] of JSON.parse(line.dataset.moments)) {
      if (!isWithheld(right)) continue;
      const last = veils.at(-1);
      if (last && Math.abs(last[1] - left) < 0.01) last[1] = left + width;
      else veils.push([left, left + width]);
    }
    line.querySelector(".gf-veils").replaceChildren(...veils.map(([from, to]) => {
      const veil = document.createElement("span");
      veil.style.cssText = `left:${from}%;width:${to - from}%`;
      return veil;
    }));
  };

  const judge = window.withholdAnswers = () => {
    for (const answer of document.querySelectorAll("[data-right]")) {
      const withheld = Number(answer.dataset.right) < least, text = withheld ? WITHHELD : answer.dataset.word;
      if (answer.textContent !== text) answer.textContent = text;
      answer.toggleAttribute("data-withheld", withheld);
    }
    for (const line of document.querySelectorAll("[data-moments]")) shade(line);
    for (const person of document.querySelectorAll("[data-answered]")) {
      const moments = JSON.parse(person.closest(".gf-person").querySelector("[data-moments]").dataset.moments);
      const enough = moments.filter(([, , right]) => !isWithheld(right)).length;
      const text = least || enough < moments.length ? `answered at ${enough} of ${moments.length} moments` : "";
      if (person.textContent !== text) person.textContent = text;
    }
  };

  const choose = (slider) => {
    least = slider.value === slider.min ? 0 : Number(slider.value);
    const { all, words } = slider.dataset, said = least ? JSON.parse(words)[least] : all;
    slider.setAttribute("aria-valuetext", least ? `right at least ${least} times in 100` : "every answer");
    document.querySelector("#gf-strictness-value").textContent = least ? `answers right at least ${least} times in 100` : "every answer";
    document.querySelector("#gf-strictness-words").textContent = said;
    judge();
    document.dispatchEvent(new Event("strictness"));
  };
  document.addEventListener("input", (event) => event.target.id === "gf-strictness" && choose(event.target));
  new MutationObserver(judge).observe(document, { subtree: true, childList: true });
})();
