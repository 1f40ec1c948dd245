// Items for `for await` loops: connections of an adapter, streams of a connection.

interface Taker<T> {
  iterator: object;
  next: PromiseWithResolvers<IteratorResult<T, void>>;
}

/**
 * Keeps items until a loop takes them, also before the first loop begins. After the last loop has ended, the queue
 * refuses its items and all later ones, until another loop begins.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #items = new Set<T>(); // in order of arrival; a Set, so that remove() needs no search
  readonly #takers: Taker<T>[] = [];
  readonly #iterators = new Set<object>(); // of loops that have not ended
  readonly #refuse: (item: T) => void;
  #isLeft = false;
  #isClosed = false;

  /** @param refuse called with each item that no loop will take; must not throw */
  constructor(refuse: (item: T) => void) {
    this.#refuse = refuse;
  }

  push(item: T): void {
    if (this.#isLeft) return this.#refuse(item);
    const taker = this.#takers.shift();
    if (taker) taker.next.resolve({ value: item, done: false });
    else if (!this.#isClosed) this.#items.add(item);
  }

  /** Removes an item that no loop has taken yet. @returns false: a loop has taken it */
  remove(item: T): boolean {
    return this.#items.delete(item);
  }

  /** Loops end after the items that are in the queue. */
  close(): void {
    this.#isClosed = true;
    for (const { next } of this.#takers.splice(0)) next.resolve(end());
  }

  [Symbol.asyncIterator](): AsyncIterator<T, void, void> {
    const iterator: AsyncIterator<T, void, void> = {
      next: () => this.#next(iterator),
      return: () => {
        this.#leave(iterator);
        return Promise.resolve(end());
      },
    };
    this.#iterators.add(iterator);
    this.#isLeft = false;
    return iterator;
  }

  #next(iterator: object): Promise<IteratorResult<T, void>> {
    if (!this.#iterators.has(iterator)) return Promise.resolve(end());
    for (const value of this.#items) {
      this.#items.delete(value);
      return Promise.resolve({ value, done: false });
    }
    if (this.#isClosed) return Promise.resolve(end());
    const next = Promise.withResolvers<IteratorResult<T, void>>();
    this.#takers.push({ iterator, next });
    return next.promise;
  }

  #leave(iterator: object): void {
    if (!this.#iterators.delete(iterator)) return;
    for (let i = this.#takers.length - 1; i >= 0; i--) {
      const taker = this.#takers[i]!;
      if (taker.iterator !== iterator) continue;
      this.#takers.splice(i, 1);
      taker.next.resolve(end());
    }
    if (this.#iterators.size > 0 || this.#isClosed) return;
    this.#isLeft = true;
    for (const item of this.#items) {
      this.#items.delete(item);
      this.#refuse(item);
    }
  }
}

function end(): IteratorReturnResult<void> {
  return { value: undefined, done: true };
}
