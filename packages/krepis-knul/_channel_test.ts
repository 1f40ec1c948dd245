import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { EventFlag, EventType } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";

Deno.test("a batch of answers is one notice to the workers and one release", () => {
  const fake = FakeLibrary.open({ request: (request) => request.payload });
  fake.connect();
  fake.log.length = 0;
  const flags = EventFlag.Opened | EventFlag.Fin;
  fake.deliver(...[5, 6, 7].map((stream) => fake.data(stream, bytesOf("x"), flags, 4 * stream)));
  deepStrictEqual(fake.log, ["release 3", "flush"]);
});

Deno.test("writes outside a batch are one notice at the end of the turn", async () => {
  const fake = FakeLibrary.open({ stream: () => {} });
  fake.connect();
  fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened));
  fake.log.length = 0;
  for (let i = 0; i < 3; i++) fake.session.channel.write(5, bytesOf("y"), false);
  deepStrictEqual(fake.log, []);
  await settle();
  deepStrictEqual(fake.log, ["flush"]);
});

Deno.test("the events of a batch have one time, and later ones another", () => {
  const times: number[] = [];
  const note = () => {
    times.push(fake.session.channel.nowMs());
    const began = performance.now();
    while (performance.now() === began);
  };
  const fake = FakeLibrary.open({ request: note });
  fake.connect();
  const flags = EventFlag.Opened | EventFlag.Fin;
  fake.deliver(fake.data(5, bytesOf("x"), flags), fake.data(6, bytesOf("x"), flags, 4));
  fake.request(7, bytesOf("x"));
  note();
  note();
  strictEqual(times[0], times[1]);
  for (let i = 2; i < 5; i++) ok(times[i]! > times[i - 1]!);
});

Deno.test("records are read past the end of the ring", () => {
  let calls = 0;
  const fake = FakeLibrary.open({ request: () => void calls++ });
  fake.connect();
  for (let i = 0; i < 1000; i++) fake.request(5 + i % 3, bytesOf("x"));
  strictEqual(calls, 1000);
});

Deno.test("an event of an unknown kind is passed over", () => {
  let calls = 0;
  const fake = FakeLibrary.open({ request: () => void calls++ });
  fake.connect();
  fake.deliver({ type: 200 }, fake.data(5, bytesOf("x"), EventFlag.Opened | EventFlag.Fin));
  strictEqual(calls, 1);
});

Deno.test("views are empty, not dangling, when the region is unmapped", async () => {
  let view: Uint8Array | undefined;
  const fake = FakeLibrary.open({ datagram: (bytes) => void (view = bytes) });
  fake.connect();
  fake.deliver({ type: EventType.Datagram, connection: 1, bytes: bytesOf("abc") });
  strictEqual(view?.length, 3);
  const report = '{"clean":true}';
  fake.deliver({ type: EventType.ServerStopped, bytes: bytesOf(report) });
  deepStrictEqual(await fake.session.ended, { report });
  strictEqual(view?.length, 0);
  deepStrictEqual(fake.log.slice(-2), ["close", "unmap true"]);
});

Deno.test("a channel that the library closes ends the session with its code", async () => {
  const fake = FakeLibrary.open({ request: () => {} });
  fake.deliver({ type: EventType.ChannelClosed, code: 1001 });
  const end = await fake.session.ended;
  strictEqual("error" in end && end.error.code, 1001);
});
