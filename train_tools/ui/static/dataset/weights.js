// Ctrl+Up and Ctrl+Down in a caption, as in the WebUI: the tag at the cursor, or what is marked, weighs more or less.

const STEP = 0.1;
const WEIGHTED = /^\((.*):(-?\d+(?:\.\d+)?)\)$/s;

/** The text with another weight of what lies from `start` to `end`, and what is marked then. */
export function weighted(text, start, end, more) {
  const [from, to] = start === end ? tagAt(text, start) : widened(text, start, end);
  const inner = text.slice(from, to);
  if (!inner.trim()) return { text, start, end };
  const found = inner.match(WEIGHTED);
  const weight = Math.round((Number(found?.[2] ?? 1) + (more ? STEP : -STEP)) * 100) / 100;
  const words = found?.[1] ?? inner;
  const written = weight === 1 ? words : `(${words}:${weight})`;
  return { text: text.slice(0, from) + written + text.slice(to), start: from, end: from + written.length };
}

/** The tag that holds the cursor, between commas, without the blanks around it. */
function tagAt(text, at) {
  const before = text.lastIndexOf(",", at - 1) + 1;
  const after = text.indexOf(",", at);
  const part = text.slice(before, after < 0 ? text.length : after);
  const from = before + part.length - part.trimStart().length;
  return [from, from + part.trim().length];
}

/** What is marked, with the brackets and the weight around it. */
function widened(text, start, end) {
  const tail = text.slice(end).match(/^:-?\d+(?:\.\d+)?\)/);
  return tail && text[start - 1] === "(" ? [start - 1, end + tail[0].length] : [start, end];
}
