import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { EventFlag, EventType } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import { GatherBudget, type Gathered, Share } from "./_gather_budget.ts";
import { AdapterCode } from "./adapter_codes.ts";
import type { Handlers } from "./_session.ts";

const KIB = 1024;

function requestOf(share: Share): Gathered {
  return { place: -1, heldBytes: 0, waitingBytes: 0, share };
}

/** A xorshift32 generator. */
function randomOf(seed: number): (below: number) => number {
  return (below) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % below;
  };
}

Deno.test("whatever peers do, the budget holds, nobody has more than half of what the others leave, and all returns", () => {
  const seed = Number(Deno.env.get("KNUL_SEED") ?? (Math.random() * 2 ** 32 >>> 0) + 1);
  console.log(`seed ${seed} (run again with KNUL_SEED=${seed})`);
  const random = randomOf(seed);
  const live = new Set<Gathered>();
  const whole = new Set<Gathered>();
  const budget = new GatherBudget(1 << 20, 1 << 18, {
    resume: () => false,
    evict: (request) => {
      ok(request.heldBytes > 0);
      live.delete(request);
      budget.returnBytes(request);
    },
  });
  const shares = Array.from({ length: 20 }, () => new Share());
  for (let step = 0; step < 20_000; step++) {
    const requests = [...live];
    const request = random(4) === 0 || requests.length === 0
      ? requestOf(shares[random(shares.length)]!)
      : requests[random(requests.length)]!;
    live.add(request);
    const bytes = 1 + random(1 << random(18));
    switch (random(6)) {
      case 0:
        live.delete(request);
        budget.returnBytes(request);
        break;
      case 1:
        budget.complete(request);
        whole.add(request);
        break;
      case 2:
        budget.wait(request, bytes);
        break;
      default: {
        if (whole.has(request)) break;
        const { share } = request;
        if (!budget.take(request, bytes, random(2) === 0)) break;
        ok(share.held.used <= (budget.held.most - (budget.held.used - share.held.used)) / 2);
      }
    }
    if (step % 20 !== 0) continue;
    const sum = (from: Iterable<Gathered>, of: "heldBytes" | "waitingBytes") =>
      [...from].reduce((all, one) => all + one[of], 0);
    strictEqual(sum(live, "heldBytes"), budget.held.used);
    strictEqual(sum(live, "waitingBytes"), budget.waiting.used);
    ok(budget.held.used < budget.held.most);
    ok(budget.waiting.used < budget.waiting.most);
  }
  for (const request of live) budget.returnBytes(request);
  deepStrictEqual([budget.held.used, budget.waiting.used], [0, 0]);
  ok(
    shares.every((share) =>
      share.held.used === 0 && share.waiting.used === 0 && share.incompleteBytes === 0 && share.bucket === 0
    ),
  );
});

Deno.test("a small payload has room although others took all, and costs the one that has most", () => {
  const evicted: Gathered[] = [];
  const budget = new GatherBudget(1 << 20, 0, {
    resume: () => false,
    evict: (request) => {
      evicted.push(request);
      budget.returnBytes(request);
    },
  });
  const greedy: Gathered[] = [];
  for (let size = 1 << 19; size >= 1; size >>= 1) {
    const request = requestOf(new Share());
    while (budget.take(request, size, false));
    greedy.push(request);
  }
  evicted.length = 0;
  const small = requestOf(new Share());
  strictEqual(budget.take(small, 4 * KIB, false), false);
  strictEqual(budget.take(small, 4 * KIB, true), true);
  deepStrictEqual(evicted, [greedy[0]]);
  strictEqual(budget.take(requestOf(new Share()), 300 * KIB, true), false); // not a small one
});

// ---- With requests ----

const options = { maxPayloadBytes: 32 * KIB, maxGatheredBytes: 64 * KIB };

function open(handlers: Handlers, more = {}): FakeLibrary {
  const fake = FakeLibrary.open(handlers, { ...options, ...more });
  fake.connect(1);
  fake.connect(2);
  return fake;
}

function part(fake: FakeLibrary, stream: number, connection: number, kib: number, isLast = false): void {
  for (let i = 0; i < kib; i += 4) {
    const isNew = fake.of(stream).isSeen !== true;
    fake.of(stream).isSeen = true;
    const flags = (isNew ? EventFlag.Opened : 0) | (isLast && i + 4 >= kib ? EventFlag.Fin : 0);
    const bytes = new Uint8Array(Math.min(4, kib - i) * KIB).fill(stream);
    fake.deliver({ type: EventType.StreamData, connection, stream, flags, bytes, streamId: 4 * stream });
  }
}

Deno.test("bytes beyond a connection's share wait without credit, and go on when there is room", async () => {
  const lengths: number[] = [];
  const fake = open({ request: ({ payload }) => void lengths.push(payload.length) });
  const { budget } = fake.session.requests!;
  part(fake, 5, 1, 16);
  strictEqual(fake.held.size, 0);
  part(fake, 6, 1, 28);
  ok(fake.held.size > 0, "credit was returned for bytes without room");
  ok(budget.held.used <= 32 * KIB, `${budget.held.used}`);
  strictEqual(budget.waiting.used, fake.held.size * 4 * KIB);
  part(fake, 5, 1, 4, true);
  await settle();
  deepStrictEqual(lengths, []); // its last bytes wait, too
  fake.deliver({ type: EventType.StreamReset, connection: 1, stream: 6, code: 3 });
  await settle();
  deepStrictEqual(lengths, [20 * KIB]);
  deepStrictEqual([budget.held.used, budget.waiting.used, fake.held.size], [0, 0, 0]);
});

