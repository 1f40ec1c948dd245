import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { AsyncQueue } from "./_async_queue.ts";

Deno.test("what was pushed is taken in order, and iteration ends after the close", async () => {
  const queue = new AsyncQueue<number>(() => {});
  queue.push(1);
  queue.push(2);
  queue.close();
  queue.push(3);
  deepStrictEqual(await Array.fromAsync(queue), [1, 2]);
});

Deno.test("one who waits gets the next item, or the end", async () => {
  const queue = new AsyncQueue<string>(() => {});
  const iterator = queue[Symbol.asyncIterator]();
  const [first, second] = [iterator.next(), iterator.next()];
  queue.push("a");
  queue.close();
  deepStrictEqual(await first, { value: "a", done: false });
  deepStrictEqual(await second, { value: undefined, done: true });
});

Deno.test("an item that left before it was taken is not taken", async () => {
  const queue = new AsyncQueue<number>(() => {});
  queue.push(1);
  queue.push(2);
  strictEqual(queue.remove(1), true);
  strictEqual(queue.remove(1), false);
  queue.close();
  deepStrictEqual(await Array.fromAsync(queue), [2]);
});

Deno.test("what nobody will take is refused once the last loop was left, until somebody iterates again", async () => {
  const refused: number[] = [];
  const queue = new AsyncQueue<number>((item) => refused.push(item));
  const other = queue[Symbol.asyncIterator]();
  queue.push(1);
  queue.push(2);
  for await (const item of queue) {
    strictEqual(item, 1);
    break;
  }
  deepStrictEqual(refused, []); // the other still iterates
  const waiting = [other.next(), other.next()];
  queue.push(3);
  queue.push(4);
  deepStrictEqual((await Promise.all(waiting)).map(({ value }) => value), [2, 3]);
  const last = other.next(); // takes 4
  const late = other.next();
  await other.return!();
  strictEqual((await last).value, 4);
  strictEqual((await late).done, true);
  strictEqual((await other.next()).done, true);
  queue.push(5);
  deepStrictEqual(refused, [5]);
  const again = queue[Symbol.asyncIterator]();
  queue.push(6);
  queue.push(7);
  strictEqual((await again.next()).value, 6);
  await again.return!();
  deepStrictEqual(refused, [5, 7]);
});
