// Limits the memory for payloads that arrive in parts, for each connection and for all together.
//
// A connection may hold half of what the others leave free, so there is always room for another connection. Bytes
// without room wait in the arena. Their peer gets no flow-control credit for them, so it stops sending. If a small
// payload has no room, a request of the connection that holds most is evicted. So small payloads have room even while
// many peers hold large ones. This does not help against thousands of connections that each hold only a little.

import { FairShares, type Holder } from "./_fair_shares.ts";
import { type Placed, PlacedSet } from "./_placed_set.ts";

/** A request whose payload is gathered. It is in `Share.incomplete` while it is incomplete and holds bytes. */
export interface Gathered extends Placed {
  /** Charged bytes: the size of its buffer. */
  heldBytes: number;
  /** Arena bytes occupied by its pieces that wait for room. */
  waitingBytes: number;
  readonly share: Share;
}

/** What one connection holds of the budget. It is in a bucket while `incompleteBytes` is not 0. */
export class Share implements Placed {
  place = -1;
  /** Bytes of all its requests. */
  readonly held: Holder = { used: 0 };
  readonly waiting: Holder = { used: 0 };
  /** Requests that can be evicted, because they are not complete. */
  readonly incomplete: PlacedSet<Gathered> = new PlacedSet();
  incompleteBytes = 0;
  bucket = 0;
}

export interface BudgetHandlers {
  /** There may be room for the waiting bytes of this request. Must not throw. @returns true: none wait any more */
  resume(request: Gathered): boolean;
  /** Ends a request, which calls `returnBytes`. */
  evict(request: Gathered): void;
}

/** A payload up to this part of the budget can evict requests of a connection that holds at least twice as much. */
const SMALL_PART = 256;
/** Requests that are resumed in one turn when there is room again. */
const RESUMED_AT_ONCE = 64;
/** For budgets of up to 2^40 bytes. */
const BUCKETS = 42;

export class GatherBudget {
  /** Charged bytes. */
  readonly held: FairShares;
  /** Bytes that wait in the arena. */
  readonly waiting: FairShares;
  readonly #handlers: BudgetHandlers;
  readonly #buckets = Array.from({ length: BUCKETS }, () => new PlacedSet<Share>()); // by log2 of incompleteBytes
  readonly #queue = new Set<Gathered>(); // oldest first
  #toResume = 0;
  #isResuming = false;

  constructor(capBytes: number, waitingCapBytes: number, handlers: BudgetHandlers) {
    this.held = new FairShares(capBytes);
    this.waiting = new FairShares(waitingCapBytes);
    this.#handlers = handlers;
  }

  /**
   * Charges bytes to an incomplete request.
   * @param mayEvict whether requests of other connections may be evicted for it
   * @returns whether there was room
   */
  take(request: Gathered, bytes: number, mayEvict: boolean): boolean {
    const { share } = request;
    if (!this.held.take(share.held, bytes) && !(mayEvict && this.#takeFromOthers(share, bytes))) return false;
    if (request.place < 0) share.incomplete.add(request);
    request.heldBytes += bytes;
    this.#count(share, bytes);
    return true;
  }

  /** The request is complete: it keeps its bytes and is not evicted any more. */
  complete(request: Gathered): void {
    if (request.place < 0) return;
    request.share.incomplete.remove(request);
    this.#count(request.share, -request.heldBytes);
  }

  /** Returns all bytes of a request. */
  returnBytes(request: Gathered): void {
    this.complete(request);
    if (request.waitingBytes > 0) this.stopWaiting(request, request.waitingBytes);
    const { heldBytes } = request;
    if (heldBytes === 0) return;
    request.heldBytes = 0;
    this.held.give(request.share.held, heldBytes);
    this.#resumeSoon();
  }

  /**
   * Charges a piece that stays in the arena.
   * @param bytes that it occupies there
   * @returns false: too many bytes wait already, so the request must be refused
   */
  wait(request: Gathered, bytes: number): boolean {
    if (!this.waiting.take(request.share.waiting, bytes)) return false;
    request.waitingBytes += bytes;
    this.#queue.add(request);
    return true;
  }

  stopWaiting(request: Gathered, bytes: number): void {
    request.waitingBytes -= bytes;
    this.waiting.give(request.share.waiting, bytes);
    if (request.waitingBytes === 0) this.#queue.delete(request);
  }

  #takeFromOthers(share: Share, bytes: number): boolean {
    const needed = share.held.used + bytes;
    if (needed > this.held.most / SMALL_PART) return false;
    for (let tries = 0; tries < 4; tries++) {
      const largest = this.#largest();
      if (largest === null || largest === share || largest.incompleteBytes < 2 * needed) return false;
      this.#handlers.evict(mostOf(largest));
      if (this.held.take(share.held, bytes)) return true;
    }
    return false;
  }

  /** A connection whose requests hold at least half as much as those of any other. */
  #largest(): Share | null {
    for (let bucket = this.#buckets.length - 1; bucket > 0; bucket--) {
      const { items } = this.#buckets[bucket]!;
      if (items.length > 0) return items[0]!;
    }
    return null;
  }

  #count(share: Share, bytes: number): void {
    share.incompleteBytes += bytes;
    const bucket = bitLength(share.incompleteBytes);
    if (bucket === share.bucket) return;
    if (share.bucket > 0) this.#buckets[share.bucket]!.remove(share);
    share.bucket = bucket;
    if (bucket > 0) this.#buckets[bucket]!.add(share);
  }

  // In a microtask, because it calls handlers, and the caller has not finished its own change of state.
  #resumeSoon(): void {
    this.#toResume = this.#queue.size;
    if (this.#isResuming || this.#toResume === 0) return;
    this.#isResuming = true;
    queueMicrotask(() => this.#resumeSome());
  }

  #resumeSome(): void {
    const last = Math.max(0, this.#toResume - RESUMED_AT_ONCE);
    for (const request of this.#queue) {
      if (this.#toResume-- <= last) break;
      if (this.#handlers.resume(request)) continue;
      this.#queue.delete(request);
      if (request.waitingBytes > 0) this.#queue.add(request); // behind the others
    }
    this.#toResume = Math.min(last, this.#queue.size);
    this.#isResuming = this.#toResume > 0;
    if (this.#isResuming) setTimeout(() => this.#resumeSome());
  }
}

function mostOf(share: Share): Gathered {
  let most: Gathered | undefined;
  for (const request of share.incomplete.items) {
    if (most === undefined || request.heldBytes > most.heldBytes) most = request;
  }
  return most!;
}

/** How many bits a whole number has: 0 has none, 4096 has 13. */
function bitLength(value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(value);
}
