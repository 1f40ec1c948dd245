// Items for `for await` loops: connections of an adapter, streams of a connection.

interface Taker<T> {
  iterator: object;
  next: PromiseWithResolvers<IteratorResult<T, void>>;
}

/**
 * Keeps items until a loop takes them, also before the first loop begins. When the last loop was left, the queue
 * refuses the items that it has and all that follow, until another loop begins.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #items = new Set<T>(); // in order of arrival; one that is gone leaves without a search
  readonly #takers: Taker<T>[] = [];
  readonly #iterators = new Set<object>(); // of loops that were not left
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

  /** Takes an item back that nobody has taken yet. */
  remove(item: T): boolean {
    return this.#items.delete(item);
  }

  /** Iteration ends after what is waiting. */
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
