// Painting a mask: how much each part of a picture counts. White counts, black does not; where nothing is painted, all does.
import { ask, versionPath } from "../base/api.js";
import { h } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";

const STEPS_BACK = 30;

/** `done` is called when painting has ended, saved or not. */
export class Painter {
  constructor(screen, done) {
    Object.assign(this, { notices: screen.notices, done, image: null, back: [], erases: true, at: null });
    this.canvas = h("canvas.painting", { hidden: true, tabindex: "0", role: "img", "aria-label": t("dataset.mask.canvas"), onpointerdown: (event) => this.begin(event), onpointermove: (event) => this.draw(event), onpointerup: () => this.end(), onpointercancel: () => this.end(), onkeydown: (event) => this.key(event) });
    this.tools = this.bar();
  }

  bar() {
    const button = (words, does, attributes = {}) => h("button", { type: "button", onclick: does, ...attributes }, words);
    const slider = (name, from, to, value, moved) => {
      const input = h("input", { type: "range", min: from, max: to, value, oninput: moved ?? (() => {}) });
      this[name] = input;
      return h("label.field", {}, h("span", {}, t(`dataset.mask.${name}`)), input);
    };
    this.hide = button(t("dataset.mask.hide"), () => this.use(true), { "aria-pressed": "true" });
    this.restore = button(t("dataset.mask.restore"), () => this.use(false), { "aria-pressed": "false" });
    this.undoing = button(t("dataset.undo"), () => this.undo(), { disabled: true });
    const brush = slider("brush", 2, 200, 48);
    const strength = slider("strength", 0, 100, 100);
    const opacity = slider("opacity", 20, 100, 70, () => (this.canvas.style.opacity = String(this.opacity.value / 100)));
    const edit = h("div.line.start", {}, this.hide, this.restore, this.undoing, button(t("dataset.mask.invert"), () => this.invert()), button(t("dataset.mask.clear"), () => this.fill("white")));
    const end = h("div.line.start", {}, button(t("dataset.mask.save"), () => this.save(), { class: "primary" }), button(t("dataset.mask.remove"), () => this.remove()), button(t("dataset.mask.cancel"), () => this.close()));
    return h("section.brushes", { hidden: true, "aria-label": t("dataset.mask.title") }, h("p.hint", {}, t("dataset.mask.hint")), edit, brush, strength, opacity, end);
  }

  get isOpen() {
    return this.image !== null;
  }

  get pen() {
    return this.canvas.getContext("2d", { willReadFrequently: true });
  }

  /** Over `picture`, an element that shows the image. */
  async open(image, picture) {
    Object.assign(this, { image, back: [] });
    Object.assign(this.canvas, { width: image.width_px, height: image.height_px, hidden: false });
    this.canvas.style.opacity = String(this.opacity.value / 100);
    this.tools.hidden = false;
    this.undoing.disabled = true;
    this.pen.fillStyle = "white";
    this.pen.fillRect(0, 0, image.width_px, image.height_px);
    if (image.mask) this.pen.drawImage(await loaded(image.mask.full), 0, 0, image.width_px, image.height_px);
    this.canvas.focus();
  }

  close() {
    if (!this.isOpen) return;
    this.image = null;
    this.canvas.hidden = true;
    this.tools.hidden = true;
    this.done();
  }

  use(erases) {
    this.erases = erases;
    this.hide.setAttribute("aria-pressed", String(erases));
    this.restore.setAttribute("aria-pressed", String(!erases));
  }

  key(event) {
    const ctrl = event.ctrlKey || event.metaKey;
    if (event.key === "x") this.use(!this.erases);
    else if (event.key === "i") this.invert();
    else if (event.key === "[" || event.key === "]") this.brush.value = Number(this.brush.value) + (event.key === "]" ? 6 : -6);
    else if (ctrl && event.key === "z") this.undo();
    else if (ctrl && event.key === "s") this.save();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  remember() {
    this.back.push(this.pen.getImageData(0, 0, this.canvas.width, this.canvas.height));
    if (this.back.length > STEPS_BACK) this.back.shift();
    this.undoing.disabled = false;
  }

  undo() {
    const before = this.back.pop();
    if (before) this.pen.putImageData(before, 0, 0);
    this.undoing.disabled = !this.back.length;
  }

  begin(event) {
    if (event.button) return;
    this.remember();
    this.canvas.setPointerCapture(event.pointerId);
    this.at = this.placeOf(event);
    this.draw(event);
  }

  draw(event) {
    if (this.at === null) return;
    const to = this.placeOf(event);
    const { pen } = this;
    const grey = Math.round(255 * (1 - this.strength.value / 100));
    Object.assign(pen, { lineCap: "round", lineJoin: "round", lineWidth: this.brush.value * this.scale, strokeStyle: this.erases ? `rgb(${grey} ${grey} ${grey})` : "white" });
    pen.beginPath();
    pen.moveTo(this.at.x, this.at.y);
    pen.lineTo(to.x, to.y);
    pen.stroke();
    this.at = to;
  }

  end() {
    this.at = null;
  }

  /** Pixels of the picture for one of the screen. */
  get scale() {
    return this.canvas.width / this.canvas.getBoundingClientRect().width;
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.scale, y: (event.clientY - box.top) * this.scale };
  }

  invert() {
    this.remember();
    this.pen.globalCompositeOperation = "difference";
    this.paintAll("white");
    this.pen.globalCompositeOperation = "source-over";
  }

  fill(colour) {
    this.remember();
    this.paintAll(colour);
  }

  paintAll(colour) {
    this.pen.fillStyle = colour;
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  path() {
    return `${versionPath(places.current, "dataset", "masks")}/${this.image.image.split("/").map(encodeURIComponent).join("/")}`;
  }

  save() {
    return this.notices.trying(async () => {
      const content = await new Promise((done) => this.canvas.toBlob(done, "image/png"));
      await ask(this.path(), { method: "PUT", body: content });
      this.notices.tell(t("dataset.mask.saved", { name: this.image.name }));
      this.close();
    });
  }

  /** The file goes; what was in it can be painted back at once. */
  remove() {
    return this.notices.trying(async () => {
      const [path, before] = [this.path(), this.image.mask && (await (await fetch(this.image.mask.full)).blob())];
      await ask(path, { method: "DELETE" });
      const undo = before ? async () => (await ask(path, { method: "PUT", body: before }), this.done()) : null;
      this.notices.tell(t("dataset.mask.removed", { name: this.image.name }), undo);
      this.close();
    });
  }
}

async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}
