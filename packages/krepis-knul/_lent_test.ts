// Bytes that are lent to the program are released, whatever happens to the handler that has them and to their
// connection. Bytes that are never released would take the arena from all other connections.
import { strictEqual } from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { EventFlag, EventType } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicStream } from "./quic_stream.ts";

const closed = { type: EventType.ConnectionClosed, connection: 1, flags: 0 };
const stopped = { type: EventType.StopSending, connection: 1, stream: 5, code: 1 };

function open(stream: (stream: QuicStream) => unknown, flags: number = EventFlag.Opened): FakeLibrary {
  const fake = FakeLibrary.open({ stream, error: () => {} });
  fake.connect();
  fake.deliver(fake.data(5, bytesOf("piece"), flags));
  return fake;
}

Deno.test("a handler that fails while it has bytes gives them back", async () => {
  const fails: Record<string, (stream: QuicStream) => unknown> = {
    "by its write": async (stream) => {
      for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
        await stream.write(bytes);
      }
    },
    "at once": (stream) => {
      stream.tryRead();
      throw new Error("broken");
    },
  };
  for (const fail of Object.values(fails)) {
    for (const flags of [EventFlag.Opened, EventFlag.Opened | EventFlag.Fin]) {
      const fake = FakeLibrary.open({ stream: fail, error: () => {} });
      fake.connect();
      fake.room = 0;
      fake.deliver(fake.data(5, bytesOf("piece"), flags));
      await settle();
      fake.deliver(stopped);
      await settle();
      strictEqual(fake.held.size, 0);
    }
  }
});

Deno.test("a handler whose promise resolves after the last bytes needs no further read to give them back", async () => {
  const fake = open(async (stream) => {
    await stream.read();
    await stream.end(bytesOf("answer"));
  }, EventFlag.Opened | EventFlag.Fin);
  await settle();
  strictEqual(fake.held.size, 0);
});

Deno.test("bytes do not change under a handler that works on them after its connection's end", async () => {
  const gate = Promise.withResolvers<void>();
  let seen = "";
  const fake = open(async (stream) => {
    const bytes = await stream.read();
    await gate.promise;
    seen = new TextDecoder().decode(bytes!);
  });
  await settle();
  fake.deliver(closed);
  await settle();
  strictEqual(fake.held.size, 1);
  gate.resolve();
  await settle();
  strictEqual(seen, "piece");
  strictEqual(fake.held.size, 0);
});

Deno.test("a handler that was done before its connection's end holds nothing after it", async () => {
  let kept: unknown;
  const fake = open(async (stream) => void (kept = await stream.read()));
  await settle();
  strictEqual(fake.held.size, 1); // the peer may go on
  fake.deliver(closed);
  await settle();
  strictEqual(fake.held.size, 0);
  void kept;
});

Deno.test("bytes of a stream without a handler come back after the connection's end when nobody has them", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let connection: QuicConnection | undefined;
  const fake = FakeLibrary.open({ connection: (opened) => void (connection = opened) });
  fake.connect();
  fake.deliver(fake.data(5, bytesOf("piece"), EventFlag.Opened));
  let bytes = await (async () => {
    for await (const stream of connection!) return await stream.read();
  })();
  fake.deliver(closed);
  await new Promise((resolve) => setTimeout(resolve));
  collect();
  await new Promise((resolve) => setTimeout(resolve));
  strictEqual(new TextDecoder().decode(bytes!), "piece");
  strictEqual(fake.held.size, 1);
  bytes = undefined;
  for (let turn = 0; turn < 20 && fake.held.size > 0; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    collect();
  }
  strictEqual(fake.held.size, 0);
});
