// Sets of objects that know their place in it. They come and go with every request, and the table of a `Set` would be
// made anew for every few of them.

/** A member of at most one set. */
export interface Placed {
  /** Its index in the set; -1: in none. */
  place: number;
}

/** Keeps no order. `add` and `remove` take constant time. */
export class PlacedSet<T extends Placed> {
  readonly #items: T[] = [];

  get items(): readonly T[] {
    return this.#items;
  }

  /** The member must be in no set. */
  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** The member must be in this set. */
  remove(item: T): void {
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
    }
    item.place = -1;
  }
}
