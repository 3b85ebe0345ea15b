// What the filter finds, in its order: all names, and the details of those that are looked at. Follows the disk.
import { ask, Feed, MANY_FILES_MS, versionPath } from "../base/api.js";
import { places } from "../base/place.js";

const WINDOW = 200;
const STEP = 50;
const KEPT = 2000;

/** Dispatches "listed" when other images are there, "arrived" when details are, "failed" with the error. */
export class Listing extends EventTarget {
  constructor(island, isWanted) {
    super();
    Object.assign(this, { images: [], details: new Map(), query: {}, from: 0, listing: null });
    const path = () => (isWanted() && places.complete ? `${versionPath(places.current, "captions")}?${this.asked({ offset: this.from, limit: WINDOW })}` : null);
    this.feed = new Feed(island, path, (page) => this.take(page), (error) => this.fail(error), MANY_FILES_MS);
  }

  /** Asks for what another filter finds, or in another order. */
  ask(query) {
    this.query = query;
    this.anew();
  }

  anew() {
    Object.assign(this, { from: 0, listing: null });
    this.details.clear();
    this.feed.known = null;
    this.feed.now();
  }

  /** Sees to it that the details of these places are there. */
  look(from, to) {
    const start = Math.max(0, Math.floor(from / STEP) * STEP);
    const reaches = from >= this.from && to <= this.from + WINDOW;
    if (reaches || (start === this.from && to <= start + WINDOW)) return;
    this.from = start;
    this.feed.now();
  }

  of(at) {
    return this.details.get(this.images[at]);
  }

  /** The newest that is known of an image, once it was changed here. */
  learn(image) {
    this.details.set(image.image, image);
    this.dispatchEvent(new Event("arrived"));
  }

  asked(more = {}) {
    const { where = "", order = "folder", backwards = false } = this.query;
    return new URLSearchParams({ where, order, backwards, ...more });
  }

  async take(page) {
    this.feed.seen_ms = Math.max(MANY_FILES_MS, page.images); // the more there are, the more there is to look at
    if (this.details.size > KEPT) this.details.clear();
    for (const image of page.shown) this.details.set(image.image, image);
    if (page.listing !== this.listing) await this.list(page.listing);
    this.dispatchEvent(new Event("arrived"));
  }

  async list(listing) {
    this.listing = listing;
    try {
      const { images } = await ask(`${versionPath(places.current, "captions", "names")}?${this.asked()}`);
      if (listing !== this.listing) return;
      this.images = images;
      this.dispatchEvent(new Event("listed"));
    } catch (error) {
      this.listing = null;
      this.fail(error);
    }
  }

  fail(error) {
    this.dispatchEvent(new CustomEvent("failed", { detail: error }));
  }
}
