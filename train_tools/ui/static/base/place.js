// Where the page is: screen, project, version, and what a screen adds (which run, which axes). The address bar holds
// it, so that a bookmark, a reload and the back button come back to it.

const ROOT = new URL("../../", import.meta.url);
export const SCREENS = ["projects", "dataset", "train", "queue", "checkpoints", "tools", "settings"];

class Places extends EventTarget {
  current = read(location);

  constructor() {
    super();
    addEventListener("popstate", () => this.arrive(read(location)));
  }

  get complete() {
    return this.current.project !== null && this.current.version !== null;
  }

  /** Goes there, as a link would; `replace` leaves no step for the back button. What is not named stays, but `query`. */
  go(change, { replace = false } = {}) {
    const place = { ...this.current, query: {}, ...change };
    if (this.address(place) === this.address(this.current)) return;
    history[replace ? "replaceState" : "pushState"](null, "", this.address(place));
    this.arrive(place);
  }

  /** Adds to what the address says of this screen; null takes away. */
  note(query) {
    const kept = Object.entries({ ...this.current.query, ...query }).filter(([, value]) => value !== null);
    this.go({ query: Object.fromEntries(kept) }, { replace: true });
  }

  /** The address of a place, for a link. */
  address(change) {
    const { screen, project, version, query } = { ...this.current, query: {}, ...change };
    if (this.current.alone && screen === this.current.screen) return alone(screen, project, version, query);
    const parts = project === null ? [screen] : ["p", project, ...(version === null ? [] : [version]), screen];
    const address = new URL(parts.map(encodeURIComponent).join("/"), ROOT);
    address.search = new URLSearchParams(query);
    return address.href;
  }

  arrive(place) {
    const before = this.current;
    this.current = place;
    if (before.project !== place.project || before.version !== place.version) this.dispatchEvent(new Event("moved"));
    if (before.screen !== place.screen) this.dispatchEvent(new Event("turned"));
    this.dispatchEvent(new Event("arrived"));
  }
}

/** One screen without the shell around it. */
function alone(screen, project, version, query) {
  const address = new URL(`alone/${screen}`, ROOT);
  const named = Object.entries({ project, version, ...query }).filter(([, value]) => value !== null);
  address.search = new URLSearchParams(named);
  return address.href;
}

function read(address) {
  const parts = address.pathname.slice(ROOT.pathname.length).split("/").filter(Boolean).map(decodeURIComponent);
  const query = Object.fromEntries(new URLSearchParams(address.search));
  if (parts[0] === "alone") {
    const { project = null, version = null, ...rest } = query;
    return { screen: parts[1], project, version, query: rest, alone: true };
  }
  const [project, version] = parts[0] === "p" ? [parts[1], parts.length > 3 ? parts[2] : null] : [null, null];
  const screen = parts[0] === "p" ? parts.at(-1) : parts[0];
  return { screen: SCREENS.includes(screen) ? screen : "projects", project: project ?? null, version, query };
}

export const places = new Places();
