// Bringing pictures in: dropped or chosen here and sent, or by a path on the machine of the service. What came of it.
import { ask, versionPath } from "../base/api.js";
import { h, say } from "../base/island.js";
import { pickPath } from "../base/picker.js";
import { places } from "../base/place.js";
import { carriesFiles } from "../base/strays.js";
import { moment, number, size, t } from "../base/words.js";
import { filesChosen, filesOf, Upload } from "./upload.js";

const LISTED = 200;

export class Bringing {
  constructor(island, notices, jobs) {
    Object.assign(this, { island, notices, jobs, upload: null });
    this.sending = h("div.task", { hidden: true });
    this.waiting = h("div", {});
    this.report = h("div.report", {});
    this.element = h("section.bringing", { "aria-label": t("dataset.bring.title") }, this.target(), this.sending, this.byPath(island), this.waiting, this.report);
    island.on(document, "dragover", (event) => this.takes(event) && this.over(event));
    island.on(document, "dragleave", (event) => event.relatedTarget === null && this.element.classList.remove("over"));
    island.on(document, "drop", (event) => this.takes(event) && this.dropped(event));
    jobs.addEventListener("ended", ({ detail }) => detail.kind === "import" && this.look());
  }

  target() {
    const choose = (words, attributes, primary) => {
      const input = h("input", { type: "file", multiple: true, hidden: true, ...attributes, onchange: () => (this.take(filesChosen(input.files)), (input.value = "")) });
      return [h(primary ? "button.primary" : "button", { type: "button", onclick: () => input.click() }, words), input];
    };
    const files = choose(t("dataset.bring.files"), { "aria-label": t("dataset.bring.files") }, true);
    const folder = choose(t("dataset.bring.folder"), { webkitdirectory: true, "aria-label": t("dataset.bring.folder") }, false);
    return h("div.target", {}, h("p", {}, h("b", {}, t("dataset.bring.drop"))), h("p.hint", {}, t("dataset.bring.what")), h("div.line.start", {}, files, folder));
  }

