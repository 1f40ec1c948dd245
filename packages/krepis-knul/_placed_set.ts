// A set whose members store their index. Members come and go with every request; a `Set` would have to allocate a new
// table every few changes.

/** A member of at most one set. */
export interface Placed {
  /** Its index in the set; -1: it is in no set. */
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
