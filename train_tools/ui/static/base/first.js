// Runs before anything is drawn: the colours that were chosen, so that nothing flickers. A classic script, because
// modules run after the page has been parsed. What a host page wants comes in the address, the language too.
(() => {
  const asked = new URLSearchParams(location.search);
  for (const name of ["language", "theme"]) if (asked.get(name)) keep(name, asked.get(name));

  const dusk = matchMedia("(prefers-color-scheme: dark)");
  dusk.addEventListener("change", colour);
  addEventListener("train-tools-theme", colour);
  addEventListener("storage", (event) => event.key === "train-tools theme" && colour());
  new MutationObserver(colour).observe(document.documentElement, { childList: true, subtree: false });
  addEventListener("DOMContentLoaded", watchBody);
  colour();

  /** Gradio draws itself dark by a class of the body, and sets that class by itself: ours is the last word. */
  function colour() {
    const dark = (kept("theme") ?? "follow") === "follow" ? dusk.matches : kept("theme") === "dark";
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    for (const element of [document.documentElement, document.body]) {
      if (element && element.classList.contains("dark") !== dark) element.classList.toggle("dark", dark);
    }
  }

  function watchBody() {
    colour();
    new MutationObserver(colour).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  function kept(name) {
    try {
      return localStorage.getItem(`train-tools ${name}`);
    } catch {
      return null;
    }
  }

  function keep(name, value) {
    try {
      localStorage.setItem(`train-tools ${name}`, value);
    } catch {
      // A full or forbidden storage costs the choice only.
    }
  }
})();
