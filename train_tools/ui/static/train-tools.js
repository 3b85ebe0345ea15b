// The islands of the page; each module defines one element.
import "./place.js";
import "./note.js";
import "./status.js";
import "./dataset.js";
import "./train.js";
import "./queue.js";
import "./previews.js";
