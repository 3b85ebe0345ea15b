// Files that are dropped where nothing takes them: nothing happens. A browser would leave the page for them.

export const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Whoever takes files has said so before, by `preventDefault()`. */
function refuse(event) {
  if (event.defaultPrevented || !carriesFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
}

addEventListener("dragover", refuse);
addEventListener("drop", refuse);
