import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { AsyncQueue } from "./_async_queue.ts";

Deno.test("what was pushed is taken in order, and iteration ends after the close", async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.push(2);
  queue.close();
  queue.push(3);
  deepStrictEqual(await Array.fromAsync(queue), [1, 2]);
});

Deno.test("one who waits gets the next item, or the end", async () => {
  const queue = new AsyncQueue<string>();
  const iterator = queue[Symbol.asyncIterator]();
  const [first, second] = [iterator.next(), iterator.next()];
  queue.push("a");
  queue.close();
  deepStrictEqual(await first, { value: "a", done: false });
  deepStrictEqual(await second, { value: undefined, done: true });
});

Deno.test("an item that left before it was taken is not taken", async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.push(2);
  strictEqual(queue.remove(1), true);
  strictEqual(queue.remove(1), false);
  queue.close();
  deepStrictEqual(await Array.fromAsync(queue), [2]);
});
