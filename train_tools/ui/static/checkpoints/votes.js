// Two pictures to choose between, without a word about whose they are.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";

export class Votes {
  /** `voted()` is told after each vote. */
  constructor(look, voted) {
    Object.assign(this, { look, voted, given: 0 });
    this.begin = h("button", { type: "button", onclick: () => this.next() }, t("checkpoints.votes.begin"));
    this.told = h("p.facts", { role: "status" });
    this.pair = h("div.pair", { hidden: true, tabindex: "-1" });
    this.element = h("section.voting", {}, h("h2.minor", {}, t("checkpoints.votes.title")), h("p", {}, h("small", {}, t("checkpoints.votes.what"))), this.begin, this.pair, this.told);
    this.pair.addEventListener("keydown", (event) => this.key(event));
  }

  async next() {
    try {
      this.show(await ask(this.look.of("grids", this.look.grid, "pair")));
    } catch (error) {
      this.pair.hidden = true;
      say(this.told, error.message);
    }
  }

  show(pair) {
    this.shown = pair;
    this.begin.hidden = true;
    this.pair.hidden = false;
    const picture = (side, words) => h("button.choice", { type: "button", "aria-label": words, onclick: () => this.vote(side) }, h("img", { src: pair[side].full, alt: "" }), h("span", {}, words));
    this.pair.replaceChildren(h("p", {}, pair.prompt), h("div.two", {}, picture("first", t("checkpoints.votes.left")), picture("second", t("checkpoints.votes.right"))), h("div.line.tight", {}, h("button", { type: "button", onclick: () => this.vote("neither") }, t("checkpoints.votes.neither")), h("button.quiet", { type: "button", onclick: () => this.end() }, t("checkpoints.votes.end"))));
    this.pair.focus();
  }

  key(event) {
    const preference = { ArrowLeft: "first", ArrowRight: "second", ArrowDown: "neither" }[event.key];
    if (!preference) return;
    event.preventDefault();
    this.vote(preference);
  }

  async vote(preference) {
    const { key } = this.shown;
    try {
      await ask(this.look.of("grids", this.look.grid, "votes"), { method: "POST", body: { key, preference } });
      this.given += 1;
      say(this.told, t("checkpoints.votes.given", { n: this.given }));
      this.voted();
      await this.next();
    } catch (error) {
      say(this.told, error.message);
    }
  }

  end() {
    this.pair.hidden = true;
    this.begin.hidden = false;
  }
}