Deno.test("what waits at the deadline is refused with its code and given back", async () => {
  const fake = open({ request: () => {} }, { requestTimeoutMs: 20 });
  part(fake, 5, 1, 32);
  part(fake, 6, 1, 28);
  ok(fake.held.size > 0);
  const keepAlive = setTimeout(() => {}, 10_000);
  while (fake.of(6).resetCode === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  clearTimeout(keepAlive);
  strictEqual(fake.of(6).resetCode, BigInt(AdapterCode.RequestTimeout));
  await settle();
  deepStrictEqual([fake.session.requests!.budget.held.used, fake.held.size], [0, 0]);
});

Deno.test("a connection that ends takes what it gathered with it at once", () => {
  const fake = open({ request: () => {} });
  part(fake, 5, 1, 20);
  part(fake, 6, 1, 28);
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 1, code: 3 });
  deepStrictEqual([fake.session.requests!.budget.held.used, fake.held.size], [0, 0]);
});

Deno.test("a payload is charged until its handler has answered, also when the client no longer waits", async () => {
  const gate = Promise.withResolvers<void>();
  const fake = open({ request: () => gate.promise });
  const { budget } = fake.session.requests!;
  part(fake, 5, 1, 8, true);
  strictEqual(budget.held.used, 8 * KIB);
  fake.deliver({ type: EventType.StopSending, connection: 1, stream: 5, code: 9 });
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 1, code: 3 });
  strictEqual(budget.held.used, 8 * KIB);
  gate.resolve();
  await settle();
  strictEqual(budget.held.used, 0);
});

Deno.test("a request is refused as overloaded where too much waits already", () => {
  const fake = open({ request: () => {} });
  for (let stream = 10; fake.session.requests!.counters.overloaded === 0 && stream < 100; stream++) {
    part(fake, stream, 1, 28);
  }
  const { budget, counters } = fake.session.requests!;
  strictEqual(counters.overloaded, 1);
  ok(budget.waiting.used <= budget.waiting.most / 2);
  ok([...fake.sent.values()].some(({ resetCode }) => resetCode === BigInt(AdapterCode.Overloaded)));
  fake.session.close();
});

Deno.test("a payload that waited arrives as it was sent", async () => {
  let seen = "";
  const fake = open({ request: ({ payload }) => void (seen += new TextDecoder().decode(payload)) });
  part(fake, 5, 1, 32);
  const send = (text: string, flags: number) => fake.deliver(fake.data(6, bytesOf(text), flags, 24));
  send("one ", EventFlag.Opened);
  send("two ", 0);
  send("three", EventFlag.Fin);
  strictEqual(fake.session.requests!.budget.waiting.used, 3 * 64); // what they take of the arena
  fake.deliver({ type: EventType.StreamReset, connection: 1, stream: 5, code: 3 });
  await settle();
  strictEqual(seen, "one two three");
});

Deno.test("hundreds of requests that wait are all looked at when there is room", async () => {
  const resumed = new Set<Gathered>();
  const budget = new GatherBudget(1 << 20, 1 << 20, {
    resume: (request) => {
      resumed.add(request);
      budget.stopWaiting(request, request.waitingBytes);
      return true;
    },
    evict: () => {},
  });
  const first = requestOf(new Share());
  budget.take(first, 100, false);
  for (let i = 0; i < 500; i++) ok(budget.wait(requestOf(new Share()), 10));
  budget.returnBytes(first);
  const keepAlive = setTimeout(() => {}, 10_000);
  while (resumed.size < 500) await new Promise((resolve) => setTimeout(resolve, 1));
  clearTimeout(keepAlive);
  strictEqual(budget.waiting.used, 0);
});

Deno.test("slow handlers hold a part of the arena's blocks, a connection a share of it: further payloads are copied", async () => {
  const gate = Promise.withResolvers<void>();
  const fake = open({
    request: async ({ payload }) => {
      await gate.promise;
      return payload;
    },
    datagram: async (bytes) => {
      await gate.promise;
      if (bytes.buffer !== fake.buffer) bytes.buffer.transfer(); // a copy belongs to the program
    },
  });
  const lent = 8; // half of half of the fake's 32 blocks
  for (let stream = 100; stream < 100 + lent + 4; stream++) fake.request(stream, bytesOf(`s${stream}`));
  strictEqual(fake.held.size, lent);
  strictEqual(fake.session.requests!.budget.held.used, 4 * 4);
  const datagram = (connection: number) =>
    fake.deliver({ type: EventType.Datagram, connection, bytes: new Uint8Array(1024) });
  for (let i = 0; i < 10; i++) datagram(1); // 8 KiB of copies, of which one connection may have half
  strictEqual(fake.held.size, lent);
  strictEqual(fake.session.datagramsRefused, 7);
  datagram(2); // another's share
  strictEqual(fake.held.size, lent + 1);
  strictEqual(fake.session.datagramsRefused, 7);
  gate.resolve();
  await settle();
  for (let stream = 100; stream < 100 + lent + 4; stream++) strictEqual(fake.text(stream), `s${stream}`);
  deepStrictEqual([fake.held.size, fake.session.requests!.budget.held.used], [0, 0]);
  datagram(1);
  await settle();
  strictEqual(fake.session.datagramsRefused, 7);
  strictEqual(fake.session.copied.used, 0);
});
