// A photo that is under way is shown at once, with the shape of the answer beside it; page.css hides the rest meanwhile.
(() => {
  const find = (selector) => document.querySelector(selector);
  let own = null; // address of a file in this page
  let asked = 0; // answers that are awaited

  const show = (words, source) => {
    const picture = find("#gf-loading img");
    find("#gf-layout").dataset.loading = "";
    find("#gf-refused-words").hidden = true;
    find("#gf-loading [role=status]").textContent = words;
    picture.onload = () => picture.parentElement.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight);
    picture.src = source;
    fillScreen();
  };
  // On a narrow screen photo and answer are what one sees.
  window.fillScreen = () => window.innerWidth <= 1020 && find("#gf-layout").scrollIntoView({ block: "start" });

  // What a tab's events call: `source` is a picture's address. What the visitor chose is there already.
  window.startLoading = (source) => {
    asked += 1;
    show("Looking for faces …", own ?? source);
  };
  // Whoever sends a second photo sees the answer to that one only. Gives whether that is now.
  window.isAnswered = () => {
    asked = Math.max(asked - 1, 0);
    if (!asked) stopLoading();
    return !asked;
  };
  window.stopLoading = () => {
    asked = 0;
    delete find("#gf-layout").dataset.loading;
    find("#gf-loading img").removeAttribute("src");
    if (own) URL.revokeObjectURL(own);
    own = null;
  };

  const arrive = (file) => {
    if (!file?.type.startsWith("image/")) return; // the framework says what is wrong with it
    if (own) URL.revokeObjectURL(own);
    show("Uploading …", (own = URL.createObjectURL(file)));
    // The field waits for a file again and shows none: this one did not get through, of which the framework has told.
    const field = find("#gf-upload");
    let left = false;
    const look = () => {
      const waits = field.querySelector("button.upload-container") !== null;
      left ||= !waits;
      if (!left || !waits) return;
      watch.disconnect();
      if (!asked && !field.querySelector("img")) stopLoading();
    };
    const watch = new MutationObserver(look);
    watch.observe(field, { subtree: true, childList: true });
    setTimeout(() => { left = true; look(); }, 1000); // where it was not even sent
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("#gf-upload input[type=file]")) arrive(event.target.files[0]);
  }, true);
  document.addEventListener("drop", (event) => {
    if (event.target.closest?.("#gf-upload")) arrive(event.dataTransfer?.files[0]);
  }, true);
})();
