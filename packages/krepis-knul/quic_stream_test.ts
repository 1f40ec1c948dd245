import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { EventFlag, EventType, KrepisCode } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import { AdapterCode } from "./adapter_codes.ts";
import type { QuicStream } from "./quic_stream.ts";

const text = (bytes: Uint8Array | null | undefined) => bytes && new TextDecoder().decode(bytes);

/** A stream that the client opened with `first`. */
function open(first = "one", flags: number = EventFlag.Opened): { fake: FakeLibrary; stream: QuicStream } {
  let stream: QuicStream | undefined;
  const fake = FakeLibrary.open({ stream: (opened) => void (stream = opened) });
  fake.connect();
  fake.deliver(fake.data(5, bytesOf(first), flags));
  return { fake, stream: stream! };
}

Deno.test("a stream is read piece by piece, and a piece is given back with the next read", async () => {
  const { fake, stream } = open();
  fake.deliver(fake.data(5, bytesOf("two"), EventFlag.Fin));
  strictEqual(text(await stream.read()), "one");
  strictEqual(fake.held.size, 2);
  strictEqual(text(stream.tryRead()), "two");
  await settle();
  strictEqual(fake.held.size, 1);
  strictEqual(await stream.read(), null);
  await settle();
  strictEqual(fake.held.size, 0);
});

Deno.test("a read that waits is answered by the event that brings bytes", async () => {
  const { fake, stream } = open("x");
  await stream.read();
  strictEqual(stream.tryRead(), undefined);
  const waiting = stream.read();
  await rejects(stream.read(), { code: KrepisCode.InvalidContext });
  fake.deliver(fake.data(5, bytesOf("later"), 0));
  strictEqual(text(await waiting), "later");
});

Deno.test("what a program does not read is not given back", async () => {
  const { fake } = open();
  for (let i = 0; i < 10; i++) fake.deliver(fake.data(5, bytesOf("more"), 0));
  await settle();
  strictEqual(fake.held.size, 11);
});

Deno.test("iteration ends with the stream, and leaving it early stops the peer", async () => {
  const whole = open("only", EventFlag.Opened | EventFlag.Fin);
  for await (const bytes of whole.stream) strictEqual(text(bytes), "only");
  strictEqual(whole.fake.of(5).stopCode, undefined);
  const left = open("first");
  for await (const _ of left.stream) break;
  strictEqual(left.fake.of(5).stopCode, 0n);
  await settle();
  strictEqual(left.fake.held.size, 0);
});

Deno.test("an iteration that was left says so, and what waits for it is rejected", async () => {
  const { fake, stream } = open("first");
  const pieces = stream[Symbol.asyncIterator]();
  strictEqual(text((await pieces.next()).value as Uint8Array), "first");
  const waiting = pieces.next();
  await rejects(pieces.next(), { code: KrepisCode.InvalidContext }); // as for `read`
  deepStrictEqual(await pieces.return!(), { value: undefined, done: true });
  await rejects(waiting, { reason: "local" });
  deepStrictEqual(await pieces.next(), { value: undefined, done: true });
  strictEqual(fake.of(5).stopCode, 0n);
});

Deno.test("an iteration has every piece and one end, whether bytes are there or come later", async () => {
  const { fake, stream } = open("one");
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const bytes of stream) seen.push(text(bytes));
    seen.push("end");
  })();
  await settle();
  fake.deliver(fake.data(5, bytesOf("two"), 0), fake.data(5, bytesOf("three"), 0));
  await settle();
  fake.deliver(fake.data(5, new Uint8Array(0), EventFlag.Fin));
  await reading;
  deepStrictEqual(seen, ["one", "two", "three", "end"]);
  strictEqual(fake.of(5).stopCode, undefined);
});

Deno.test("a write resolves at once while there is room, and later in order when there is none", async () => {
  const { fake, stream } = open();
  await stream.write(bytesOf("ab"));
  fake.room = 1;
  const done: string[] = [];
  const writes = [stream.write(bytesOf("cd")), stream.end(bytesOf("ef"))];
  writes.forEach((write, i) => write.then(() => done.push(`write ${i}`)));
  await settle();
  deepStrictEqual(done, []);
  fake.room = 2;
  fake.deliver({ type: EventType.StreamWritable, connection: 1, stream: 5, value: 2 });
  await settle();
  deepStrictEqual(done, ["write 0"]);
  fake.room = 100;
  fake.deliver({ type: EventType.StreamWritable, connection: 1, stream: 5, value: 100 });
  await Promise.all(writes);
  strictEqual(fake.text(5), "abcdef");
  strictEqual(fake.of(5).isFinished, true);
  await rejects(stream.write(bytesOf("g")), { code: KrepisCode.InvalidContext });
});

Deno.test("the peer's reset fails the reader with its code and drops what was not read", async () => {
  const { fake, stream } = open();
  fake.deliver({ type: EventType.StreamReset, connection: 1, stream: 5, code: 77 });
  await rejects(stream.read(), { name: "StreamError", reason: "reset", applicationCode: 77, code: 5001 });
  strictEqual(fake.held.size, 0);
  strictEqual(stream.signal.aborted, true);
});

Deno.test("the peer's stop fails the writer with its code", async () => {
  const { fake, stream } = open();
  fake.room = 0;
  const write = stream.write(bytesOf("x"));
  fake.deliver({ type: EventType.StopSending, connection: 1, stream: 5, code: 2 ** 40 });
  await rejects(write, { reason: "stopped", applicationCode: 2 ** 40 });
  await rejects(stream.write(bytesOf("y")), { reason: "stopped" });
});

