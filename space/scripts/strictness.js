// "Answer only if at least N in 100 such answers are right": words that are less certain give way, in all tabs.
(() => {
  const WITHHELD = "cannot tell";
  let least = 0;

  const judge = () => {
    for (const answer of document.querySelectorAll("[data-right]")) {
      const withheld = Number(answer.dataset.right) < least, text = withheld ? WITHHELD : answer.dataset.word;
      if (answer.textContent !== text) answer.textContent = text;
      answer.toggleAttribute("data-withheld", withheld);
    }
    for (const person of document.querySelectorAll("[data-rights]")) {
      const rights = JSON.parse(person.dataset.rights), enough = rights.filter((right) => right >= least).length;
      const text = least ? `answered at ${enough} of ${rights.length} moments` : "";
      if (person.textContent !== text) person.textContent = text;
    }
  };

  const choose = (slider) => {
    least = slider.value === slider.min ? 0 : Number(slider.value);
    const { all, words } = slider.dataset, said = least ? JSON.parse(words)[least] : all;
    slider.setAttribute("aria-valuetext", least ? `${least} in 100` : "all answers");
    document.querySelector("#gf-strictness-value").textContent = least ? `at least ${least}` : "any number";
    document.querySelector("#gf-strictness-words").textContent = said;
    judge();
    document.dispatchEvent(new Event("strictness"));
  };
  document.addEventListener("input", (event) => event.target.id === "gf-strictness" && choose(event.target));
  new MutationObserver(judge).observe(document, { subtree: true, childList: true });
})();
