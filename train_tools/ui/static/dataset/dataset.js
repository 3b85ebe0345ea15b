// The dataset of a version: bringing pictures in, looking at them and at their captions, preparing them.
import { ask, Feed, versionPath } from "../base/api.js";
import { chartLook } from "../base/chart.js";
import { h, Island, link, say, sheet } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { Bringing } from "./bringing.js";
import { Captioners } from "./captioners.js";
import { Checks } from "./checks.js";
import { Gallery } from "./gallery.js";
import { Jobs } from "./jobs.js";
import { Notices } from "../base/notices.js";
import { Preparing } from "./preparing.js";
import { Regularisation } from "./regularisation.js";

const look = await sheet("dataset.css", import.meta.url);
const PARTS = { pictures: Gallery, prepare: Preparing, captioners: Captioners, checks: Checks, regularisation: Regularisation };

const SUMMED_MS = 5000;

class Dataset extends Island {
  static sheets = [chartLook, look];

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
    this.feed = new Feed(this, () => (places.complete ? versionPath(places.current, "dataset", "summary") : null), (answer) => this.show(answer), (error) => say(this.summary, error.message), SUMMED_MS);
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
    if (places.complete) this.lookForProblems().catch(() => {}); // the head says what keeps the version from being read
    this.arrive();
  }

  /** The part that the address names. */
  arrive() {
    if (places.current.screen !== "dataset") return;
    const asked = places.current.query.part;
    const before = this.shown;
    this.shown = asked in PARTS ? asked : "pictures";
    if (this.shown !== before && this.facts?.originals) this.open(false);
    const way = (name) => link({ query: { ...places.current.query, part: name } }, "a", { "aria-current": name === this.shown ? "page" : false }, t(`dataset.parts.${name}`));
    this.ways.replaceChildren(...Object.keys(PARTS).map(way));
    this.draw();
  }

  show(facts) {
    this.facts = facts;
    this.feed.seen_ms = Math.max(SUMMED_MS, facts.images); // the more there are, the more there is to look at
    const missing = facts.images - facts.captions;
    const told = [t("dataset.images", { n: facts.images }), t("dataset.per_epoch", { n: facts.images_per_epoch }), missing ? t("dataset.uncaptioned", { n: missing }) : t("dataset.all_captioned")];
    say(this.summary, facts.images ? told.join(" · ") : t("dataset.none"));
    say(this.folder, facts.folder);
    if (this.opened === undefined) this.open(facts.images === 0 && facts.originals === 0);
    this.parts.prepare.showJob();
    this.draw();
  }

  /** What lies in the folders and will not be trained on. Looked for seldom: every file is read for it. */
  async lookForProblems() {
    const { problems } = await ask(`${versionPath(places.current, "dataset")}?limit=0`);
    this.problems.replaceChildren(problemList(problems));
  }

  draw() {
    const ready = places.complete;
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
    this.empty.hidden = !this.isEmpty || this.shown === "prepare" || this.shown === "captioners";
    if (this.empty.hidden) return;
    const prepare = h("button.primary", { type: "button", disabled: Boolean(busy), onclick: () => this.notices.trying(() => this.prepare()) }, t("dataset.prepare_now", { n: this.facts.originals }));
    const settings = link({ query: { part: "prepare" } }, "a", {}, t("dataset.settings_first"));
    const next = [h("p", {}, t("dataset.unprepared", { n: this.facts.originals })), h("div.line.start", {}, prepare, settings)];
    this.empty.replaceChildren(...(this.facts.originals ? next : [h("p.hint", {}, t("dataset.begin"))]));
    this.empty.classList.toggle("next", this.facts.originals > 0);
  }

  async prepare() {
    await ask(versionPath(places.current, "dataset", "prepare"), { method: "POST" });
    this.jobs.feed.now();
  }

  ended(job) {
    if (job.kind === "prepare" && job.state === "done") this.open(false);
    this.feed.now();
    this.notices.trying(() => this.lookForProblems());
    for (const part of Object.values(this.parts)) if (!part.element.hidden) part.ended?.(job);
  }
}

function problemList(list) {
  if (!list.length) return "";
  const lines = list.map((each) => h("li", {}, `${each.source}: ${each.reason}`));
  return h("details.problems", {}, h("summary", {}, t("dataset.not_trained", { n: list.length })), h("ul", {}, lines));
}

customElements.define("tt-dataset", Dataset);
