// Which images are chosen, as in a file manager: one, several, a range, all; and which one is looked at.

/** Dispatches "changed". `names()` are all images in their order. */
export class Selection extends EventTarget {
  constructor(names) {
    super();
    Object.assign(this, { names, chosen: new Set(), at: 0, anchor: 0 });
  }

  get size() {
    return this.chosen.size;
  }

  /** The image that is looked at. */
  get current() {
    return this.names()[this.at];
  }

  has(name) {
    return this.chosen.has(name);
  }

  only(at) {
    this.chosen = new Set(this.names().slice(at, at + 1));
    this.moved(at, at);
  }

  toggle(at) {
    const name = this.names()[at];
    if (!this.chosen.delete(name)) this.chosen.add(name);
    this.moved(at, at);
  }

  /** From where the last range or click was, to there. */
  range(at, added = false) {
    const [from, to] = [Math.min(at, this.anchor), Math.max(at, this.anchor)];
    this.chosen = new Set([...(added ? this.chosen : []), ...this.names().slice(from, to + 1)]);
    this.moved(at, this.anchor);
  }

  all() {
    this.choose(this.names());
  }

  none() {
    this.choose([]);
  }

  invert() {
    this.choose(this.names().filter((name) => !this.chosen.has(name)));
  }

  sameFolder() {
    const folders = new Set([...this.chosen, ...(this.chosen.size ? [] : [this.current ?? ""])].map(folderOf));
    this.choose(this.names().filter((name) => folders.has(folderOf(name))));
  }

  choose(names) {
    this.chosen = new Set(names);
    this.moved(this.at, this.anchor);
  }

  /** Other images are listed: what is not among them is not chosen any more. */
  relist(was) {
    const names = this.names();
    const there = new Set(names);
    const kept = [...this.chosen].filter((name) => there.has(name));
    const again = names.indexOf(was);
    const at = again >= 0 ? again : Math.min(this.at, Math.max(0, names.length - 1));
    this.chosen = new Set(kept);
    this.moved(at, at);
  }

  moved(at, anchor) {
    Object.assign(this, { at, anchor });
    this.dispatchEvent(new Event("changed"));
  }
}

export const folderOf = (name) => name.slice(0, name.indexOf("/"));
