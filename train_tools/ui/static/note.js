// What was refused, in one sentence, in sight on every screen until it is closed or something succeeds.
import { h, Island } from "./island.js";

class Note extends Island {
  begin() {
    const refused = this.fact;
    if (refused === null) return;
    const close = h("button.quiet", { type: "button", onclick: () => this.root.replaceChildren() }, "Close");
    this.root.append(h("div.refused", {}, h("p", { role: "alert" }, refused.sentence), close));
  }
}


customElements.define("tt-note", Note);