Deno.test("a write that is refused because the peer has stopped fails with the code of the event that follows", async () => {
  for (const refusal of [-KrepisCode.InvalidContext, -KrepisCode.InvalidPointer]) {
    const { fake, stream } = open();
    fake.refusal = refusal;
    const write = stream.write(new Uint8Array(0));
    const end = stream.end(bytesOf("x"));
    fake.deliver({ type: EventType.StopSending, connection: 1, stream: 5, code: 99 });
    await rejects(write, { reason: "stopped", applicationCode: 99 });
    await rejects(end, { reason: "stopped", applicationCode: 99 });
  }
});

Deno.test("a write for which there is no memory fails, and resets the stream, at once or when it had waited", async () => {
  const isReset = (fake: FakeLibrary) => fake.of(5).resetCode === BigInt(AdapterCode.Overloaded);
  const { fake, stream } = open();
  fake.refusal = -KrepisCode.OutOfMemory;
  await rejects(stream.write(bytesOf("x")), { reason: "local", message: /3001/ });
  ok(isReset(fake));
  const late = open();
  late.fake.room = 0;
  const waiting = late.stream.write(bytesOf("x"));
  late.fake.refusal = -KrepisCode.OutOfMemory;
  late.fake.deliver({ type: EventType.StreamWritable, connection: 1, stream: 5 });
  await rejects(waiting, { message: /3001/ });
  ok(isReset(late.fake));
  const answering = FakeLibrary.open({ request: () => "answer" });
  answering.connect();
  answering.refusal = -KrepisCode.OutOfMemory;
  answering.request(5, bytesOf("x"));
  ok(isReset(answering));
});

Deno.test("reset and stopSending send their codes, and refuse what QUIC cannot carry", () => {
  const { fake, stream } = open();
  throws(() => stream.reset(-1), { code: KrepisCode.InvalidRequest, option: "code" });
  throws(() => stream.stopSending(2n ** 62n), { code: KrepisCode.InvalidRequest });
  stream.reset(2n ** 62n - 1n);
  stream.stopSending(8);
  strictEqual(fake.of(5).resetCode, 2n ** 62n - 1n);
  strictEqual(fake.of(5).stopCode, 8n);
});

Deno.test("a stream is closed cleanly, or with the error that ended it", async () => {
  const { fake, stream } = open("x", EventFlag.Opened | EventFlag.Fin);
  await stream.read();
  await stream.end();
  fake.deliver({ type: EventType.StreamClosed, connection: 1, stream: 5, flags: EventFlag.Clean });
  deepStrictEqual(await stream.closed, { isClean: true });
  const other = open();
  other.fake.deliver({
    type: EventType.ConnectionClosed,
    connection: 1,
    flags: 0,
    code: 3,
    bytes: bytesOf("bye"),
  });
  const end = await other.stream.closed;
  strictEqual(end.isClean, false);
  strictEqual(
    end.error?.message,
    "ConnectionFailed (5001): the connection ended (peerApplication): bye, application code 3 (0x3)",
  );
});

Deno.test("what arrived whole can still be read after the connection's end, and holds no room", async () => {
  const { fake, stream } = open("whole", EventFlag.Opened | EventFlag.Fin);
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 0 });
  strictEqual(fake.held.size, 0);
  strictEqual(text(await stream.read()), "whole");
  strictEqual(await stream.read(), null);
});

Deno.test("a handler that fails resets its stream and is counted", async () => {
  const errors: unknown[] = [];
  const fail = () => Promise.reject(new Error("broken"));
  const fake = FakeLibrary.open({ stream: fail, error: (error) => errors.push(error) });
  fake.connect();
  fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened));
  await settle();
  strictEqual(fake.of(5).resetCode, 0x4b4e5504n);
  strictEqual(errors.length, 1);
  strictEqual(fake.held.size, 0);
});

Deno.test("readable gives copies on demand and writable sends", async () => {
  const { fake, stream } = open("copy", EventFlag.Opened);
  const { readable } = stream;
  await settle();
  strictEqual(fake.held.size, 1);
  fake.deliver(fake.data(5, new Uint8Array(0), EventFlag.Fin));
  const chunks = await Array.fromAsync(readable);
  strictEqual(fake.held.size, 0);
  strictEqual(text(chunks[0]), "copy");
  const writer = stream.writable.getWriter();
  await writer.write(bytesOf("sent"));
  await writer.close();
  strictEqual(fake.text(5), "sent");
  strictEqual(fake.of(5).isFinished, true);
});

Deno.test("cancelling readable stops the peer, aborting writable resets with a code that is given", async () => {
  const { fake, stream } = open();
  await stream.readable.cancel(4);
  await stream.writable.abort(6);
  strictEqual(fake.of(5).stopCode, 4n);
  strictEqual(fake.of(5).resetCode, 6n);
});

Deno.test("a priority is checked and passed on", () => {
  const { fake, stream } = open();
  stream.setPriority({ urgency: 1, incremental: false });
  deepStrictEqual(fake.log.filter((line) => line.startsWith("priority")), ["priority 5 1 0"]);
  throws(() => stream.setPriority({ urgency: 8 }), { code: KrepisCode.InvalidRequest, option: "urgency" });
});
