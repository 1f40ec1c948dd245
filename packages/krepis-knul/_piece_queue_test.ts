import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { PieceQueue } from "./_piece_queue.ts";
import type { Channel } from "./_channel.ts";

Deno.test("pieces come out in the order in which they went in, at every length of the queue", () => {
  const queue = new PieceQueue();
  let pushed = 0;
  let dropped = 0;
  for (let round = 1; round < 60; round++) {
    const most = round % 20 * 100;
    for (; pushed - dropped < most; pushed++) queue.push(64 * pushed, pushed + 1);
    const least = round % 7 === 0 ? 0 : Math.floor(most / 3);
    for (; pushed - dropped > least; dropped++) {
      deepStrictEqual([queue.isEmpty, queue.offset, queue.length], [false, 64 * dropped, dropped + 1]);
      queue.drop();
    }
    strictEqual(queue.isEmpty, pushed === dropped);
    strictEqual(queue.bytes, (pushed * (pushed + 1) - dropped * (dropped + 1)) / 2);
  }
});

Deno.test("a release is told of every piece, and leaves an empty queue", () => {
  const queue = new PieceQueue();
  for (const offset of [64, 0, 128]) queue.push(offset, 1);
  const released: number[] = [];
  queue.release({ release: (offset: number) => void released.push(offset) } as Channel);
  deepStrictEqual([released, queue.isEmpty, queue.bytes], [[64, 0, 128], true, 0]);
});

Deno.test("a queue that is never empty does not grow with what has passed through it", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const queue = new PieceQueue();
  queue.push(0, 1);
  collect();
  const before = Deno.memoryUsage().heapUsed;
  for (let i = 0; i < 2_000_000; i++) {
    queue.push(64, 1);
    queue.drop();
  }
  collect();
  ok(Deno.memoryUsage().heapUsed - before < 8 << 20); // 2 numbers for each would be 32 MB
  strictEqual(queue.isEmpty, false);
});
