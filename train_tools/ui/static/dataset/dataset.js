// The dataset of a version: bringing pictures in, looking at them and at their captions, preparing them.
import { ask, Feed, MANY_FILES_MS, versionPath } from "../base/api.js";
import { h, Island, link, say, sheet } from "../base/island.js";
import { places } from "../base/place.js";
import { number, t } from "../base/words.js";
import { Bringing } from "./bringing.js";
import { Captioners } from "./captioners.js";
import { Checks } from "./checks.js";
import { Gallery } from "./gallery.js";
import { Jobs } from "./jobs.js";
import { Notices } from "./notices.js";
import { Preparing } from "./preparing.js";
import { Regularisation } from "./regularisation.js";

const look = await sheet("dataset.css", import.meta.url);
const PARTS = { pictures: Gallery, prepare: Preparing, captioners: Captioners, checks: Checks, regularisation: Regularisation };

class Dataset extends Island {
  static sheets = [look];

  begin() {
    Object.assign(this, { facts: null, shown: "pictures" });
    this.notices = new Notices();
    this.jobs = new Jobs(this, this.notices);
    this.bringing = new Bringing(this, this.notices, this.jobs);
    this.bringing.wanted = () => this.open(true);
    this.summary = h("p.summary", { role: "status" });
    this.folder = h("code.folder", {});
    this.problems = h("div", {});
    this.ways = h("nav.ways", { "aria-label": t("dataset.parts.title") });
    this.parts = Object.fromEntries(Object.entries(PARTS).map(([name, Part]) => [name, new Part(this)]));
    this.empty = h("section.empty", { hidden: true });
    this.body = h("div.body", {}, this.empty, Object.values(this.parts).map((part) => part.element));
    this.root.append(this.head(), this.bringing.element, this.jobs.element, this.problems, this.ways, this.body, this.notices.element);
    this.feed = new Feed(this, () => (places.complete ? `${versionPath(places.current, "dataset")}?limit=0` : null), (answer) => this.show(answer), (error) => say(this.summary, error.message), MANY_FILES_MS);
    this.jobs.addEventListener("ended", ({ detail }) => this.ended(detail));
    this.jobs.addEventListener("listed", () => this.drawEmpty());
    this.on(places, "moved", () => this.move());
    this.on(places, "arrived", () => this.arrive());
    this.move();
  }

  head() {
    this.bring = h("button", { type: "button", "aria-expanded": "false", onclick: () => this.open(this.bringing.element.hidden) }, t("dataset.bring.title"));
    const copy = h("button.quiet", { type: "button", onclick: () => this.notices.trying(() => this.copy()) }, t("dataset.copy_path"));
    return h("header.line", {}, h("div", {}, this.summary, h("p.where", {}, this.folder, copy)), this.bring);
  }

  async copy() {
    await navigator.clipboard.writeText(this.folder.textContent);
    this.notices.tell(t("dataset.copied"));
  }

  /** Shows or hides the ways to bring pictures in. */
  open(wanted) {
    this.opened = wanted;
    this.bringing.element.hidden = !wanted;
    this.bring.setAttribute("aria-expanded", String(wanted));
  }

  /** Another version: everything anew. */
  move() {
    this.facts = null;
    this.opened = undefined;
    this.open(false);
    this.opened = undefined;
    say(this.summary, places.complete ? "…" : t("bar.no_place"));
    say(this.folder, "");
    this.problems.replaceChildren();
    this.jobs.move();
    this.bringing.look();
    this.feed.known = null;
    this.feed.now();
    for (const part of Object.values(this.parts)) part.move();
    this.arrive();
  }

  /** The part that the address names. */
  arrive() {
    if (places.current.screen !== "dataset") return;
    const asked = places.current.query.part;
    this.shown = asked in PARTS ? asked : "pictures";
    const way = (name) => link({ query: { ...places.current.query, part: name } }, "a", { "aria-current": name === this.shown ? "page" : false }, t(`dataset.parts.${name}`));
    this.ways.replaceChildren(...Object.keys(PARTS).map(way));
    this.draw();
  }

  show(facts) {
    this.facts = facts;
    const missing = facts.images - facts.captions;
    const told = [t("dataset.images", { n: facts.images }), t("dataset.per_epoch", { n: facts.images_per_epoch }), missing ? t("dataset.uncaptioned", { n: missing }) : t("dataset.all_captioned")];
    say(this.summary, facts.images ? told.join(" · ") : t("dataset.none"));
    say(this.folder, facts.folder);
    this.problems.replaceChildren(problems(facts.problems));
    this.notices.trying(() => this.countOriginals());
  }

  async countOriginals() {
    const { images } = await ask(`${versionPath(places.current, "dataset", "originals")}?limit=0`);
    this.originals = images;
    if (this.opened === undefined) this.open(images === 0 && this.facts.images === 0);
    this.draw();
  }

  draw() {
    const ready = places.complete && this.facts !== null;
    this.ways.hidden = !ready;
    this.drawEmpty();
    for (const [name, part] of Object.entries(this.parts)) {
      const wanted = ready && name === this.shown && !(this.isEmpty && name !== "prepare" && name !== "captioners");
      if (wanted === !part.element.hidden) continue;
      part.element.hidden = !wanted;
      if (wanted) part.enter();
    }
  }

  get isEmpty() {
    return this.facts?.images === 0;
  }

  /** What comes next, while there are no training images. */
  drawEmpty() {
    const busy = this.jobs.current("import") || this.jobs.current("prepare");
    this.empty.hidden = !(this.isEmpty && this.originals !== undefined) || this.shown === "prepare" || this.shown === "captioners";
    if (this.empty.hidden) return;
    const prepare = h("button.primary", { type: "button", disabled: Boolean(busy), onclick: () => this.notices.trying(() => this.prepare()) }, t("dataset.prepare_now", { n: this.originals }));
    const settings = link({ query: { part: "prepare" } }, "a", {}, t("dataset.settings_first"));
    const next = this.originals ? [h("p", {}, t("dataset.unprepared", { n: this.originals })), h("div.line.start", {}, prepare, settings)] : [h("p", {}, t("dataset.begin"))];
    this.empty.replaceChildren(...next);
  }

  async prepare() {
    await ask(versionPath(places.current, "dataset", "prepare"), { method: "POST" });
    this.jobs.feed.now();
  }

  ended(job) {
    this.feed.now();
    this.notices.trying(() => this.countOriginals());
    for (const part of Object.values(this.parts)) if (!part.element.hidden) part.ended?.(job);
  }
}

function problems(list) {
  if (!list.length) return "";
  const lines = list.map((each) => h("li", {}, `${each.source}: ${each.reason}`));
  return h("details.problems", {}, h("summary", {}, t("dataset.not_trained", { n: list.length })), h("ul", {}, lines));
}

customElements.define("tt-dataset", Dataset);
