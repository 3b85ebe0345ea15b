// What all islands share: a shadow root with style sheets, and building elements whose texts are always text.
import { places } from "./place.js";

/** A style sheet beside a module, for `static sheets`: `await sheet("matrix.css", import.meta.url)`. */
export async function sheet(name, module) {
  const made = new CSSStyleSheet();
  made.replaceSync(await (await fetch(new URL(name, module))).text());
  return made;
}

const shared = await sheet("islands.css", import.meta.url);

/**
 * A custom element that shows something live. Subclasses fill `this.root` in `begin()`, which waits until the island
 * is first seen: screens that nobody opens cost nothing. `sheets` are further styles.
 */
export class Island extends HTMLElement {
  static sheets = [];

  connectedCallback() {
    this.root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [shared, ...this.constructor.sheets];
    this.root.replaceChildren();
    this.leaving = new AbortController();
    for (const name of ["turned", "moved"]) this.on(places, name, () => this.closeDialogs());
    const seen = new IntersectionObserver((told) => told.some((each) => each.isIntersecting) && (seen.disconnect(), this.begin()));
    seen.observe(this);
    this.leaving.signal.addEventListener("abort", () => seen.disconnect());
  }

  disconnectedCallback() {
    this.leaving.abort();
  }

  /** Calls `then` on each `name` event of `source` until the island leaves the page. */
  on(source, name, then) {
    source.addEventListener(name, then, { signal: this.leaving.signal });
  }

  /** What is asked in one place has no answer in another; and a dialog out of sight would hold the whole page. */
  closeDialogs() {
    for (const dialog of this.root.querySelectorAll("dialog[open]")) dialog.close();
  }

  get inSight() {
    return !document.hidden && this.isConnected && this.checkVisibility();
  }
}

/** A link to another place of the page: followed without loading it anew, unless another tab is asked for. */
export function link(place, what = "a", attributes = {}, ...children) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    places.go(place);
  };
  return h(what, { href: places.address(place), onclick: follow, ...attributes }, ...children);
}

/**
 * An element. `h("td.cell", {title: "x", onclick: f}, "text", child)`: strings become text nodes, never markup;
 * null children are left out; `on...` are listeners, other names are attributes (false and null leave them out).
 */
export function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
}

/** Sets a text only where it differs, so that selections and screen readers are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
