// What becomes of the machine when the queue is done: asked for, counted down, revoked.
import { ask, Feed } from "../base/api.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";

const OFFER = t("queue.shut_down");
const SURE = t("queue.shut_down_sure");
const DOUBT_MS = 6000;

/** A line in an island; `offered` says whether there is something to wait for. */
export class Afterwards {
  constructor(island) {
    this.words = h("span", { role: "status" });
    this.offer = h("button.quiet", { type: "button", hidden: true, onclick: () => this.askTwice() }, OFFER);
    this.revoke = h("button.quiet", { type: "button", hidden: true, onclick: () => this.ask("nothing") }, t("queue.keep_on"));
    this.element = h("p.line", {}, this.words, this.offer, this.revoke);
    this.offered = false;
    this.feed = new Feed(island, () => "queue/then", (answer) => this.show(answer), (error) => say(this.words, error.message));
  }

  set offered(something) {
    this.something = something;
    this.draw();
  }

  show(answer) {
    this.answer = answer;
    say(this.words, words(answer));
    this.draw();
  }

  draw() {
    const asked = this.answer?.then === "shut_down";
    this.revoke.hidden = !asked;
    this.offer.hidden = asked || !this.something;
  }

  askTwice() {
    if (this.offer.textContent === SURE) return this.ask("shut_down");
    say(this.offer, SURE);
    clearTimeout(this.doubt);
    this.doubt = setTimeout(() => say(this.offer, OFFER), DOUBT_MS);
  }

  async ask(then) {
    say(this.offer, OFFER);
    try {
      await ask("queue/then", { method: "PUT", body: { then } });
      this.feed.now();
    } catch (error) {
      say(this.words, error.message);
    }
  }
}

function words({ then, seconds_left, problem }) {
  if (then !== "shut_down") return problem;
  return seconds_left === null ? t("queue.shuts_down") : t("queue.shuts_down_in", { s: seconds_left });
}
