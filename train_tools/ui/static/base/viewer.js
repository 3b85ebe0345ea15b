// One picture in full size, with its neighbours on the arrow keys.
import { h, say } from "./island.js";

/** A dialog over `pictures()` ({full, caption} in reading order); `columns()` is how many stand in a row. */
export class Viewer {
  constructor(pictures, columns = () => 1) {
    Object.assign(this, { pictures, columns, at: 0 });
    this.image = h("img", { alt: "" });
    this.caption = h("figcaption", {});
    const close = h("button", { type: "button", onclick: () => this.dialog.close() }, "Close");
    this.dialog = h("dialog.viewer", { "aria-label": "Picture in full size" }, h("figure", {}, this.image, this.caption), close);
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  open(at) {
    const picture = this.pictures()[at];
    if (!picture) return;
    this.at = at;
    this.image.src = picture.full;
    this.image.alt = picture.caption;
    say(this.caption, picture.caption);
    if (!this.dialog.open) this.dialog.showModal();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.open(this.at + step);
  }
}
