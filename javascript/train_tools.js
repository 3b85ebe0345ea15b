// Gives the tab's frame its address when the tab is first shown. (loading="lazy" is not enough: browsers load a frame
// inside a hidden tab at once. Gradio shows every tab for a moment while it builds the page: that is no look.)
(() => {
  const A_LOOK_MS = 300;
  const show = frame => {
    if (!frame.src && frame.offsetParent) frame.src = frame.dataset.src;
  };
  const seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting) setTimeout(show, A_LOOK_MS, target);
  });
  const found = new MutationObserver(() => {
    const root = document.querySelector("gradio-app")?.shadowRoot || document;
    const frame = root.querySelector("#train_tools_frame");
    if (!frame) return;
    found.disconnect();
    seen.observe(frame);
  });
  found.observe(document, { childList: true, subtree: true });
})();
