// Pictures side by side, over one another or by turns, with one zoom and one place for all of them.
import { h } from "../base/island.js";
import { t } from "../base/words.js";

export const MODES = ["side", "slider", "blink"];
const DEEPEST = 16;
const STEP = 1.25;
const NUDGE_PX = 40;

export class Panes {
  constructor() {
    Object.assign(this, { zoom: 1, left: 0, top: 0, mode: "side", turn: 0, pointers: new Map(), panes: [] });
    this.stage = h("div.stage", { "data-mode": "side" });
    this.divide = h("input.divide", { type: "range", min: "0", max: "100", step: "0.5", value: "50", "aria-label": t("checkpoints.divide"), oninput: () => this.draw() });
    this.element = h("div.panes", {}, this.stage, this.divide);
    this.listen();
  }

  listen() {
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.press(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, (event) => this.release(event));
    this.stage.addEventListener("dblclick", (event) => (this.zoom > 1 ? this.whole() : this.magnify(4, event)));
  }

  /** `pictures`: [{picture: {full}, caption}] */
  show(pictures, mode = this.mode) {
    Object.assign(this, { pictures, mode, turn: Math.min(this.turn, pictures.length - 1) });
    this.panes = pictures.map(({ picture, caption }) => h("figure.pane", {}, h("div.window", {}, picture ? h("img", { src: picture.full, alt: caption, draggable: "false" }) : h("p", {}, t("checkpoints.fates.missing"))), h("figcaption", {}, caption)));
    this.stage.dataset.mode = mode;
    this.stage.style.setProperty("--panes", pictures.length);
    this.stage.style.setProperty("--across", pictures.length > 3 ? Math.ceil(pictures.length / 2) : pictures.length);
    this.stage.replaceChildren(...this.panes);
    this.divide.hidden = mode !== "slider";
    this.draw();
  }

  /** By turns: the next one. */
  blink() {
    this.turn = (this.turn + 1) % this.panes.length;
    this.draw();
  }

  whole() {
    Object.assign(this, { zoom: 1, left: 0, top: 0 });
    this.draw();
  }

  magnify(factor, at = null) {
    const { width, height, x, y } = this.windowAt(at);
    const zoom = Math.min(DEEPEST, Math.max(1, this.zoom * factor));
    this.left = x - ((x - this.left) * zoom) / this.zoom;
    this.top = y - ((y - this.top) * zoom) / this.zoom;
    this.zoom = zoom;
    this.keep(width, height);
  }

  move(right, down) {
    const { width, height } = this.windowAt(null);
    this.left += right;
    this.top += down;
    this.keep(width, height);
  }

  /** No further than the picture's edge. */
  keep(width, height) {
    this.left = Math.min(0, Math.max(width * (1 - this.zoom), this.left));
    this.top = Math.min(0, Math.max(height * (1 - this.zoom), this.top));
    this.draw();
  }

  /** The window under a pointer, and where in it; without one, the middle of the first. */
  windowAt(at) {
    const under = at && this.panes.find((pane) => within(pane.firstChild.getBoundingClientRect(), at));
    const box = (under ?? this.panes[0]).firstChild.getBoundingClientRect();
    return { width: box.width, height: box.height, x: under ? at.clientX - box.left : box.width / 2, y: under ? at.clientY - box.top : box.height / 2 };
  }

  draw() {
    const share = Number(this.divide.value);
    for (const [at, pane] of this.panes.entries()) {
      const image = pane.firstChild.firstChild;
      image.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.zoom})`;
      image.classList.toggle("close", this.zoom >= 4);
      pane.hidden = this.mode === "blink" ? at !== this.turn : this.mode === "slider" && at > 1;
      pane.style.clipPath = this.mode === "slider" && at === 1 ? `inset(0 0 0 ${share}%)` : "";
    }
    this.stage.style.setProperty("--divide", `${share}%`);
  }

  wheel(event) {
    event.preventDefault();
    this.magnify(STEP ** (-Math.sign(event.deltaY) * Math.min(3, Math.abs(event.deltaY) / 50)), event);
  }

  press(event) {
    if (event.button) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const other = [...this.pointers.values()].find((each) => each.pointerId !== event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (other) this.pinch(before, event, other);
    else this.move(event.clientX - before.clientX, event.clientY - before.clientY);
  }

  pinch(before, after, other) {
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    this.magnify(apart(after) / Math.max(1, apart(before)), { clientX: (after.clientX + other.clientX) / 2, clientY: (after.clientY + other.clientY) / 2 });
  }

  release(event) {
    this.pointers.delete(event.pointerId);
  }

  /** Whether a key was one of its own: zoom by + - 0, and where `arrows` are its business, moving. */
  key(event, { arrows = true } = {}) {
    if (event.key === "+" || event.key === "=") this.magnify(STEP);
    else if (event.key === "-") this.magnify(1 / STEP);
    else if (event.key === "0") this.whole();
    else if (arrows && MOVES[event.key]) this.move(...MOVES[event.key].map((each) => each * NUDGE_PX));
    else return false;
    event.preventDefault();
    return true;
  }
}

const MOVES = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const within = (box, at) => at.clientX >= box.left && at.clientX <= box.right && at.clientY >= box.top && at.clientY <= box.bottom;
