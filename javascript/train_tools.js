// Gives the tab's frame its address when the tab is first shown, with the WebUI's colours and language; and lets the
// page in it put words into txt2img. (loading="lazy" is not enough: browsers load a frame inside a hidden tab at once.
// Gradio shows every tab for a moment while it builds the page: that is no look.)
(() => {
  const A_LOOK_MS = 300;
  const TXT2IMG = ["txt2img", "text"];
  /** What the tab is called; SD.Next says the second. */
  const LANGUAGES = { ja: "ja", ru: "ru", zh: "zh-CN", en: "en" };

  const root = () => document.querySelector("gradio-app")?.shadowRoot || document;

  const show = frame => {
    if (!frame.src && frame.offsetParent) frame.src = `${frame.dataset.src}?${new URLSearchParams(taste(frame))}`;
  };

  /** What the WebUI looks like: light words are on a dark page (SD.Next has not Gradio's class for that), and the
   * localization file that is chosen in its settings. */
  function taste(frame) {
    const [red, green, blue] = getComputedStyle(frame).color.match(/[\d.]+/g).map(Number);
    const dark = red + green + blue > 3 * 128;
    const chosen = typeof opts === "object" && typeof opts?.localization === "string" ? opts.localization : "";
    const language = LANGUAGES[chosen.slice(0, 2).toLowerCase()];
    return { theme: dark ? "dark" : "light", ...(language ? { language } : {}) };
  }

  window.trainToolsHost = {
    /** Adds words to the prompt of txt2img, once, and shows it. */
    txt2img(words) {
      const prompt = root().querySelector("#txt2img_prompt textarea");
      if (!prompt) return false;
      if (!prompt.value.includes(words)) prompt.value = [prompt.value.trimEnd(), words].filter(Boolean).join(", ");
      prompt.dispatchEvent(new Event("input", { bubbles: true }));
      const tabs = [...root().querySelectorAll("#tabs > .tab-nav button, #tabs button[role=tab]")];
      tabs.find(tab => TXT2IMG.includes(tab.textContent.trim().toLowerCase()))?.click();
      return true;
    },
  };

  const seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting) setTimeout(show, A_LOOK_MS, target);
  });
  const found = new MutationObserver(() => {
    const frame = root().querySelector("#train_tools_frame");
    if (!frame) return;
    found.disconnect();
    seen.observe(frame);
  });
  found.observe(document, { childList: true, subtree: true });
})();
