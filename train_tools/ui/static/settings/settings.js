// What is decided once for all projects; what is well with this machine; what this browser does.
import { ask, Feed, MANY_FILES_MS } from "../base/api.js";
import { h, Island, link, say, sheet } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { ThisBrowser } from "./browser.js";
import { Downloads } from "./downloads.js";
import { Group } from "./group.js";
import { Health } from "./health.js";
import { BESIDE } from "./secret.js";
import { Trainers } from "./trainers.js";
import { checkWebui, tryNews } from "./trying.js";

const FIRST = ["models", "copies", "news", "browser", "captions", "webui"];
const look = await sheet("settings.css", import.meta.url);

class Settings extends Island {
  static sheets = [look];

  begin() {
    Object.assign(this, { groups: new Map(), shown: null, folders: null });
    this.note = h("p.error", { role: "alert" });
    this.ways = h("nav.parts", { "aria-label": t("settings.parts"), onclick: () => ((this.shown = null), this.arrive()) });
    this.cards = h("div.cards", {});
    this.downloads = new Downloads(this);
    this.trainers = new Trainers();
    this.own = [new ThisBrowser(), this.trainers, new Health()].map((each) => each.element);
    this.root.append(h("div.sides", {}, this.ways, h("div.main", {}, this.note, this.cards)));
    this.on(places, "arrived", () => this.arrive());
    const sight = new IntersectionObserver(() => this.arrive());
    sight.observe(this);
    this.leaving.signal.addEventListener("abort", () => sight.disconnect());
    this.feed = new Feed(this, () => "settings", (answer) => this.show(answer), (error) => say(this.note, error.message), MANY_FILES_MS);
  }

  show({ settings, unknown }) {
    say(this.note, unknown.length ? t("settings.unknown", { keys: unknown.join(", ") }) : "");
    const tables = Map.groupBy(settings, ({ key }) => BESIDE[key] ?? key.split(".")[0]);
    if (this.groups.size !== tables.size) this.lay(tables);
    for (const [name, group] of this.groups) group.show(tables.get(name));
    const folders = JSON.stringify(settings.find((each) => each.key === "models.folders")?.value);
    if (folders !== this.folders) this.lookForFolders(folders);
  }

  /** A card for each table, in the order that newcomers need them; tables that are news to the page come as well. */
  lay(tables) {
    const extras = { models: [this.downloads.element], news: [tryNews()], webui: [checkWebui()] };
    this.groups = new Map([...tables].map(([name, settings]) => [name, new Group(name, settings, (answer) => this.show(answer), ...(extras[name] ?? []))]));
    const cards = [...[...this.groups.values()].map((group) => group.element), ...this.own];
    const place = (each) => (FIRST.includes(each.dataset.part) ? FIRST.indexOf(each.dataset.part) : FIRST.length);
    cards.sort((one, other) => place(one) - place(other));
    this.cards.replaceChildren(...cards);
    this.trainers.look();
    this.arrive();
  }

  async lookForFolders(known) {
    this.folders = known;
    const { folders } = await ask("models").catch(() => ({ folders: [] }));
    this.downloads.folders(folders.filter((each) => !each.problem).map((each) => each.folder));
  }

  /** Goes to the part that the address names, once it can be seen: Gradio shows the page when it is whole. */
  arrive() {
    const named = places.current.screen === "settings" ? places.current.query.part : null;
    const cards = [...this.cards.children];
    this.ways.replaceChildren(...cards.map((each) => link({ screen: "settings", query: { part: each.dataset.part } }, "a", { "aria-current": each.dataset.part === named ? "true" : false }, each.getAttribute("aria-label"))));
    const card = cards.find((each) => each.dataset.part === named);
    if (!card || named === this.shown) return;
    card.scrollIntoView();
    card.focus({ preventScroll: true });
    if (this.root.activeElement === card) this.shown = named;
  }
}

customElements.define("tt-settings", Settings);
