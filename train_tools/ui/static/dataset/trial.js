// What the settings make of one picture, step by step; and the part of it that counts, cut by hand.
import { ask, versionPath } from "../base/api.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { Cropper } from "./crop.js";

const QUIET_MS = 250;

export class Trial {
  constructor(screen) {
    Object.assign(this, { notices: screen.notices, originals: 0, at: 0, asking: null });
    const step = (sign, by, words) => h("button", { type: "button", "aria-label": words, onclick: () => this.go(this.at + by) }, sign);
    this.name = h("b", {});
    this.note = h("p.hint", { role: "status" });
    this.stages = h("ol.stages", { "aria-label": t("dataset.trial.stages") });
    this.cropper = new Cropper(screen, (part) => this.crop(part));
    this.cropping = h("button", { type: "button", disabled: true, onclick: () => this.cropper.open(this.whole_picture, this.crops[this.original.name]) }, t("dataset.trial.crop"));
    this.whole = h("button", { type: "button", hidden: true, onclick: () => this.crop(null) }, t("dataset.trial.whole"));
    const bar = h("div.line.start", {}, step("‹", -1, t("dataset.closeup.previous")), step("›", 1, t("dataset.closeup.next")), this.name, this.cropping, this.whole);
    this.element = h("section.trial", { "aria-label": t("dataset.trial.title") }, h("h2.minor", {}, t("dataset.trial.title")), bar, this.note, this.stages, this.cropper.dialog);
  }

  move() {
    this.at = 0;
    this.stages.replaceChildren();
  }

  async enter() {
    await this.go(this.at);
  }

  /** Another original. */
  async go(at) {
    const path = (...rest) => versionPath(places.current, "dataset", ...rest);
    await this.notices.trying(async () => {
      const page = await ask(`${path("originals")}?offset=${Math.max(0, at)}&limit=1`);
      if (page.images && !page.shown.length) return this.go(page.images - 1);
      this.at = Math.max(0, at);
      this.original = page.shown[0];
      this.cropping.disabled = true;
      say(this.note, this.original ? "" : t("dataset.trial.none"));
      say(this.name, this.original ? t("dataset.trial.place", { name: this.original.name, at: this.at + 1, all: page.images }) : "");
      if (!this.original) return this.stages.replaceChildren();
      this.crops = (await ask(path("crops"))).crops;
      this.whole.hidden = !(this.original.name in this.crops);
      return this.look();
    });
  }

  /** With other settings, once they have been quiet for a moment. */
  try() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.original && this.look(), QUIET_MS);
  }

  async look() {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.stages.setAttribute("aria-busy", "true");
    try {
      const path = versionPath(places.current, "dataset", "preview");
      this.show(await ask(path, { method: "POST", body: { original: this.original.name }, signal: asking.signal }));
      say(this.note, "");
    } catch (error) {
      if (asking.signal.aborted) return;
      this.stages.replaceChildren();
      say(this.note, error.message);
    }
    this.stages.setAttribute("aria-busy", "false");
  }

  show({ stages }) {
    this.whole_picture = stages[0].pictures[0];
    this.cropping.disabled = false;
    const stage = ({ name, pictures }) => h("li", {}, h("small", {}, name), h("div", {}, pictures.map((src) => h("img", { src, alt: name }))));
    this.stages.replaceChildren(...stages.map(stage));
  }

  async crop(part) {
    await this.notices.trying(async () => {
      const before = this.crops[this.original.name] ?? null;
      const { name } = this.original;
      const put = async (wanted) => {
        await ask(versionPath(places.current, "dataset", "crops"), { method: "PUT", body: { original: name, part: wanted } });
        await this.go(this.at);
      };
      await put(part);
      this.notices.tell(part ? t("dataset.trial.cropped", { name }) : t("dataset.trial.uncropped", { name }), () => put(before));
    });
  }
}
