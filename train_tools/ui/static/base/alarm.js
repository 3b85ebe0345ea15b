// Telling somebody who looks elsewhere: messages of the browser and a sound. Each browser decides for itself.
import { choose, chosen } from "./choice.js";

const NOTES_HZ = [659, 880];
const NOTE_S = 0.16;
const LOUD = 0.15;

/** Whether the browser can show messages at all: only on this machine or over https, and in no page of another site. */
export const canShow = "Notification" in window && isSecureContext;

/** `shown` or `heard`: whether this browser is to. */
export const wants = (way) => chosen(`news ${way}`) === "on";
export const want = (way, on) => choose(`news ${way}`, on ? "on" : null);

/** What the user has allowed: `granted`, `denied`, or `default` while nobody asked. */
export const allowed = () => (canShow ? Notification.permission : "denied");

/** Asks the user; browsers want a click before. */
export const askLeave = () => Notification.requestPermission();

/** By the ways that are open. A newer message takes the place of an older one. */
export function alarm(title, words, opened = () => {}) {
  if (wants("heard")) chime();
  if (!wants("shown") || allowed() !== "granted") return;
  const shown = new Notification(title, { body: words, tag: "train-tools", icon: new URL("../icon.svg", import.meta.url).href });
  shown.onclick = () => (focus(), opened(), shown.close());
}

/** Two notes, made here: no file is fetched. Browsers stay silent until something was clicked. */
export function chime() {
  const sound = new AudioContext();
  NOTES_HZ.forEach((pitch, at) => note(sound, pitch, sound.currentTime + at * NOTE_S));
  setTimeout(() => sound.close(), (NOTES_HZ.length + 2) * NOTE_S * 1000);
}

function note(sound, pitch, from) {
  const [tone, volume] = [sound.createOscillator(), sound.createGain()];
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(LOUD, from);
  volume.gain.exponentialRampToValueAtTime(0.001, from + 2 * NOTE_S);
  tone.connect(volume).connect(sound.destination);
  tone.start(from);
  tone.stop(from + 2 * NOTE_S);
}
