// What this browser is to remember: the language, the colours, how large thumbnails are. Costs only the choice when
// the browser keeps nothing.

export function chosen(name, otherwise = null) {
  try {
    return localStorage.getItem(`train-tools ${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function choose(name, value) {
  try {
    if (value === null) localStorage.removeItem(`train-tools ${name}`);
    else localStorage.setItem(`train-tools ${name}`, value);
  } catch {
    // A full or forbidden storage.
  }
}
