// One picture in full size with its neighbours on the arrow keys; several compared.
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { MODES, Panes } from "./panes.js";

const MOST = 6;

/** One picture. `acts` as the matrix has them; `step(right, down)` gives the neighbour's {picture, caption, seen}. */
export class Zoom {
  constructor(acts, step) {
    Object.assign(this, { acts, step });
    this.panes = new Panes();
    this.facts = h("p.facts", {});
    const act = (words, run, shortcut) => h("button.quiet", { type: "button", title: shortcut, onclick: run }, words);
    this.buttons = h("div.line", {}, this.facts, h("span.acts", {}, act(t("checkpoints.compare"), () => this.acts.mark(), "C"), act(t("checkpoints.pick"), () => this.acts.pickCurrent(), "Enter"), act(t("checkpoints.details"), () => this.acts.detailsOfCurrent(), "I"), act(t("checkpoints.close"), () => this.dialog.close(), "Esc")));
    this.dialog = h("dialog.zoom", { tabindex: "-1", "aria-label": t("checkpoints.full_size") }, this.panes.element, this.buttons);
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("close", () => this.acts.focus());
  }

  open(shown) {
    const anew = !this.dialog.open;
    this.panes.show([shown], "side");
    this.told(shown);
    if (!anew) return;
    this.panes.whole();
    this.dialog.showModal();
    this.dialog.focus();
    this.panes.draw();
  }

  told(shown) {
    say(this.facts, this.acts.told(shown));
  }

  async key(event) {
    if (event.target.localName === "button" && [" ", "Enter"].includes(event.key)) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way && !event.shiftKey) {
      event.preventDefault();
      const next = await this.step(...way);
      if (next) this.open(next);
      return;
    }
    if (this.panes.key(event) || event.key === "Escape" || event.key === "Tab") return;
    if (this.acts.key(event)) this.told(this.acts.current());
  }
}

/** From two to six pictures. */
export class Compare {
  constructor(acts) {
    this.acts = acts;
    this.panes = new Panes();
    this.modes = MODES.map((mode) => h("button.quiet", { type: "button", "aria-pressed": "false", "data-mode": mode, onclick: () => this.choose(mode) }, t(`checkpoints.modes.${mode}`)));
    this.swap = h("button.quiet", { type: "button", onclick: () => this.turnRound() }, t("checkpoints.next_pair"));
    const clear = h("button.quiet", { type: "button", onclick: () => this.clear() }, t("checkpoints.unmark_all"));
    const close = h("button.quiet", { type: "button", title: "Esc", onclick: () => this.dialog.close() }, t("checkpoints.close"));
    const bar = h("div.line", {}, h("span.acts", { role: "group", "aria-label": t("checkpoints.compare") }, this.modes), h("small", {}, t("checkpoints.locked")), h("span.acts", {}, this.swap, clear, close));
    this.dialog = h("dialog.zoom", { "aria-label": t("checkpoints.compare") }, this.panes.element, bar);
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("close", () => this.acts.focus());
  }

  open(pictures) {
    this.pictures = pictures.slice(0, MOST);
    this.dialog.showModal();
    this.choose("side");
    this.panes.whole();
  }

  choose(mode) {
    this.panes.show(this.pictures, mode);
    this.swap.hidden = mode !== "slider" || this.pictures.length < 3;
    for (const button of this.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    this.modes[MODES.indexOf(mode)].focus();
  }

  /** Of several pictures the slider shows the first two. */
  turnRound() {
    this.pictures = [...this.pictures.slice(1), this.pictures[0]];
    this.choose("slider");
  }

  clear() {
    this.acts.unmarkAll();
    this.dialog.close();
  }

  key(event) {
    if (event.target === this.panes.divide && event.key.startsWith("Arrow")) return;
    if (event.key === "b" || event.key === "B") {
      event.preventDefault();
      if (this.panes.mode === "blink") this.panes.blink();
      else this.choose("blink");
    } else if (event.key === "s" || event.key === "S") this.choose(MODES[(MODES.indexOf(this.panes.mode) + 1) % MODES.length]);
    else this.panes.key(event);
  }
}
