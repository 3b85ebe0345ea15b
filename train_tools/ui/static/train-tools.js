// The islands of the page; each module defines one element. The root says which screen is in sight.
import { places } from "./base/place.js";
import "./bar/bar.js";
import "./projects/projects.js";
import "./dataset/dataset.js";
import "./train/train.js";
import "./queue/queue.js";
import "./checkpoints/checkpoints.js";
import "./tools/tools.js";
import "./settings/settings.js";

const turn = () => (document.documentElement.dataset.screen = places.current.screen);
places.addEventListener("turned", turn);
turn();
