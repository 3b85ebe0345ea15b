// What would be trained on now: how much, where it lies, and the pictures with their captions.
import { Feed, MANY_FILES_MS, versionPath } from "../base/api.js";
import { h, Island, say } from "../base/island.js";
import { places } from "../base/place.js";
import { Viewer } from "../base/viewer.js";
import { count, number, t } from "../base/words.js";

const STEP = 100;

class Pictures extends Island {
  begin() {
    this.shown = [];
    this.limit = STEP;
    this.summary = h("p.summary", { role: "status" });
    this.folders = h("div.folders");
    this.problems = h("div");
    this.pictures = h("ul.thumbs", { "aria-label": "Training images" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.showMore() });
    this.viewer = new Viewer(() => this.shown);
    this.root.append(this.summary, this.folders, this.problems, this.pictures, this.more, this.viewer.dialog);
    this.feed = new Feed(this, () => this.path(), (answer) => this.show(answer), (error) => this.fail(error), MANY_FILES_MS);
    this.on(places, "moved", () => this.move());
    if (!places.complete) this.showNothing();
  }

  path() {
    return places.complete ? `${versionPath(places.current, "dataset")}?limit=${this.limit}` : null;
  }

  move() {
    this.limit = STEP;
    this.feed.known = null;
    if (!places.complete) this.showNothing();
    this.feed.now();
  }

  showNothing() {
    say(this.summary, t("bar.no_place"));
    for (const part of [this.folders, this.problems, this.pictures]) part.replaceChildren();
    this.more.hidden = true;
  }

  showMore() {
    this.limit += STEP;
    this.feed.now();
  }

  fail(error) {
    say(this.summary, error.message);
  }

  show(dataset) {
    const missing = dataset.images - dataset.captions;
    const empty = "No training images yet. Bring pictures in below, then prepare them.";
    const facts = [
      count(dataset.images, "training image"),
      `${number(dataset.images_per_epoch)} seen per epoch`,
      missing ? `${missing} without a caption` : "all with captions",
    ];
    say(this.summary, dataset.images ? facts.join(" · ") : empty);
    this.folders.replaceChildren(...dataset.folders.map((each) => folder(each, "")), ...dataset.regularisation.map((each) => folder(each, "regularisation, ")));
    this.problems.replaceChildren(...problems(dataset.problems));
    this.showPictures(dataset.shown);
    const left = Math.min(STEP, dataset.images - dataset.shown.length);
    this.more.hidden = left <= 0;
    say(this.more, `Show ${left} more of ${number(dataset.images)}`);
  }

  showPictures(images) {
    this.shown = images.map((image) => ({ ...image, caption: image.caption ? `${image.name}: ${image.caption}` : image.name }));
    this.pictures.replaceChildren(...this.shown.map((image, at) => this.thumb(image, at)));
  }

  thumb(image, at) {
    const picture = h("img", { src: image.thumb, alt: "", loading: "lazy", decoding: "async", width: 112, height: 112 });
    return h("li", {}, h("button.thumb", { type: "button", title: image.caption, "aria-label": image.caption, onclick: () => this.viewer.open(at) }, picture));
  }
}

function folder(each, kind) {
  const copy = h("button.quiet", { type: "button", onclick: () => navigator.clipboard.writeText(each.path).then(() => say(copy, "Copied")) }, "Copy path");
  return h("div.folder", {}, h("b", {}, each.name), ` ${kind}${count(each.images, "image")}, ${count(each.repeats, "repeat")} `, h("code", {}, each.path), " ", copy);
}

function problems(list) {
  if (!list.length) return [];
  const lines = list.map((each) => h("li", {}, `${each.source}: ${each.reason}`));
  return [h("details.problems", {}, h("summary", {}, `${count(list.length, "thing")} will not be trained on`), h("ul", {}, lines))];
}

customElements.define("tt-dataset", Pictures);
