// Waiting jobs change places: dragged by their grip, or with Alt and the arrow keys on it.

/** Lets the rows of a list be moved; `move(id, place)` asks for it, 1 = the next to start. */
export class Order {
  constructor(list, move) {
    Object.assign(this, { list, move, dragged: null });
    list.addEventListener("pointerdown", (event) => this.take(event));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = event.target.closest(".grip")?.closest(".job");
    if (!step || !row || !event.altKey) return;
    event.preventDefault();
    const place = Number(row.dataset.place) + step;
    if (place >= 1) this.move(row.dataset.job, place);
  }

  take(event) {
    const grip = event.target.closest(".grip");
    if (!grip || event.button) return;
    event.preventDefault();
    grip.focus();
    grip.setPointerCapture(event.pointerId);
    this.dragged = grip.closest(".job");
    this.dragged.classList.add("dragged");
    const over = (moved) => this.over(moved.clientY);
    const end = (ended) => {
      grip.removeEventListener("pointermove", over);
      this.drop(ended.type === "pointerup");
    };
    grip.addEventListener("pointermove", over);
    for (const name of ["pointerup", "pointercancel"]) grip.addEventListener(name, end, { once: true });
  }

  /** Marks before which row it would be put. */
  over(y) {
    this.before = this.others.find((row) => y < middle(row)) ?? null;
    for (const row of this.list.children) row.classList.toggle("before", row === this.before);
    this.list.classList.toggle("at-end", this.before === null);
  }

  drop(meant) {
    const from = Number(this.dragged.dataset.place);
    const to = this.before ? Number(this.before.dataset.place) : this.list.children.length + 1;
    const id = this.dragged.dataset.job;
    for (const row of this.list.children) row.classList.remove("before", "dragged");
    this.list.classList.remove("at-end");
    const place = to > from ? to - 1 : to;
    if (meant && this.before !== undefined && place !== from) this.move(id, place);
    this.dragged = this.before = undefined;
  }

  get others() {
    return [...this.list.children].filter((row) => row !== this.dragged && row.dataset.place);
  }
}

function middle(row) {
  const { top, height } = row.getBoundingClientRect();
  return top + height / 2;
}
