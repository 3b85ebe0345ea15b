// What all islands share: a shadow root with one style sheet, and building elements whose texts are always text.

const sheet = new CSSStyleSheet();
sheet.replaceSync(await (await fetch(new URL("islands.css", import.meta.url))).text());

/** A custom element that shows something live. Subclasses fill `this.root` in `begin()` and let go in `end()`. */
export class Island extends HTMLElement {
  connectedCallback() {
    this.root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet];
    this.root.replaceChildren();
    this.leaving = new AbortController();
    this.begin();
  }

  disconnectedCallback() {
    this.leaving.abort();
  }

  /** Calls `then` on each `name` event of `source` until the island leaves the page. */
  on(source, name, then) {
    source.addEventListener(name, then, { signal: this.leaving.signal });
  }

  /** What the server told this element: see islands.py. */
  get fact() {
    const bytes = Uint8Array.from(this.dataset.fact.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    return JSON.parse(new TextDecoder().decode(bytes));
  }

  get inSight() {
    return !document.hidden && this.isConnected && this.checkVisibility();
  }
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
