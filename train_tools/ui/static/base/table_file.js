// What a chart or a list shows, as a file to take along: CSV for spreadsheets, JSON for programs.
import { h } from "./island.js";
import { t } from "./words.js";

/** Two buttons that save `rows()`, objects with the same keys, under `name`. */
export function takeAway(name, rows) {
  const button = (words, save) => h("button.quiet", { type: "button", title: `${name}.${words.toLowerCase()}`, "aria-label": t("chart.take", { name, kind: words }), onclick: save }, words);
  return [button("CSV", () => save(`${name}.csv`, "text/csv", asCsv(rows()))), button("JSON", () => save(`${name}.json`, "application/json", JSON.stringify(rows(), null, 1)))];
}

/** Lines end as RFC 4180 wants; a text that a spreadsheet would take for a formula is quoted as text. */
function asCsv(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(field).join(",")).join("\r\n") + "\r\n";
}

function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Lets the browser save a text as a file. */
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
