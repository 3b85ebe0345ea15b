// Which project and version the page shows. The header tells it; islands listen; the address bar remembers.
import { Island } from "./island.js";

export const NO_PLACE = "Choose a project and a version above, or make new ones.";

class Places extends EventTarget {
  current = { project: null, version: null };

  get complete() {
    return this.current.project !== null && this.current.version !== null;
  }

  move(place) {
    const { project, version } = this.current;
    if (project === place.project && version === place.version) return;
    this.current = place;
    remember(place);
    this.dispatchEvent(new Event("moved"));
  }
}

function remember(place) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(place)) {
    if (value === null) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  history.replaceState(history.state, "", address);
}

export const places = new Places();

class Place extends Island {
  begin() {
    if (this.fact !== null) places.move(this.fact);
  }
}


customElements.define("tt-place", Place);
