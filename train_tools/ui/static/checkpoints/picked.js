// What becomes of the checkpoints that were picked: taken to a WebUI, downloaded, exported, looked into, put away.
import { ask } from "../base/api.js";
import { choose, chosen } from "../base/choice.js";
import { confirm, Sheet } from "../base/dialogs.js";
import { hostPage } from "../base/host.js";
import { h, say } from "../base/island.js";
import { PathField } from "../base/path_field.js";
import { size, t } from "../base/words.js";
import { called } from "./look.js";

const FOLDER = "lora folder";
const API = new URL("../../api/v1/", import.meta.url);

export class Picked {
  /** `home` is where dialogs are put; `notices` say what was done; `changed()` is told when checkpoints came or went. */
  constructor(look, home, notices, details, changed) {
    Object.assign(this, { look, home, notices, details, changed });
    this.count = h("b", {});
    const act = (words, run) => h("button", { type: "button", onclick: run }, words);
    this.one = [act(t("checkpoints.details"), () => this.details.open([...this.look.picks][0]))];
    this.element = h("div.picked", { hidden: true, role: "region", "aria-label": t("checkpoints.picked_bar") }, this.count, act(t("checkpoints.copy"), () => this.copy()), act(t("checkpoints.download"), () => this.download("file")), act(t("checkpoints.export"), () => this.download("export")), this.one, act(t("checkpoints.trash"), () => this.trash()), h("button.quiet", { type: "button", onclick: () => look.note({ picked: null }) }, t("checkpoints.unpick")));
    look.addEventListener("changed", () => this.show());
  }

  show() {
    const picks = this.look.picks;
    this.element.hidden = picks.size === 0;
    say(this.count, t("checkpoints.picked", { n: picks.size }));
    for (const button of this.one) button.hidden = picks.size !== 1;
  }

  path(pick, ...rest) {
    const [run, name] = partsOf(pick);
    return this.look.of("checkpoints", run, name, ...rest);
  }

  /** The browser saves them, one after the other. */
  download(what) {
    [...this.look.picks].forEach((pick, at) => setTimeout(() => h("a", { href: new URL(this.path(pick, what), API).href, download: "" }).click(), at * 400));
    this.notices.tell(t("checkpoints.downloading", { n: this.look.picks.size }));
  }

  async facts() {
    const { checkpoints } = await ask(this.look.of("checkpoints"));
    return checkpoints.filter((each) => this.look.picks.has(called(each)));
  }

  async trash() {
    try {
      const going = await this.facts();
      const room = going.reduce((bytes, each) => bytes + each.size_bytes, 0);
      const act = () => this.move(going.map(called));
      confirm(this.home, { title: t("checkpoints.trash_title"), text: t("checkpoints.trash_question", { n: going.length, size: size(room) }), yes: t("checkpoints.trash"), act });
    } catch (error) {
      this.notices.refuse(error);
    }
  }

  async move(going) {
    const parting = await ask(this.look.of("checkpoints", "trash"), { method: "POST", body: { checkpoints: going } });
    this.look.note({ picked: null });
    this.gone(parting);
  }

  /** Says what was put away, with the way back. */
  gone(parting) {
    this.changed();
    const undo = async () => {
      await ask(this.look.of("checkpoints", "trash", parting.token, "restore"), { method: "POST" });
      this.changed();
      this.notices.tell(t("checkpoints.restored", { n: parting.going.length }));
    };
    this.notices.tell([t("checkpoints.trashed", { n: parting.going.length, size: size(parting.size_bytes) }), ...parting.notes].join(" "), undo);
  }

  /** Where to, is asked here too; this browser offers what was taken last, unless the settings name a folder. */
  copy() {
    const picks = [...this.look.picks];
    const sheet = new Sheet(t("checkpoints.copy"));
    const link = h("input", { type: "checkbox" });
    const weight = h("input", { type: "number", step: "0.05", min: "0", max: "2", value: "1" });
    const name = h("input", { type: "text", placeholder: t("checkpoints.copy_named") });
    const folder = new PathField({ label: t("checkpoints.copy_folder"), placeholder: ".../models/Lora" });
    folder.value = chosen(FOLDER, "");
    const told = h("ul.told", { role: "status" });
    const field = (words, input) => h("label.field", {}, h("span", {}, words), input);
    sheet.content.append(h("p", {}, t("checkpoints.copy_what", { n: picks.length })), h("div.field", {}, h("span", { "aria-hidden": "true" }, t("checkpoints.copy_folder")), folder.element), picks.length === 1 ? field(t("checkpoints.copy_name"), name) : "", field(t("checkpoints.copy_weight"), weight), h("label.check", {}, link, t("checkpoints.copy_link")), told);
    const go = h("button.primary", { type: "button", onclick: () => sheet.attempt(go, () => this.deliver(picks, { folder: folder.value, name: name.value.trim(), weight: Number(weight.value) || 0, link: link.checked }, told)) }, t("checkpoints.copy"));
    sheet.buttons.append(h("button", { type: "button", onclick: () => sheet.close() }, t("checkpoints.close")), go);
    sheet.dialog.addEventListener("close", () => sheet.dialog.remove());
    this.home.append(sheet.dialog);
    sheet.open();
    this.notices.trying(async () => (folder.value = (await folderOfSettings()) || folder.value));
  }

  async deliver(picks, body, told) {
    told.replaceChildren();
    for (const pick of picks) {
      const made = await ask(this.path(pick, "copy"), { method: "POST", body });
      told.append(h("li", {}, h("span", {}, t(made.was_there ? "checkpoints.copied_before" : "checkpoints.copied")), " ", h("code", {}, made.path), made.notes.map((note) => h("small", {}, ` ${note}`)), " ", this.sending(made, body.weight)));
    }
    choose(FOLDER, body.folder || null);
  }

  /** Inside a WebUI, a button that puts a copied LoRA into its txt2img. */
  sending(made, weight) {
    const host = hostPage();
    const stem = made.path.split(/[\\/]/).at(-1).replace(/\.[^.]*$/, "");
    const send = () => host.txt2img(`<lora:${stem}:${weight || 1}>`) || this.notices.tell(t("checkpoints.not_sent"));
    return host ? h("button", { type: "button", onclick: send }, t("checkpoints.send")) : "";
  }
}

async function folderOfSettings() {
  const { settings } = await ask("settings");
  return settings.find((each) => each.key === "copies.folder")?.value;
}

/** "run/name" as the two parts of an address; a run's folder holds no slash. */
export function partsOf(pick) {
  const at = pick.indexOf("/");
  return [pick.slice(0, at), pick.slice(at + 1)];
}
