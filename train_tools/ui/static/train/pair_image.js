// One image of a pair: dropped on its field or chosen, sent into the version, and shown small. A path may be typed, too.
import { addressOf, ask, versionPath } from "../base/api.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { carriesFiles } from "../base/strays.js";
import { t } from "../base/words.js";
import { Field } from "./field.js";

export const PAIR = ["original_image", "target_image"];
const KEPT = "dataset/pair/";

export class PairImageField extends Field {
  constructor(option, draft) {
    super(option, draft);
    this.element.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    this.element.addEventListener("drop", (event) => this.dropped(event));
  }

  beside() {
    this.picture = h("img.thumb", { hidden: true, alt: this.label });
    this.hint = h("small.hint", { role: "status" }, t("train.pair.drop"));
    const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": t("train.pair.file", { name: this.label }), onchange: () => (this.send(file.files[0]), (file.value = "")) });
    const choose = h("button", { type: "button", onclick: () => file.click() }, t("train.pair.choose"));
    return [choose, file, this.picture, this.hint];
  }

  get wide() {
    return true;
  }

  draw(how) {
    super.draw(how);
    if (this.draft.ready) this.show(this.draft.text(this.name));
  }

  dropped(event) {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.send(event.dataTransfer.files[0]);
  }

  /** Only what was kept in the version is shown: nothing else on that machine is the page's to read. */
  show(path) {
    if (path === this.shown) return;
    this.shown = path;
    const { project, version } = places.current;
    const kept = path.startsWith(KEPT) && !path.includes(",");
    this.picture.hidden = !kept;
    if (kept) this.picture.src = addressOf(["thumbs", "projects", project, "versions", version, ...path.split("/")].map(encodeURIComponent).join("/"));
  }

  async send(file) {
    if (!file) return;
    const place = { ...places.current };
    say(this.hint, t("train.pair.sending", { name: file.name }));
    try {
      const { path } = await ask(versionPath(place, "dataset", "pair", file.name), { method: "PUT", body: file });
      if (places.current.project !== place.project || places.current.version !== place.version) return;
      this.input.value = path;
      this.typed(path);
      this.show(path);
    } catch (error) {
      this.blame(error.message);
    } finally {
      say(this.hint, t("train.pair.drop"));
    }
  }
}