  byPath(island) {
    this.path = h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "/home/me/pictures", "aria-label": t("dataset.bring.path") });
    this.encoding = h("input.short", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "UTF-8", "aria-label": t("dataset.bring.encoding") });
    const browse = h("button", { type: "button", onclick: () => this.browse(island) }, t("dataset.bring.browse"));
    const form = h("form.line.start", { onsubmit: (event) => (event.preventDefault(), this.notices.trying(() => this.importPath())) }, this.path, browse, h("button", {}, t("dataset.bring.import")));
    const encoding = h("label.hint", {}, `${t("dataset.bring.encoding")} `, this.encoding);
    return h("details", {}, h("summary", {}, t("dataset.bring.by_path")), form, encoding);
  }

  /** Anywhere on the page, while this is the screen: nobody aims at a frame. */
  takes(event) {
    return carriesFiles(event) && this.island.inSight && places.complete;
  }

  over(event) {
    event.preventDefault();
    this.wanted?.();
    this.element.classList.add("over");
  }

  async dropped(event) {
    event.preventDefault();
    this.element.classList.remove("over");
    const found = filesOf(event.dataTransfer.items);
    await this.notices.trying(async () => ((await found).length ? this.take(await found) : this.notices.tell(t("dataset.bring.no_files"))));
  }

  /** Sends files; another upload has to wait for its end. */
  async take(files) {
    if (!files.length || !places.complete) return;
    if (this.upload) return this.notices.tell(t("dataset.bring.one_at_a_time"));
    this.upload = new Upload({ ...places.current }, files);
    this.upload.addEventListener("progress", () => this.showSending());
    this.drawSending();
    const job = await this.notices.trying(() => this.upload.run());
    this.ended(job);
  }

  ended(job) {
    const { left_out, stopped } = this.upload;
    this.upload = null;
    this.sending.hidden = true;
    this.jobs.feed.now();
    if (job === null && !stopped) this.report.replaceChildren(h("p", {}, t("dataset.bring.nothing_to_send")), leftOut(new Map([["", left_out]])));
    this.look();
  }

  drawSending() {
    this.bar = h("progress", { max: 1, value: 0, "aria-label": t("dataset.bring.sending") });
    this.facts = h("span.facts", {});
    const cancel = h("button.quiet", { type: "button", onclick: () => this.upload?.cancel() }, t("dataset.bring.cancel"));
    this.sending.replaceChildren(h("b", {}, t("dataset.bring.sending")), this.facts, this.bar, cancel);
    this.sending.hidden = false;
    this.showSending();
  }

  showSending() {
    const { sent, files, share, total_bytes, name } = this.upload;
    this.bar.value = share;
    say(this.facts, `${t("dataset.bring.far", { sent, total: files.length })} · ${size(share * total_bytes)} / ${size(total_bytes)} · ${name}`);
  }

  async browse(island) {
    const picked = await pickPath(island.root, { from: this.path.value.trim() });
    if (picked) this.path.value = picked;
  }

  async importPath() {
    const body = { paths: [this.path.value.trim()], encoding: this.encoding.value.trim() || null };
    await ask(versionPath(places.current, "dataset", "import"), { method: "POST", body });
    this.path.value = "";
    this.jobs.feed.now();
  }

  /** What was sent and not imported, and the newest report. */
  async look() {
    if (!places.complete) return;
    const place = { ...places.current };
    await this.notices.trying(async () => {
      const { uploads } = await ask(versionPath(place, "dataset", "uploads"));
      const { imports } = await ask(versionPath(place, "dataset", "imports"));
      if (place.project !== places.current.project || place.version !== places.current.version) return;
      this.waiting.replaceChildren(...uploads.filter((each) => each.id !== this.upload?.id).map((each) => this.unfinished(each)));
      this.names = imports;
      if (imports.length) await this.showReport(imports[0]);
      else this.report.replaceChildren();
    });
  }

  unfinished(upload) {
    const path = (...rest) => versionPath(places.current, "dataset", "uploads", upload.id, ...rest);
    const act = (words, way, method, body) => h("button.quiet", { type: "button", onclick: () => this.notices.trying(async () => (await ask(path(...way), { method, body }), this.jobs.feed.now(), this.look())) }, words);
    const take = upload.files ? act(t("dataset.bring.take_in"), ["import"], "POST", {}) : null;
    return h("div.task", {}, h("span", {}, t("dataset.bring.unfinished", { n: upload.files, size: size(upload.size_bytes) })), take, act(t("dataset.bring.discard"), [], "DELETE"));
  }

  async showReport(name) {
    const report = await ask(versionPath(places.current, "dataset", "imports", name));
    const choice = h("select", { "aria-label": t("dataset.report.which"), onchange: () => this.notices.trying(() => this.showReport(choice.value)) }, this.names.map((each) => h("option", { value: each, selected: each === name }, told(each))));
    const groups = new Map(Object.entries(report.left_out));
    this.report.replaceChildren(
      h("div.line.start", {}, h("h2.minor", {}, t("dataset.report.title")), choice),
      h("p", {}, facts(report).join(" · ")),
      more(t("dataset.report.alike", { n: report.near_duplicates.length }), report.near_duplicates.map((each) => [short(each.source), t("dataset.report.like", { name: each.like, distance: each.distance })])),
      more(t("dataset.report.renamed", { n: report.renamed.length }), report.renamed.map(([source, now]) => [short(source), now])),
      more(t("dataset.report.there", { n: report.already_there.length }), report.already_there.map((each) => [each, ""])),
      leftOut(groups),
      leftOut(new Map(Object.entries(report.remarks)), true),
    );
  }
}

/** "20261120-210300" -> "20 Nov 2026, 21:03" */
function told(name) {
  const parts = name.match(/^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/);
  return parts ? moment(new Date(...parts.slice(1).map((part, at) => Number(part) - (at === 1 ? 1 : 0)))) : name;
}

function facts(report) {
  const found = [t("dataset.report.images", { n: report.images }), t("dataset.report.captions", { n: report.captions })];
  for (const [folder, n] of report.folders) found.push(`${folder}: ${number(n)}`);
  if (report.stopped) found.push(t("dataset.report.stopped"));
  return found;
}

const short = (source) => source.split("/").slice(-2).join("/");

function leftOut(groups, isRemark = false) {
  const all = [...groups.values()].flat();
  const rows = all.map((each) => [each.source, each.reason]);
  return more(isRemark ? t("dataset.report.remarks", { n: all.length }) : t("dataset.report.left_out", { n: all.length }), rows, !isRemark);
}

/** A list that is opened; null when there is nothing in it. */
function more(words, rows, warns = false) {
  if (!rows.length) return "";
  const lines = rows.slice(0, LISTED).map(([what, why]) => h("li", {}, h("code", {}, what), why ? ` ${why}` : ""));
  if (rows.length > LISTED) lines.push(h("li", {}, t("dataset.report.more", { n: rows.length - LISTED })));
  return h(warns ? "details.problems" : "details", {}, h("summary", {}, words), h("ul", {}, lines));
}
