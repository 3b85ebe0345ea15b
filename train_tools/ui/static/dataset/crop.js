// A frame that is dragged over an original: the part that becomes training images. By mouse, touch and arrow keys.
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { Stage } from "./stage.js";

const STEP = 0.01;
const LEAST = 0.02;
const SIDES = ["left", "top", "right", "bottom"];

export class Cropper {
  /** `keep` is called with the part, as shares of width and height. */
  constructor(screen, keep) {
    Object.assign(this, { keep, part: null, from: null });
    this.image = h("img", { alt: "", draggable: "false" });
    this.frame = h("div.cut", { tabindex: "0", role: "group", "aria-label": t("dataset.crop.frame"), onkeydown: (event) => this.key(event) });
    this.told = h("p.facts", { role: "status" });
    this.stage = h("div.stage.cutting", { onpointerdown: (event) => this.begin(event), onpointermove: (event) => this.drag(event), onpointerup: () => this.end(), onpointercancel: () => this.end() }, this.image, this.frame);
    this.room = new Stage(this.stage, () => [this.image.naturalWidth, this.image.naturalHeight], () => this.part && this.show(this.part));
    const act = (words, does, attributes = {}) => h("button", { type: "button", onclick: does, ...attributes }, words);
    const buttons = h("div.line.start", {}, act(t("dataset.crop.take"), () => this.take(), { class: "primary" }), act(t("dataset.mask.cancel"), () => this.dialog.close()));
    this.dialog = h("dialog.closeup", { "aria-label": t("dataset.trial.crop") }, this.stage, h("div.beside", {}, h("p.hint", {}, t("dataset.crop.hint")), this.told, buttons));
  }

  /** Over a picture that is whole and upright. */
  async open(src, part) {
    this.image.src = src;
    await this.image.decode();
    this.dialog.showModal();
    this.part = null;
    this.room.fit();
    this.show(part ?? { left: 0, top: 0, right: 1, bottom: 1 });
    this.frame.focus();
  }

  show(part) {
    this.part = part;
    const [box, around] = [this.image.getBoundingClientRect(), this.stage.getBoundingClientRect()];
    const [x, y] = [box.left - around.left, box.top - around.top];
    this.frame.style.cssText = `left: ${x + part.left * box.width}px; top: ${y + part.top * box.height}px; width: ${(part.right - part.left) * box.width}px; height: ${(part.bottom - part.top) * box.height}px`;
    const { naturalWidth: width, naturalHeight: height } = this.image;
    say(this.told, `${Math.round((part.right - part.left) * width)} × ${Math.round((part.bottom - part.top) * height)}`);
  }

  take() {
    this.dialog.close();
    this.keep(this.part);
  }

  placeOf(event) {
    const box = this.image.getBoundingClientRect();
    const share = (value) => Math.max(0, Math.min(1, value));
    return { x: share((event.clientX - box.left) / box.width), y: share((event.clientY - box.top) / box.height) };
  }

  /** Within the frame it is moved, at a side or corner pulled, elsewhere drawn anew. */
  begin(event) {
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    const at = this.placeOf(event);
    const { left, top, right, bottom } = this.part;
    const near = { x: 14 / this.image.clientWidth, y: 14 / this.image.clientHeight };
    const close = { left: Math.abs(at.x - left) < near.x, right: Math.abs(at.x - right) < near.x, top: Math.abs(at.y - top) < near.y, bottom: Math.abs(at.y - bottom) < near.y };
    const within = at.x > left - near.x && at.x < right + near.x && at.y > top - near.y && at.y < bottom + near.y;
    const pulled = within ? SIDES.filter((side) => close[side]) : [];
    const isWhole = right - left > 0.99 && bottom - top > 0.99;
    this.from = { at, part: this.part, pulled, anew: !pulled.length && (!within || isWhole) };
  }

  drag(event) {
    if (!this.from) return;
    const at = this.placeOf(event);
    const { at: from, part, pulled, anew } = this.from;
    if (anew) return this.put({ left: Math.min(from.x, at.x), right: Math.max(from.x, at.x), top: Math.min(from.y, at.y), bottom: Math.max(from.y, at.y) });
    if (!pulled.length) return this.put(shifted(part, at.x - from.x, at.y - from.y));
    const next = { ...part };
    for (const side of pulled) next[side] = side === "left" || side === "right" ? at.x : at.y;
    return this.put(next);
  }

  end() {
    this.from = null;
  }

  put(part) {
    if (part.right - part.left >= LEAST && part.bottom - part.top >= LEAST) this.show(part);
  }

  /** Arrows move the frame; with Shift they pull its right and lower sides. */
  key(event) {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (event.key === "Enter") this.take();
    else if (!step) return;
    else if (event.shiftKey) this.put({ ...this.part, right: Math.min(1, this.part.right + step[0]), bottom: Math.min(1, this.part.bottom + step[1]) });
    else this.put(shifted(this.part, ...step));
    event.preventDefault();
  }
}

function shifted(part, right, down) {
  const x = Math.max(-part.left, Math.min(1 - part.right, right));
  const y = Math.max(-part.top, Math.min(1 - part.bottom, down));
  return { left: part.left + x, right: part.right + x, top: part.top + y, bottom: part.bottom + y };
}
