// The sheet of keys.
import { Sheet } from "../base/dialogs.js";
import { h } from "../base/island.js";
import { t } from "../base/words.js";

const KEYS = [
  [["←", "↑", "→", "↓"], "move"],
  [["Space"], "zoom"],
  [["C"], "mark"],
  [["X"], "compare"],
  [["Enter"], "pick"],
  [["1", "…", "5", "0"], "stars"],
  [["M"], "make"],
  [["P"], "pin"],
  [["I"], "details"],
  [["+", "−"], "size"],
  [["Home", "End", "PgUp", "PgDn"], "far"],
  [["B"], "blink"],
  [["S"], "mode"],
  [["0"], "whole"],
  [["Esc"], "leave"],
  [["?"], "keys"],
];

export class Keys extends Sheet {
  constructor() {
    super(t("checkpoints.keys"));
    this.content.append(h("dl.keys", {}, KEYS.flatMap(([keys, what]) => [h("dt", {}, keys.map((key) => h("kbd", {}, key))), h("dd", {}, t(`checkpoints.key.${what}`))])));
    this.buttons.append(h("button", { type: "button", autofocus: true, onclick: () => this.close() }, t("checkpoints.close")));
  }
}
