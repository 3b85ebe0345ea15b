// What of the checkpoints is looked at: grid, run, axes, order, filter, picks. The address holds it.
import { versionPath } from "../base/api.js";
import { places } from "../base/place.js";

/** Parts of the address that the matrix route takes as they are. */
const ASKED = ["rows", "columns", "sort", "descending", "text", "run", "rated", "loss_below", "steps_from", "steps_to"];
const FILTERS = ["text", "rated", "loss_below", "steps_from", "steps_to"];
const PICKS_APART = "\n";

export class Look extends EventTarget {
  /** `island` is who looks; nothing is noted while another screen is in sight. */
  constructor(island) {
    super();
    this.here = places.current;
    this.grids = [];
    island.on(places, "arrived", () => this.arrive());
  }

  arrive() {
    if (places.current.screen !== "checkpoints") return;
    const before = this.asked;
    this.here = places.current;
    if (before !== this.asked) this.dispatchEvent(new Event("turned"));
    this.dispatchEvent(new Event("changed"));
  }

  get query() {
    return this.here.screen === "checkpoints" ? this.here.query : {};
  }

  get inSight() {
    return places.current.screen === "checkpoints";
  }

  get complete() {
    return this.here.project !== null && this.here.version !== null;
  }

  /** The grid of the address where there is one of that name, else the newest. */
  get grid() {
    return this.grids.includes(this.query.grid) ? this.query.grid : (this.grids[0] ?? null);
  }

  get view() {
    return this.query.view === "which" ? "which" : "pictures";
  }

  get filtered() {
    return FILTERS.some((name) => this.query[name]);
  }

  get picks() {
    return new Set((this.query.picked ?? "").split(PICKS_APART).filter(Boolean));
  }

  /** What decides which rows there are. */
  get asked() {
    return JSON.stringify([this.here.project, this.here.version, this.grid, ...ASKED.map((name) => this.query[name] ?? "")]);
  }

  of(...rest) {
    return versionPath(this.here, ...rest);
  }

  /** The address of a page of the matrix; null while there is none. */
  matrix(page) {
    if (!this.inSight || !this.complete || this.grid === null) return null;
    const wanted = ASKED.filter((name) => this.query[name]).map((name) => [name, this.query[name]]);
    return `${this.of("grids", this.grid, "matrix")}?${new URLSearchParams([["page", page], ...wanted])}`;
  }

  /** Changes what the address says; empty values are taken out. */
  note(change) {
    const kept = Object.entries(change).map(([name, value]) => [name, value === "" || value === false || value === 0 ? null : String(value ?? "") || null]);
    places.note(Object.fromEntries(kept));
  }

  clear() {
    this.note(Object.fromEntries(FILTERS.map((name) => [name, null])));
  }

  pick(called, on = !this.picks.has(called)) {
    const picks = this.picks;
    if (on) picks.add(called);
    else picks.delete(called);
    this.note({ picked: [...picks].join(PICKS_APART) });
  }

  known(grids) {
    const before = this.asked;
    this.grids = grids;
    if (before !== this.asked) this.dispatchEvent(new Event("turned"));
    this.dispatchEvent(new Event("changed"));
  }
}

/** What tells a checkpoint from all others of its version. */
export const called = (checkpoint) => `${checkpoint.run}/${checkpoint.name}`;
