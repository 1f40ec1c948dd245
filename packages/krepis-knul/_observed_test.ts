import { rejects, strictEqual } from "node:assert/strict";
import { EventFlag, EventType } from "@krepis/core";
import { bytesOf, FakeLibrary } from "./_fake_library_for_tests.ts";
import { observed, observedResolvers, rejected } from "./_observed.ts";
import { uncaught } from "./_uncaught_for_tests.ts";
import type { QuicStream } from "./quic_stream.ts";

async function unobserved(run: () => void): Promise<number> {
  return (await uncaught(run)).length;
}

Deno.test("a rejection is observed by nobody unless the promise was passed on", async () => {
  strictEqual(await unobserved(() => void Promise.reject(new Error("lost"))), 1);
  strictEqual(await unobserved(() => void observed(Promise.reject(new Error("seen")))), 0);
  strictEqual(await unobserved(() => void rejected(new Error("seen"))), 0);
  strictEqual(await unobserved(() => observedResolvers().reject(new Error("seen"))), 0);
  await rejects(rejected(new Error("who awaits it sees it")), /who awaits it sees it/);
});

const uses: Record<string, (stream: QuicStream) => unknown> = {
  "a write that waits": (stream) => stream.write(bytesOf("more than there is room for")),
  "an end that waits": (stream) => stream.end(bytesOf("more than there is room for")),
  "a read that waits": (stream) => stream.read(),
  "an iteration that waits": (stream) => stream[Symbol.asyncIterator]().next(),
  "a look at closed": (stream) => stream.closed,
  "a write by WebStream": (stream) =>
    stream.writable.getWriter().write(bytesOf("more than there is room for")),
  "a close by WebStream": (stream) => stream.writable.close(),
  "a read by WebStream": (stream) => stream.readable.getReader().read(),
  "a pipe to elsewhere": (stream) => stream.readable.pipeTo(new WritableStream()),
  "a pipe to itself": (stream) => stream.readable.pipeTo(stream.writable),
  "an abort of the WebStream": (stream) => stream.writable.getWriter().abort(-1),
};
const ends: Record<string, (fake: FakeLibrary) => void> = {
  "stopped and reset": (fake) =>
    fake.deliver(
      { type: EventType.StopSending, connection: 1, stream: 5, code: 9 },
      { type: EventType.StreamReset, connection: 1, stream: 5, code: 9 },
    ),
  "cut with its connection": (fake) =>
    fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 1 }),
  closed: (fake) => fake.deliver({ type: EventType.StreamClosed, connection: 1, stream: 5 }),
  "detached": (fake) => fake.session.close(),
};
for (const [use, call] of Object.entries(uses)) {
  for (const [end, happen] of Object.entries(ends)) {
    for (const isLate of [false, true]) {
      const when = isLate ? "after" : "before";
      Deno.test(`${use} ${when} the stream is ${end} may be left alone`, async () => {
        const count = await unobserved(() => {
          let stream: QuicStream | undefined;
          const fake = FakeLibrary.open({ stream: (opened) => void (stream = opened) });
          fake.connect();
          fake.deliver(fake.data(5, new Uint8Array(0), EventFlag.Opened));
          fake.room = 0;
          if (isLate) happen(fake);
          call(stream!);
          if (!isLate) happen(fake);
        });
        strictEqual(count, 0);
      });
    }
  }
}
