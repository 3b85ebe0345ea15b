// One picture in full size, with its neighbours on the arrow keys, its caption, and a brush for its mask.
import { h, say } from "../base/island.js";
import { number, t } from "../base/words.js";
import { CaptionEditor } from "./caption.js";
import { Painter } from "./mask.js";
import { Stage } from "./stage.js";

export class CloseUp {
  constructor(screen, gallery) {
    Object.assign(this, { gallery, at: 0, shown: null, px: [0, 0] });
    this.image = h("img", { alt: "" });
    this.mask = h("img.mask", { alt: "", hidden: true });
    this.facts = h("p.facts", {});
    this.editor = new CaptionEditor(screen, gallery.listing, () => this.dialog.focus());
    this.painter = new Painter(screen, () => this.painted());
    const act = (words, does) => h("button", { type: "button", onclick: does }, words);
    this.paint = act(t("dataset.closeup.paint"), () => this.startPainting());
    this.tools = h("div.line.start", {}, act("‹", () => this.step(-1)), act("›", () => this.step(1)), this.paint, act(t("dataset.gallery.remove"), () => this.remove()), act(t("dataset.close"), () => this.dialog.close()));
    this.tools.children[0].setAttribute("aria-label", t("dataset.closeup.previous"));
    this.tools.children[1].setAttribute("aria-label", t("dataset.closeup.next"));
    this.stage = h("div.stage", {}, this.image, this.mask, this.painter.canvas);
    this.room = new Stage(this.stage, () => this.px);
    this.dialog = h("dialog.closeup", { "aria-label": t("dataset.closeup.title"), tabindex: "-1" }, this.stage, h("div.beside", {}, this.facts, this.tools, this.painter.tools, this.editor.element));
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("cancel", (event) => this.painter.isOpen && (event.preventDefault(), this.painter.close()));
  }

  open(at) {
    this.at = at;
    if (!this.dialog.open) this.dialog.showModal();
    this.gallery.selection.only(at);
    this.gallery.grid.reveal(at);
    this.gallery.listing.look(at, at + 1);
    this.show();
    this.dialog.focus();
  }

  refresh() {
    if (this.dialog.open) this.show();
  }

  show() {
    const image = this.gallery.listing.of(this.at);
    const many = this.gallery.listing.images.length;
    if (!many) return this.dialog.close();
    if (!image) return say(this.facts, "…");
    const state = `${image.full} ${image.mask?.full}`;
    if (state !== this.shown) {
      this.shown = state;
      this.painter.close();
      this.image.src = image.full;
      this.px = [image.width_px, image.height_px];
      this.room.fit();
      this.image.alt = image.caption ?? image.name;
      this.mask.hidden = !image.mask;
      if (image.mask) this.mask.src = image.mask.full;
    }
    say(this.facts, `${t("dataset.closeup.place", { at: this.at + 1, all: many })} · ${image.image} · ${number(image.width_px)} × ${number(image.height_px)}`);
    this.editor.show(image);
    return undefined;
  }

  key(event) {
    if (event.target.closest("textarea, input") || this.painter.isOpen) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.gallery.grid.columns, ArrowDown: this.gallery.grid.columns }[event.key];
    if (step !== undefined) this.step(step);
    else if (event.key === "Enter" && event.target === this.dialog) this.editor.edit();
    else if (event.key === "Delete") this.remove();
    else if (event.key === "m") this.startPainting();
    else return;
    event.preventDefault();
  }

  step(by) {
    const at = this.at + by;
    if (at >= 0 && at < this.gallery.listing.images.length) this.open(at);
  }

  remove() {
    const image = this.gallery.listing.images[this.at];
    return this.gallery.putAside([image]);
  }

  startPainting() {
    const image = this.gallery.listing.of(this.at);
    if (!image) return;
    this.mask.hidden = true;
    this.painter.open(image, this.image);
    this.dialog.classList.add("painting");
  }

  painted() {
    this.dialog.classList.remove("painting");
    this.mask.hidden = !this.gallery.listing.of(this.at)?.mask;
    this.gallery.listing.feed.now();
    this.dialog.focus();
  }

  closed() {
    this.painter.close();
    this.shown = null;
    this.gallery.grid.element.focus({ preventScroll: true });
  }
}
