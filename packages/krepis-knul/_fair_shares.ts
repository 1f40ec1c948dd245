// A budget of which each holder may have at most half of what the others leave, so that something is always left for
// the next holder.

export interface Holder {
  used: number;
}

export class FairShares {
  readonly most: number;
  used = 0;

  constructor(most: number) {
    this.most = most;
  }

  /** @returns whether there was room */
  take(holder: Holder, amount: number): boolean {
    const others = this.used - holder.used;
    if (holder.used + amount > (this.most - others) / 2) return false;
    holder.used += amount;
    this.used += amount;
    return true;
  }

  give(holder: Holder, amount: number): void {
    holder.used -= amount;
    this.used -= amount;
  }
}
