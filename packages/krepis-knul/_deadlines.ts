// Requests under way, oldest first. All have the same time limit, so the list is in order of deadlines and
// one timer looks at its head only.

import { clearTimeout, setTimeout } from "node:timers";

export interface Timed {
  earlier: Timed | null;
  later: Timed | null;
  deadlineMs: number; // performance.now(); 0: not in the list
}

export class Deadlines<T extends Timed> {
  readonly #limitMs: number;
  readonly #expire: (item: T) => void;
  #first: T | null = null;
  #last: T | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param limitMs 0: nothing ever expires */
  constructor(limitMs: number, expire: (item: T) => void) {
    this.#limitMs = limitMs;
    this.#expire = expire;
  }

  /** @param nowMs on the clock of performance.now(); must not decrease from call to call */
  add(item: T, nowMs: number): void {
    if (this.#limitMs === 0 || item.deadlineMs !== 0) return;
    item.deadlineMs = nowMs + this.#limitMs;
    item.earlier = this.#last;
    if (this.#last === null) this.#first = item;
    else this.#last.later = item;
    this.#last = item;
    this.#arm(this.#limitMs);
  }

  remove(item: T): void {
    if (item.deadlineMs === 0) return;
    if (item.earlier === null) this.#first = item.later as T | null;
    else item.earlier.later = item.later;
    if (item.later === null) this.#last = item.earlier as T | null;
    else item.later.earlier = item.earlier;
    item.earlier = item.later = null;
    item.deadlineMs = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  // The timer is not cancelled when the list becomes empty: it then fires once without effect.
  #arm(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, ms);
    this.#timer.unref(); // a request under way keeps no process alive; the wake descriptor does
  }

  #look(): void {
    const now = performance.now();
    while (this.#first !== null && this.#first.deadlineMs <= now) {
      const item = this.#first;
      this.remove(item);
      this.#expire(item);
    }
    if (this.#first !== null) this.#arm(Math.max(1, this.#first.deadlineMs - now));
  }
}
