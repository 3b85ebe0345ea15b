// What stands in the form: what is stored of the version, and over it what was typed. The service keeps what was typed,
// field by field: a reload, a restart and a second tab find it again, and none takes another's typing away.
import { ask, Feed, MANY_FILES_MS, versionPath } from "../base/api.js";

const SAVING_MS = 250;
export const NO_RULES = { zipped: [], only_when: {}, exclude: [], sample: 0, sample_seed: 0, seeds: 1, other_seed: false, left_out: [] };

/** `changed()` is called when anything in the form is other than before, `failed(error)` when the service can't be asked. */
export class Draft {
  constructor(island, changed, failed) {
    Object.assign(this, { changed, failed, timer: 0 });
    this.leave(null);
    this.kept = new Feed(island, () => this.path("draft"), (answer) => this.adopt(answer), failed);
    this.settled = new Feed(island, () => this.path("settings"), (answer) => this.settle(answer), failed, MANY_FILES_MS);
    island.on(document, "visibilitychange", () => document.hidden && this.save());
    island.on(window, "pagehide", () => this.save());
    island.leaving.signal.addEventListener("abort", () => this.save());
  }

  /** Goes to another version; what was typed for this one is kept first. */
  move(place) {
    this.save();
    this.leave(place);
    this.kept.now();
    this.settled.now();
  }

  leave(place) {
    const fresh = { stored: null, typed: null, others: {}, pending: new Map(), pendingOthers: {}, sending: new Map() };
    Object.assign(this, { place, ...fresh });
  }

  path(...rest) {
    return this.place && versionPath(this.place, ...rest);
  }

  /** Whether it is known what stands in the form; before, typing would be mixed with what is stored. */
  get ready() {
    return this.stored !== null && this.typed !== null;
  }

  text(name) {
    return this.typed.get(name) ?? this.stored.assignments[name] ?? "";
  }

  isTyped(name) {
    return this.typed.has(name);
  }

  /** All options that have a text, stored or typed. */
  get texts() {
    const all = new Map([...Object.entries(this.stored.assignments), ...this.typed]);
    return new Map([...all].filter(([, text]) => text !== ""));
  }

  get rules() {
    return { ...NO_RULES, ...(this.others.rules ?? this.stored.rules) };
  }

  get engine() {
    return this.others.engine ?? this.stored.engine;
  }

  get previews() {
    return this.others.previews ?? this.stored.previews_after_training;
  }

  /** What the plan, the count and the order are asked with: only what differs from what is stored. */
  get question() {
    const entries = [...this.typed];
    return {
      assignments: Object.fromEntries(entries.filter(([, text]) => text !== "")),
      unset: entries.filter(([, text]) => text === "").map(([name]) => name),
      ...Object.fromEntries(Object.entries(this.others).filter(([, value]) => value !== null)),
    };
  }

  /** A text in an option's field: empty is the trainer's default, what is stored is no change. */
  set(name, text) {
    const stored = text === (this.stored.assignments[name] ?? "");
    if (stored) this.typed.delete(name);
    else this.typed.set(name, text);
    this.pending.set(name, stored ? null : text);
    this.edited();
  }

  /** `rules`, `engine` or `previews`; null is what is stored. */
  setOther(name, value) {
    this.others[name] = this.pendingOthers[name] = value;
    this.edited();
  }

  edited() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVING_MS);
    this.changed();
  }

  async save() {
    clearTimeout(this.timer);
    if (!this.pending.size && !Object.keys(this.pendingOthers).length) return;
    const { place, pending, pendingOthers } = this;
    Object.assign(this, { pending: new Map(), pendingOthers: {}, sending: new Map([...this.sending, ...pending]) });
    const body = { fields: Object.fromEntries(pending), ...pendingOthers };
    try {
      await ask(versionPath(place, "draft"), { method: "PATCH", body, keepalive: true });
    } catch (error) {
      if (place !== this.place) return;
      // What could not be kept is tried again with the next key, or when the service answers again.
      this.pending = new Map([...pending, ...this.pending]);
      this.pendingOthers = { ...pendingOthers, ...this.pendingOthers };
      this.failed(error);
    }
    if (place !== this.place) return;
    for (const name of pending.keys()) this.sending.delete(name);
    this.kept.now(); // an answer that is under way may be of before
  }

  /** What the service keeps. What was typed here since, and is on its way, stays. */
  adopt(answer) {
    const told = new Map([...Object.entries(answer.assignments), ...answer.unset.map((name) => [name, ""])]);
    const ours = (name) => this.pending.has(name) || this.sending.has(name);
    const typed = [...(this.typed ?? [])].filter(([name]) => ours(name));
    this.typed = new Map([...[...told].filter(([name]) => !ours(name)), ...typed]);
    const { rules, engine, previews } = answer;
    this.others = { rules, engine, previews, ...this.pendingOthers };
    if (this.pending.size) this.save();
    if (this.ready) this.changed();
  }

  settle(answer) {
    this.stored = answer;
    if (this.ready) this.changed();
  }

  /** What it takes to come back here, whatever will be stored by then: the texts, and the size that presets set. */
  get snapshot() {
    const { width_px, height_px } = this.stored.preparation;
    return { texts: this.texts, rules: this.rules, engine: this.engine, previews: this.others.previews, size: { width_px, height_px } };
  }

  /** Makes the form look as it did at a snapshot. */
  async comeBack({ texts, rules, engine, previews, size }) {
    const { assignments: stored, preparation } = await this.afresh();
    const resized = size.width_px !== preparation.width_px || size.height_px !== preparation.height_px;
    if (resized) await ask(this.path("settings", "preparation"), { method: "PATCH", body: size });
    const assignments = Object.fromEntries([...texts].filter(([name, text]) => stored[name] !== text));
    const unset = Object.keys(stored).filter((name) => !texts.has(name));
    await this.put({ assignments, unset, rules, engine, previews });
  }

  /** Puts a whole draft in the place of this one; an empty one forgets what was typed. */
  async put(draft) {
    this.forgetPending();
    await ask(this.path("draft"), { method: "PUT", body: draft });
    await this.afresh();
  }

  async beginLike(name) {
    this.forgetPending();
    await ask(this.path("draft", "like"), { method: "POST", body: { name } });
    await this.afresh();
  }

  forgetPending() {
    clearTimeout(this.timer);
    Object.assign(this, { pending: new Map(), pendingOthers: {} });
  }

  /** Reads both anew, at once; answers with what is stored. */
  async afresh() {
    const [stored, draft] = await Promise.all([ask(this.path("settings")), ask(this.path("draft"))]);
    this.stored = stored;
    this.adopt(draft);
    return stored;
  }
}
