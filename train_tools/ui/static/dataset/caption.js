// The caption of one picture, written where one looks at it: saved as it was seen, or not at all.
import { ask, versionPath } from "../base/api.js";
import { choose, chosen } from "../base/choice.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { Completion } from "./completion.js";
import { weighted } from "./weights.js";

const COUNTED_MS = 250;
const DRAFT = "caption draft";

export class CaptionEditor {
  /** `leave` is called when somebody is done writing. */
  constructor(screen, listing, leave) {
    Object.assign(this, { notices: screen.notices, listing, leave, image: null, saving: null });
    this.title = h("h2.minor", {}, t("dataset.caption.title"));
    this.field = h("textarea", { rows: 5, spellcheck: "false", "aria-label": t("dataset.caption.title"), oninput: () => this.typed(), onblur: () => this.save(), onkeydown: (event) => this.key(event) });
    this.completion = new Completion(this.field);
    this.field.addEventListener("completed", () => this.typed());
    this.tokens = h("span.facts", {});
    this.state = h("span.facts", { role: "status" });
    this.conflict = h("div.conflict", { role: "alert" });
    this.element = h("section.caption", { hidden: true }, this.title, h("div.typing", {}, this.field, this.completion.list), h("div.line", {}, this.tokens, this.state), h("p.hint", {}, t("dataset.caption.keys")), this.conflict);
    screen.on(window, "pagehide", () => this.isChanged && this.keepDraft());
  }

  get isChanged() {
    return this.image !== null && this.field.value !== (this.image.caption ?? "");
  }

  /** Shows an image's caption as it is known now; what is being typed stays. */
  show(image) {
    if (image === undefined) {
      if (!this.isChanged) this.empty();
      return;
    }
    const isSame = this.image?.image === image.image;
    if (isSame && (this.isChanged || this.image.edition === image.edition)) return;
    if (!isSame && this.isChanged) this.save();
    this.image = image;
    this.element.hidden = false;
    say(this.title, image.name);
    this.title.title = image.image;
    this.put(image.caption ?? "");
    this.field.placeholder = t("dataset.caption.effective", { words: image.effective });
    say(this.state, image.problem);
    this.conflict.replaceChildren();
    this.restoreDraft();
  }

  empty() {
    this.image = null;
    this.element.hidden = true;
  }

  edit() {
    if (this.image === null) return;
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  put(text) {
    if (this.field.value !== text) this.field.value = text;
    this.count();
  }

  typed() {
    say(this.state, this.isChanged ? t("dataset.caption.unsaved") : "");
    this.keepDraft();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.count(), COUNTED_MS);
  }

  key(event) {
    if (this.completion.key(event) || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && (event.key === "ArrowUp" || event.key === "ArrowDown")) this.weigh(event.key === "ArrowUp");
    else if (event.key === "Enter" && !event.shiftKey) this.save().then((isSaved) => isSaved && this.leave());
    else if (event.key === "Escape") this.revert();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  weigh(more) {
    const { value, selectionStart, selectionEnd } = this.field;
    const { text, start, end } = weighted(value, selectionStart, selectionEnd, more);
    this.field.value = text;
    this.field.setSelectionRange(start, end);
    this.typed();
  }

  revert() {
    this.put(this.image?.caption ?? "");
    this.conflict.replaceChildren();
    this.typed();
    this.leave();
  }

  /** Whether what is written is what the file holds now. */
  async save(edition = this.image?.edition) {
    await this.saving;
    if (!this.isChanged) return true;
    const [before, caption] = [this.image, this.field.value];
    this.saving = this.send(before.image, caption, edition);
    const isSaved = await this.saving;
    this.saving = null;
    if (isSaved && edition === before.edition) this.offerUndo(before);
    return isSaved;
  }

  async send(name, caption, edition) {
    const folderAndName = name.split("/").map(encodeURIComponent).join("/");
    const path = `${versionPath(places.current, "captions", "images")}/${folderAndName}`;
    try {
      const now = await ask(path, { method: "PATCH", body: { caption, edition } });
      if (this.image?.image === name) this.saved(now);
      this.listing.learn(now);
      return true;
    } catch (error) {
      if (error.told?.now) this.collide(error.told.now, caption);
      else this.notices.refuse(error);
      return false;
    }
  }

  saved(now) {
    this.image = now;
    this.put(now.caption ?? "");
    choose(DRAFT, null);
    this.conflict.replaceChildren();
    say(this.state, t("dataset.caption.saved"));
  }

  offerUndo(before) {
    this.notices.tell(t("dataset.caption.written", { name: before.name }), async () => {
      const now = this.listing.details.get(before.image);
      await this.send(before.image, before.caption ?? "", now.edition);
    });
  }

  /** Somebody else has written it meanwhile: both are shown, one is chosen. */
  collide(now, mine) {
    this.image = { ...now };
    this.field.value = mine;
    const theirs = () => (this.saved(now), this.listing.learn(now), this.leave());
    this.conflict.replaceChildren(
      h("p", {}, t("dataset.caption.changed")),
      h("blockquote", {}, now.caption ?? t("dataset.gallery.no_caption")),
      h("div.line.start", {}, h("button", { type: "button", onclick: theirs }, t("dataset.caption.take_theirs")), h("button", { type: "button", onclick: () => this.save(now.edition) }, t("dataset.caption.keep_mine"))),
    );
  }

  async count() {
    if (!places.complete || this.image === null) return;
    try {
      const caption = this.field.value || this.image.effective;
      const { tokens } = await ask(versionPath(places.current, "captions", "tokens"), { method: "POST", body: { caption } });
      say(this.tokens, t("dataset.caption.tokens", { n: tokens }));
    } catch {
      say(this.tokens, ""); // no vocabulary on this machine: nothing to count with
    }
  }

  /** What is typed and not saved outlives a reload. */
  keepDraft() {
    choose(DRAFT, this.isChanged ? JSON.stringify([this.place, this.image.edition, this.field.value]) : null);
  }

  restoreDraft() {
    const [place, edition, text] = JSON.parse(chosen(DRAFT, "[]"));
    if (place !== this.place || edition !== this.image.edition) return;
    this.field.value = text;
    this.typed();
  }

  get place() {
    return [places.current.project, places.current.version, this.image.image].join("\n");
  }
}
