// What looking at the training images finds, with the pictures it is about; what puts it right, and undoing that.
import { ask, versionPath } from "../base/api.js";
import { barChart } from "../base/chart.js";
import { h, link, say } from "../base/island.js";
import { places } from "../base/place.js";
import { moment, number, t } from "../base/words.js";

const THUMBS = 12;
const SIGNS = { ok: "✓", warning: "!", stop: "✖" };

export class Checks {
  constructor(screen) {
    Object.assign(this, { screen, notices: screen.notices });
    this.state = h("span", { role: "status" });
    this.looking = h("button", { type: "button", onclick: () => this.notices.trying(() => this.start()) }, t("dataset.checks.look"));
    this.findings = h("ul.findings", { "aria-label": t("dataset.checks.title") });
    this.shares = h("div", {});
    this.cures = h("div", {});
    this.element = h("section.panel", { hidden: true }, h("div.line", {}, this.state, this.looking), this.findings, this.shares, this.cures);
    screen.jobs.addEventListener("listed", () => (this.looking.disabled = Boolean(screen.jobs.current("check"))));
  }

  move() {}

  enter() {
    this.notices.trying(() => this.look());
  }

  ended() {
    this.enter();
  }

  path(...rest) {
    return versionPath(places.current, "dataset", "checks", ...rest);
  }

  async start() {
    await ask(this.path(), { method: "POST" });
    this.screen.jobs.feed.now();
  }

  async look() {
    const found = await ask(this.path());
    const { cures } = await ask(this.path("cures"));
    say(this.state, found.not_looked_at ? t("dataset.checks.not_looked", { n: found.not_looked_at }) : t("dataset.checks.looked", { n: found.images }));
    this.findings.replaceChildren(...found.findings.map((each) => this.finding(each)));
    this.shares.replaceChildren(...shares(found.shares));
    this.cures.replaceChildren(...this.history(cures));
  }

  finding(found) {
    const act = found.remedy ? h("button", { type: "button", onclick: () => this.notices.trying(() => this.cure(found.remedy)) }, found.remedy.words) : "";
    const strip = h("div.strip", {});
    this.notices.trying(() => this.fill(strip, found.images));
    return h("li.finding", { "data-level": found.level }, h("span.sign", { "aria-hidden": "true" }, SIGNS[found.level] ?? "·"), h("div", {}, h("p", {}, h("span.hint", {}, `${found.check}: `), found.message), found.cure ? h("p.hint", {}, found.cure) : "", strip), act);
  }

  /** The first pictures that a finding is about. */
  async fill(strip, images) {
    for (const image of images.slice(0, THUMBS)) {
      const path = `${versionPath(places.current, "captions", "images")}/${image.split("/").map(encodeURIComponent).join("/")}`;
      const shown = await ask(path);
      strip.append(link({ query: { where: `name:"${shown.name}"` } }, "a", { title: image }, h("img", { src: shown.thumb, alt: shown.name, loading: "lazy" })));
    }
    if (images.length > THUMBS) strip.append(h("span.hint", {}, t("dataset.checks.more", { n: images.length - THUMBS })));
  }

  async cure({ kind, arguments: given, words }) {
    const cure = await ask(this.path("cures"), { method: "POST", body: { kind, arguments: given } });
    this.notices.tell(t("dataset.checks.cured", { what: words }), () => this.undo(cure.number));
    await this.look();
  }

  async undo(number_) {
    await ask(this.path("cures", number_, "undo"), { method: "POST" });
    await this.look();
  }

  history(cures) {
    if (!cures.length) return [];
    const line = (each) => h("li.line", {}, h("span", {}, each.what, " ", h("small", {}, moment(each.when))), each.undone ? h("small", {}, t("dataset.checks.undone")) : h("button.quiet", { type: "button", onclick: () => this.notices.trying(() => this.undo(each.number)) }, t("dataset.undo")));
    return [h("h2.minor", {}, t("dataset.checks.cures")), h("ul", {}, [...cures].reverse().map(line))];
  }
}

function shares(folders) {
  if (folders.length < 2) return [];
  const bars = folders.map((each) => ({ name: each.folder, value: each.share, told: `${number(Math.round(1000 * each.share) / 10)} % · ${t("dataset.checks.share", { n: each.images, draws: each.draws })}` }));
  return [h("h2.minor", {}, t("dataset.checks.shares")), barChart({ label: t("dataset.checks.shares"), bars })];
}
