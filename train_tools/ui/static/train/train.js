// The form of a grid: one value or several for each option of the trainer, and at once what that would do and cost.
import { ask } from "../base/api.js";
import { h, Island, say, sheet } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { BASE_MODEL, BaseModelField } from "./base_model.js";
import { Draft } from "./draft.js";
import { Field } from "./field.js";
import { Fields } from "./fields.js";
import { Notice } from "./notice.js";
import { Origins } from "./origins.js";
import { Outlook } from "./outlook.js";
import { PAIR, PairImageField } from "./pair_image.js";
import { Rules } from "./rules.js";

const look = await sheet("train.css", import.meta.url);
/** Options whose field has more to offer than others'. */
const KINDS = { [BASE_MODEL]: BaseModelField, ...Object.fromEntries(PAIR.map((name) => [name, PairImageField])) };
const BLAMED = { BaseModelNotUsableError: BASE_MODEL };

class Form extends Island {
  static sheets = [look];

  begin() {
    this.tables = new Map();
    this.away = h("p.note", { role: "status" });
    this.draft = new Draft(this, () => this.changed(), (error) => this.showAway(error));
    this.fields = new Fields(this.draft, (option) => new (KINDS[option.name] ?? Field)(option, this.draft));
    this.rules = new Rules(this.draft);
    this.notice = new Notice();
    this.origins = new Origins(this.draft, this.notice, () => this.arrived());
    this.outlook = new Outlook(this.draft, this);
    const submit = (event) => {
      event.preventDefault();
      this.outlook.submit();
    };
    const intro = h("p.hint", {}, t("train.intro"));
    this.form = h("form.whole", { hidden: true, onsubmit: submit, onkeydown: stayOnEnter }, this.origins.element, this.notice.element, this.fields.head, intro, this.fields.body, this.rules.element, this.outlook.element);
    this.root.append(this.away, this.form, this.origins.saving);
    this.on(places, "moved", () => this.move());
    this.on(places, "arrived", () => this.beginLike());
    this.origins.doing(() => this.origins.read());
    this.move();
  }

  move() {
    this.form.hidden = true;
    this.notice.clear();
    this.outlook.clear();
    say(this.away, places.complete ? "" : t("bar.no_place"));
    this.draft.move(places.complete ? places.current : null);
    this.beginLike();
  }

  /** `?from=` names a grid or run that the form is to begin with. */
  async beginLike() {
    const { screen, query } = places.current;
    if (screen !== "train" || !query.from || !places.complete) return;
    places.note({ from: null });
    try {
      await this.draft.afresh();
      const before = this.draft.snapshot;
      await this.draft.beginLike(query.from);
      this.arrived();
      this.notice.show(t("train.like", { name: query.from }), { undo: () => this.draft.comeBack(before).then(() => this.arrived()) });
    } catch (error) {
      this.notice.fail(error);
    }
  }

  /** Something in the draft is other than before, here or in another tab. */
  async changed() {
    say(this.away, "");
    try {
      await this.showTable(this.draft.engine);
    } catch (error) {
      return this.showAway(error);
    }
    if (!this.draft.ready) return; // gone to another version meanwhile
    this.fields.draw();
    this.rules.draw();
    this.origins.draw();
    this.outlook.think();
    this.form.hidden = false;
  }

  /** The whole form may look different: what is in sight is decided anew. */
  arrived() {
    this.fields.sift();
    this.fields.draw();
  }

  async showTable(engine) {
    if (engine === this.shown) return;
    if (!this.tables.has(engine)) this.tables.set(engine, await ask(`engines/${encodeURIComponent(engine)}/options`));
    if (engine !== this.draft.engine || engine === this.shown) return;
    this.shown = engine;
    this.fields.fill(this.tables.get(engine));
  }

  showAway(error) {
    if (error.status !== 0) say(this.away, error.message);
    this.outlook.asked = null;
  }

  // What the outlook asks of the form.

  has(option) {
    return this.fields.byName.has(option) || (option === "" && this.rules.some);
  }

  tell(axes, faults) {
    const words = new Map(faults.map((fault) => [fault.option, fault.message]));
    this.fields.tell(axes, words);
    this.rules.blame(this.rules.some ? (words.get("") ?? "") : "");
  }

  blamed(error) {
    return BLAMED[error.kind] ?? "";
  }

  reveal(fault) {
    if (!this.fields.reveal(fault.option, fault.message)) this.rules.reveal();
  }
}

/** Enter in a field goes on typing; only the button queues. */
function stayOnEnter(event) {
  if (event.key === "Enter" && event.target.tagName === "INPUT" && event.target.type !== "checkbox") event.preventDefault();
}

customElements.define("tt-train", Form);
