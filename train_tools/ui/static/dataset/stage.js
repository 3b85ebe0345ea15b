// Where one picture lies in full: as large as there is room, small ones enlarged, and what lies over it as large.

const ENLARGED = 6;

/** Keeps `--wide` and `--high` of an element so that a picture of `size()` (width, height) fits into it. */
export class Stage {
  constructor(element, size, then = () => {}) {
    Object.assign(this, { element, size, then });
    new ResizeObserver(() => this.fit()).observe(element);
  }

  fit() {
    const [width, height] = this.size();
    if (!width || !height) return;
    const scale = Math.min(this.element.clientWidth / width, this.element.clientHeight / height, ENLARGED);
    this.element.style.setProperty("--wide", `${Math.floor(width * scale)}px`);
    this.element.style.setProperty("--high", `${Math.floor(height * scale)}px`);
    this.then();
  }
}
