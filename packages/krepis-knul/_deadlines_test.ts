import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Deadlines, type Timed } from "./_deadlines.ts";

interface Item extends Timed {
  name: string;
}

const item = (name: string): Item => ({ name, earlier: null, later: null, deadlineMs: 0 });

/** Keeps the test's process alive, which a deadline does not. */
async function alive<T>(promise: Promise<T>): Promise<T> {
  const timer = setTimeout(() => {}, 10_000);
  return await promise.finally(() => clearTimeout(timer));
}

Deno.test("items expire in the order in which they were added, except those removed", async () => {
  const expired: string[] = [];
  const done = Promise.withResolvers<void>();
  const deadlines = new Deadlines<Item>(10, ({ name }) => {
    expired.push(name);
    if (name === "last") done.resolve();
  });
  const items = ["first", "second", "third", "last"].map(item);
  for (const each of items) deadlines.add(each, performance.now());
  deadlines.remove(items[1]!);
  await alive(done.promise);
  deepStrictEqual(expired, ["first", "third", "last"]);
  strictEqual(items[0]!.deadlineMs, 0);
});

Deno.test("an item added while another is about to expire has its whole time", async () => {
  const done = Promise.withResolvers<number>();
  const deadlines = new Deadlines<Item>(30, ({ name }) => {
    if (name === "second") done.resolve(performance.now());
    else deadlines.add(second, performance.now());
  });
  const second = item("second");
  deadlines.add(item("first"), performance.now());
  const began = performance.now();
  strictEqual(await alive(done.promise) - began >= 59, true);
});

Deno.test("an item added before the timer of an earlier one ends expires, too", async () => {
  const done = Promise.withResolvers<void>();
  const deadlines = new Deadlines<Item>(30, ({ name }) => {
    if (name === "second") done.resolve();
  });
  deadlines.add(item("first"), performance.now());
  setTimeout(() => deadlines.add(item("second"), performance.now()), 5);
  await alive(Promise.race([done.promise, new Promise((_, reject) => setTimeout(reject, 5000))]));
});

Deno.test("without a limit nothing is kept", () => {
  const deadlines = new Deadlines<Item>(0, () => {});
  const one = item("one");
  deadlines.add(one, performance.now());
  strictEqual(one.deadlineMs, 0);
});
