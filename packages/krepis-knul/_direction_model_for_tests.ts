// A model of RFC 9000 §3, and stories for comparing a stream with it. A story is steps of both sides in a random
// order; the other side sees each step before the next one is taken.
import process from "node:process";

export type Side = "peer" | "program";
/** What a side may do with a stream: send bytes, end or reset what it sends, stop what it receives. */
export type Op = "data" | "fin" | "reset" | "stop";
export const OPS: Op[] = ["data", "fin", "reset", "stop"];

export interface Step {
  side: Side;
  op: Op;
  /** The application code of a reset or stop. */
  code: number;
  /** Sent in one flight with the step after it. */
  isJoined: boolean;
}

/** One direction of a stream (RFC 9000 §3.1, §3.2): the first thing that ends it counts. */
export class Direction {
  pieces = 0;
  end: "open" | "fin" | "reset" | "stop" = "open";
  code = 0;

  get isOver(): boolean {
    return this.end !== "open";
  }

  apply(op: Op, code: number): void {
    if (this.isOver) return;
    if (op === "data") this.pieces++;
    else [this.end, this.code] = [op, code];
  }
}

/** A bidirectional stream that the peer opened, `received` and `sent` as the program sees them. */
export class StreamModel {
  readonly received: Direction = new Direction();
  readonly sent: Direction = new Direction();

  get isOver(): boolean {
    return this.received.isOver && this.sent.isOver;
  }

  /** The direction that an operation changes. */
  of(side: Side, op: Op): Direction {
    return (side === "peer") === (op === "stop") ? this.sent : this.received;
  }

  apply({ side, op, code }: Step): void {
    this.of(side, op).apply(op, code);
  }
}

/** Random numbers from a seed (xorshift32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0) || 1;
  }

  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/**
 * Steps of both sides. The first is the peer's, because it opens the stream. The program may take steps that have no
 * effect, which must do no harm; the peer does not.
 */
export function makeStory(dice: Dice): Step[] {
  const model = new StreamModel();
  const story: Step[] = [];
  for (let left = 1 + dice.below(8); left > 0; left--) {
    const side = story.length === 0 ? "peer" : dice.pick(["peer", "program"] as const);
    const op = dice.pick(OPS);
    if (side === "peer" && model.of(side, op).isOver) continue;
    const step = { side, op, code: 1 + dice.below(2 ** 30), isJoined: false };
    const last = story.at(-1);
    // A reset may drop bytes of the same flight, so it is never joined.
    if (last?.side === "peer" && side === "peer" && last.op !== "reset" && op !== "reset") {
      last.isJoined = dice.below(2) === 0;
    }
    model.apply(step);
    story.push(step);
  }
  return story;
}

/** The story as text, for the message of a failure. */
export function printStory(story: Step[]): string {
  return story.map(({ side, op, code, isJoined }) => `${side} ${op} ${code}${isJoined ? " +" : ""}`).join(
    ", ",
  );
}

/** KNUL_SEED: one seed; KNUL_SEEDS: 1 to that number; else a few new ones. Each is printed. */
export function chooseSeeds(few = 3): number[] {
  const { KNUL_SEED: one, KNUL_SEEDS: many } = process.env;
  const seeds = one
    ? [Number(one)]
    : Array.from({ length: many ? Number(many) : few }, (_, i) => many ? i + 1 : randomSeed());
  console.log(`seeds ${seeds.join(" ")} (run one again with KNUL_SEED=n, many with KNUL_SEEDS=n)`);
  return seeds;
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
