// Each tab has an address of its own; photos and videos come by paste and drop anywhere on the page.
(() => {
  const FIELDS = { photo: "#gf-upload", many: "#gf-files", video: "#gf-video-upload" };
  const button = (name) => document.querySelector(`[role="tab"][data-tab-id="${CSS.escape(name)}"]`);
  const selected = () => document.querySelector('[role="tab"][aria-selected="true"]')?.dataset.tabId;
  const linked = () => location.hash.slice(1) || "photo";

  // The first element of a kind, once it is there; the framework makes a tab's parts when it is opened.
  const appears = async (selector) => {
    for (let tries = 0; tries < 600 && !document.querySelector(selector); tries++)
      await new Promise((done) => setTimeout(done, 100));
    return document.querySelector(selector);
  };

  // The tab of the link is opened, and the link follows the tab, so that a reload shows the same one.
  let followed = null;
  const follow = () => {
    const name = selected();
    if (!name || followed === name) return;
    if (followed === null && linked() !== name && button(linked())) return button(linked()).click();
    const here = `${location.pathname}${location.search}#${name}`; // in full: the page's base is another address
    if (linked() !== name) history[followed === null ? "replaceState" : "pushState"](null, "", here);
    followed = name;
    // In a frame of the Hub the address that one sees is the frame's.
    if (location.hostname.endsWith(".hf.space"))
      window.parent.postMessage({ hash: location.hash }, "https://huggingface.co");
  };
  window.addEventListener("popstate", () => button(linked())?.click());
  new MutationObserver(follow).observe(document, { subtree: true, childList: true, attributeFilter: ["aria-selected"] });

  const isPhoto = (file) => file.type.startsWith("image/");
  const isForMany = (file) => !file.name.startsWith(".") && (isPhoto(file) || file.name.toLowerCase().endsWith(".zip"));
  const kindOf = (files) => {
    if (files.every((file) => file.type.startsWith("video/"))) return files.length === 1 ? "video" : null;
    if (files.length === 1 && isPhoto(files[0]) && selected() !== "many") return "photo";
    return files.every(isForMany) ? "many" : null;
  };

  // What is there gives way to what comes.
  const take = async (files, kind = files.length ? kindOf(files) : null) => {
    if (!kind) return;
    if (selected() !== kind) button(kind).click();
    const field = await appears(FIELDS[kind]);
    if (kind !== "photo") {
      field.querySelector('[aria-label="Clear"]')?.click();
      await new Promise((done) => setTimeout(done, 300)); // the framework makes the field anew
    }
    const input = await appears(`${FIELDS[kind]} input[type="file"]`), all = new DataTransfer();
    if (!input) return; // the camera is in its place
    for (const file of files) all.items.add(file);
    input.files = all.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // Of a folder its photos, those in folders below included.
  const takeFolder = (files) => {
    const photos = files.filter(isForMany);
    if (photos.length) take(photos, "many");
  };
  const within = async (entry) => {
    if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
    const reader = entry.createReader(), entries = [];
    for (let more; (more = await new Promise((done, fail) => reader.readEntries(done, fail))).length; ) entries.push(...more);
    return (await Promise.all(entries.map(within))).flat();
  };
  const entriesOf = (transfer) => [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const hasFolder = (transfer) => entriesOf(transfer).some((entry) => entry.isDirectory);
  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-folder]")) return;
    takeFolder([...event.target.files]);
    event.target.value = ""; // the same folder may be chosen again
  });

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.target.closest?.("textarea, [type=text], [type=number], [contenteditable]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    take(files);
  }, true);

  // The framework's own fields are left alone, as long as they show that they wait for a file.
  const isOurs = (event) =>
    event.dataTransfer?.types.includes("Files") &&
    (!event.target.closest?.("button.upload-container:not(.icon-mode)") || hasFolder(event.dataTransfer));
  for (const kind of ["dragover", "drop"])
    document.addEventListener(kind, (event) => {
      document.documentElement.toggleAttribute("data-dropping", kind === "dragover" && isOurs(event));
      if (!isOurs(event)) return;
      event.preventDefault(); // the browser would leave the page for the file
      event.stopImmediatePropagation();
      if (kind !== "drop") return;
      if (!hasFolder(event.dataTransfer)) return take([...event.dataTransfer.files]);
      Promise.all(entriesOf(event.dataTransfer).map(within)).then((files) => takeFolder(files.flat()));
    }, true);
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.documentElement.removeAttribute("data-dropping");
  });
})();
