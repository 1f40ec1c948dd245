// The memory in which requests are gathered that come in parts: how much of it all may have, one connection may have,
// and who gives way when it is short.
//
// The idea: a connection may have half of what the others leave, so something is always left for the next one. What
// has no room waits in the arena and gets no credit, so its peer stops sending. Where even a small payload has no room,
// the connection that holds most loses a request: however many peers hold much, small payloads of others come through.
// The weak case are thousands of connections that each hold as little as the others need.

/** A request whose payload is gathered. */
export interface Gathered {
  /** Charged bytes: the size of its buffer. */
  heldBytes: number;
  /** Its bytes in the arena that wait for room. */
  waitingBytes: number;
  readonly share: Share;
}

/** What one connection has of the budget. */
export class Share {
  /** Of all its requests. */
  heldBytes = 0;
  waitingBytes = 0;
  /** Those that can give way: they are not complete. */
  readonly incomplete = new Set<Gathered>();
  incompleteBytes = 0;
  bucket = 0;
}

export interface BudgetHandlers {
  /** There may be room for what waits of this request. @returns whether nothing of it waits any more */
  resume(request: Gathered): boolean;
  /** Takes the request's memory away: it calls `returnBytes`. */
  evict(request: Gathered): void;
}

/** A payload of this part of the budget finds room at the cost of others that hold at least twice as much. */
const SMALL_PART = 256;
/** Requests that are looked at when there is room again. */
const RESUMED_AT_ONCE = 16;

export class GatherBudget {
  readonly capBytes: number;
  /** Bytes that may wait in the arena. */
  readonly waitingCapBytes: number;
  heldBytes = 0;
  waitingBytes = 0;
  readonly #handlers: BudgetHandlers;
  readonly #buckets: Set<Share>[] = Array.from({ length: 33 }, () => new Set()); // by log2 of incompleteBytes
  readonly #waiting = new Set<Gathered>(); // oldest first
  #isResuming = false;

  constructor(capBytes: number, waitingCapBytes: number, handlers: BudgetHandlers) {
    this.capBytes = capBytes;
    this.waitingCapBytes = waitingCapBytes;
    this.#handlers = handlers;
  }

  /**
   * Charges bytes to an incomplete request.
   * @param mayEvict whether others may lose a request for it
   * @returns whether there was room
   */
  take(request: Gathered, bytes: number, mayEvict: boolean): boolean {
    if (!this.#fits(request.share, bytes) && !(mayEvict && this.#makeRoom(request.share, bytes))) {
      return false;
    }
    request.share.incomplete.add(request);
    request.heldBytes += bytes;
    request.share.heldBytes += bytes;
    this.heldBytes += bytes;
    this.#count(request.share, bytes);
    return true;
  }

  /** The request is complete: it keeps what it has, and gives way to nobody. */
  complete(request: Gathered): void {
    if (request.share.incomplete.delete(request)) this.#count(request.share, -request.heldBytes);
  }

  /** Returns all that a request has. */
  returnBytes(request: Gathered): void {
    this.complete(request);
    this.stopWaiting(request, request.waitingBytes);
    const { heldBytes } = request;
    if (heldBytes === 0) return;
    request.heldBytes = 0;
    request.share.heldBytes -= heldBytes;
    this.heldBytes -= heldBytes;
    this.#resumeSoon();
  }

  /** Bytes stay in the arena. @returns false when too much waits there already: the request must be refused */
  wait(request: Gathered, bytes: number): boolean {
    const { share } = request;
    const others = this.waitingBytes - share.waitingBytes;
    if (share.waitingBytes + bytes > (this.waitingCapBytes - others) / 2) return false;
    request.waitingBytes += bytes;
    share.waitingBytes += bytes;
    this.waitingBytes += bytes;
    this.#waiting.add(request);
    return true;
  }

  stopWaiting(request: Gathered, bytes: number): void {
    request.waitingBytes -= bytes;
    request.share.waitingBytes -= bytes;
    this.waitingBytes -= bytes;
    if (request.waitingBytes === 0) this.#waiting.delete(request);
  }

  #fits(share: Share, bytes: number): boolean {
    const others = this.heldBytes - share.heldBytes;
    return share.heldBytes + bytes <= (this.capBytes - others) / 2;
  }

  #makeRoom(share: Share, bytes: number): boolean {
    const needed = share.heldBytes + bytes;
    if (needed > this.capBytes / SMALL_PART) return false;
    for (let tries = 0; tries < 4; tries++) {
      const largest = this.#largest();
      if (largest === null || largest === share || largest.incompleteBytes < 2 * needed) return false;
      this.#handlers.evict(mostOf(largest));
      if (this.#fits(share, bytes)) return true;
    }
    return false;
  }

  /** One that holds at least half of what the one that holds most does. */
  #largest(): Share | null {
    for (let bucket = this.#buckets.length - 1; bucket > 0; bucket--) {
      for (const share of this.#buckets[bucket]) return share;
    }
    return null;
  }

  #count(share: Share, bytes: number): void {
    share.incompleteBytes += bytes;
    const bucket = 32 - Math.clz32(share.incompleteBytes);
    if (bucket === share.bucket) return;
    this.#buckets[share.bucket].delete(share);
    share.bucket = bucket;
    if (bucket > 0) this.#buckets[bucket].add(share);
  }

  // Not inside the call that returned the bytes: resuming calls handlers.
  #resumeSoon(): void {
    if (this.#isResuming || this.#waiting.size === 0) return;
    this.#isResuming = true;
    queueMicrotask(() => {
      this.#isResuming = false;
      let left = RESUMED_AT_ONCE;
      for (const request of this.#waiting) {
        if (left-- === 0) break;
        if (this.#handlers.resume(request)) continue;
        this.#waiting.delete(request);
        if (request.waitingBytes > 0) this.#waiting.add(request); // behind the others
      }
    });
  }
}

function mostOf(share: Share): Gathered {
  let most: Gathered | undefined;
  for (const request of share.incomplete) {
    if (most === undefined || request.heldBytes > most.heldBytes) most = request;
  }
  return most!;
}
