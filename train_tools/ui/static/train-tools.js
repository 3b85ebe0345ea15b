// The islands of the page; each module defines one element. The root says which screen is in sight: its module comes
// at once, those of the others when the page is there, before anybody turns to them.
import { places, SCREENS } from "./base/place.js";
import "./base/strays.js";
import "./bar/bar.js";

const OTHERS_AFTER_MS = 1500;
const AGAIN_AFTER_MS = 2000;

function turn() {
  document.documentElement.dataset.screen = places.current.screen;
  bring(places.current.screen);
}

/** Loads a screen's module; goes on trying while the service is away. */
async function bring(screen) {
  try {
    await import(`./${screen}/${screen}.js`);
  } catch (error) {
    if (!/import/i.test(error.message)) throw error; // it came, and is broken
    setTimeout(() => bring(screen), AGAIN_AFTER_MS);
  }
}

places.addEventListener("turned", turn);
turn();
setTimeout(() => SCREENS.forEach(bring), OTHERS_AFTER_MS);
