// What waits to be taken by `for await`: connections of an adapter, streams of a connection.

export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #items = new Set<T>(); // in order of arrival; one that is gone leaves without a search
  readonly #takers: PromiseWithResolvers<IteratorResult<T, void>>[] = [];
  #isClosed = false;

  push(item: T): void {
    const taker = this.#takers.shift();
    if (taker) taker.resolve({ value: item, done: false });
    else if (!this.#isClosed) this.#items.add(item);
  }

  /** Takes an item back that nobody has taken yet. */
  remove(item: T): boolean {
    return this.#items.delete(item);
  }

  /** Iteration ends after what is waiting. */
  close(): void {
    this.#isClosed = true;
    for (const taker of this.#takers.splice(0)) taker.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, void, void> {
    return { next: () => this.#next(), return: () => Promise.resolve({ value: undefined, done: true }) };
  }

  #next(): Promise<IteratorResult<T, void>> {
    for (const value of this.#items) {
      this.#items.delete(value);
      return Promise.resolve({ value, done: false });
    }
    if (this.#isClosed) return Promise.resolve({ value: undefined, done: true });
    const taker = Promise.withResolvers<IteratorResult<T, void>>();
    this.#takers.push(taker);
    return taker.promise;
  }
}
