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
    refuse([]);
    // In a frame of the Hub the address that one sees is the frame's.
    if (location.hostname.endsWith(".hf.space"))
      window.parent.postMessage({ hash: location.hash }, "https://huggingface.co");
  };
  window.addEventListener("popstate", () => button(linked())?.click());
  new MutationObserver(follow).observe(document, { subtree: true, childList: true, attributeFilter: ["aria-selected"] });

  const isPhoto = (file) => file.type.startsWith("image/");
  const isVideo = (file) => file.type.startsWith("video/");
  const isForMany = (file) => isPhoto(file) || file.name.toLowerCase().endsWith(".zip");
  const FITS = { photo: isPhoto, many: isForMany, video: isVideo };
  const refused = () => document.querySelector("#gf-refused-words");
  const hasSize = (file) => file.size > 0 && file.size <= Number(refused().dataset.megabytes) * 1e6;
  const fits = (kind, files) =>
    files.every((file) => FITS[kind](file) && hasSize(file)) && (kind === "many" || files.length === 1);
  const kindOf = (files) => {
    const kinds = selected() === "many" ? ["many", "video"] : ["photo", "video", "many"];
    return files.length ? kinds.find((kind) => fits(kind, files)) : null;
  };

  // Some systems name no type, and a moving picture counts as a video in the tab for those.
  const TYPES = { heic: "image/heic", heif: "image/heif", mkv: "video/x-matroska", avi: "video/x-msvideo" };
  const moves = async (file) =>
    file.type === "image/gif" || (file.type === "image/webp" && (await file.slice(0, 64).text()).includes("ANIM"));
  const sniffed = async (file) => ((await file.slice(4, 8).text()) === "ftyp" ? "video/mp4" : "image/jpeg"); // the server looks closely
  const typed = async (file) => {
    const [, ending] = /.\.([^.]+)$/.exec(file.name) ?? [];
    let type = file.type || (ending ? TYPES[ending.toLowerCase()] : await sniffed(file));
    if (selected() === "video" && (await moves(file))) type = file.type.replace("image/", "video/");
    return !type || type === file.type ? file : new File([file], file.name, { type });
  };

  // What cannot be taken is said in place, until something else comes.
  const refuse = (files) => {
    const place = refused();
    if (!place) return;
    const { megabytes } = place.dataset, size = (file) => Math.ceil(file.size / 1e6);
    const large = files.find((file) => size(file) > megabytes), empty = files.find((file) => !file.size);
    const other = files.find((file) => !isForMany(file) && !(isVideo(file) && files.length === 1));
    place.hidden = !files.length;
    place.textContent =
      large ? `${large.name} has ${size(large)} MB, the limit is ${megabytes} MB.` :
      empty ? `${empty.name} is empty: copy or download it again.` :
      files.length > 1 && files.every(isVideo) ? "One video at a time, please." :
      other ? `${other.name} is ${files.length > 1 ? "no photo" : "no photo, no video"} and no ZIP of photos.` : "";
    if (files.length > 1) place.textContent += " Nothing was taken.";
    if (files.length) place.scrollIntoView({ block: "nearest" });
  };

  // What is there gives way to what comes.
  const take = async (chosen, into = null) => {
    const files = await Promise.all(chosen.map(typed)), kind = into ?? kindOf(files);
    refuse(kind ? [] : files);
    if (!kind) return;
    if (selected() !== kind) button(kind).click();
    if (kind !== "photo") {
      const [waiting, clear] = ["button.upload-container:not(.icon-mode)", '[aria-label="Clear"]'].map((part) => `${FIELDS[kind]} ${part}`);
      await appears(`${waiting}, ${clear}`); // what is being uploaded is there first
      const cleared = document.querySelector(clear);
      cleared?.click();
      await appears(waiting); // the framework makes the field anew
      if (cleared && kind === "many") await appears("#gf-many-view .gf-empty"); // and has left what was under way
      await new Promise((done) => setTimeout(done, 300));
    }
    const input = await appears(`${FIELDS[kind]} input[type="file"]`), all = new DataTransfer();
    if (!input) return; // the camera is in its place
    for (const file of files) all.items.add(file);
    input.files = all.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // Of a folder its photos, those in folders below included.
  const takeFolder = (files) => {
    const photos = files.filter((file) => isForMany(file) && !file.name.startsWith("."));
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

  // A browser plays no GIF and not every film; what cannot be played can be analysed, so that is no error.
  document.addEventListener("error", (event) => {
    if (!event.target.matches?.("#gf-video-upload video")) return;
    event.stopImmediatePropagation();
    event.target.poster = event.target.src; // a GIF moves there
  }, true);

  // A framework's field turns away what does not fit with a message that passes: that goes where it belongs instead.
  const fieldOf = (element) => Object.keys(FIELDS).find((kind) => element.closest?.(FIELDS[kind]));
  document.addEventListener("change", (event) => {
    const kind = event.target.matches?.("input[type=file]") && fieldOf(event.target);
    if (!kind) return;
    const files = [...event.target.files];
    if (fits(kind, files)) return refuse([]);
    event.stopImmediatePropagation();
    take(files);
  }, true);

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.target.closest?.("textarea, [type=text], [type=number], [contenteditable]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    take(files);
  }, true);

  // The framework's own fields are left alone, as long as they show that they wait for a file that fits.
  const waits = (element) => element.closest?.("button.upload-container:not(.icon-mode)");
  const isOurs = (event) =>
    event.dataTransfer?.types.includes("Files") &&
    (!waits(event.target) || hasFolder(event.dataTransfer) ||
      (event.type === "drop" && !fits(fieldOf(event.target), [...event.dataTransfer.files])));
  for (const kind of ["dragover", "drop"])
    document.addEventListener(kind, (event) => {
      document.documentElement.toggleAttribute("data-dropping", kind === "dragover" && isOurs(event));
      if (kind === "drop") refuse([]);
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
