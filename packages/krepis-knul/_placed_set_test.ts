import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Placed, PlacedSet } from "./_placed_set.ts";

Deno.test("a set has what was added and not removed, whatever the order, and each knows its place", () => {
  const set = new PlacedSet<Placed>();
  const all = Array.from({ length: 20 }, (): Placed => ({ place: -1 }));
  const expected = new Set<Placed>();
  for (let step = 0; step < 2000; step++) {
    const one = all[step * step % 19 + step % 2]!; // adds and removes in a mixed order
    if (expected.delete(one)) set.remove(one);
    else {
      expected.add(one);
      set.add(one);
    }
    deepStrictEqual(new Set(set.items), expected);
    strictEqual(set.items.length, expected.size);
    for (const item of all) strictEqual(set.items[item.place], expected.has(item) ? item : undefined);
  }
});
