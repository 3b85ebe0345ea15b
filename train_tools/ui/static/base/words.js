// What the page says, in the reader's language: sentences from a catalogue, numbers, sizes and times as written there.
import { chosen } from "./choice.js";

export const LANGUAGES = { en: "English", "zh-CN": "简体中文", ja: "日本語", ru: "Русский" };

/** The chosen language, else the first of the browser's that there is a catalogue for. */
export const language = spoken([chosen("language"), ...navigator.languages]);
document.documentElement.lang = language;

const catalogue = await (await fetch(new URL(`../words/${language}.json`, import.meta.url))).json();
const plural = new Intl.PluralRules(language);
const decimal = new Intl.NumberFormat(language);

function spoken(wanted) {
  for (const tag of wanted.filter(Boolean)) {
    const found = Object.keys(LANGUAGES).find((each) => each === tag || each.split("-")[0] === tag.split("-")[0]);
    if (found) return found;
  }
  return "en";
}

/**
 * The sentence of a key such as "queue.waiting", its {names} filled in. A sentence with plural forms
 * ({"one": ..., "other": ...}) takes the one for `values.n`; numbers are written as the language does.
 */
export function t(key, values = {}) {
  let sentence = key.split(".").reduce((section, name) => section?.[name], catalogue);
  if (typeof sentence === "object") sentence = sentence[plural.select(values.n)] ?? sentence.other;
  if (sentence === undefined) return key;
  return sentence.replace(/\{(\w+)\}/g, (hole, name) => (name in values ? written(values[name]) : hole));
}

const written = (value) => (typeof value === "number" ? number(value) : String(value));

/** 12000 -> "12,000" */
export const number = (value) => decimal.format(value);

/** 4000 -> "1 h 7 min" */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return t("time.seconds", { s: whole });
  if (whole < 600 && whole % 60) return t("time.minutes_seconds", { min: Math.floor(whole / 60), s: whole % 60 });
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return t("time.minutes", { min: minutes });
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return rest ? t("time.hours_minutes", { h: hours, min: rest }) : t("time.hours", { h: hours });
}

/** 5100000000 -> "5.1 GB" */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: value < 10 && unit ? 1 : 0 }).format(value)} ${units[unit]}`;
}

/** Seconds since the epoch, or an ISO date -> "20 Nov 2026, 21:03" */
export function moment(when) {
  const date = new Date(typeof when === "number" ? when * 1000 : when);
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(date);
}
