import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { EventFlag, EventType } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import { AdapterCode } from "./adapter_codes.ts";
import type { QuicRequest } from "./quic_request.ts";
import type { Handlers } from "./_session.ts";
import type { StreamError } from "./stream_error.ts";

function open(request: Handlers["request"], more: Handlers = {}, options = {}): FakeLibrary {
  const fake = FakeLibrary.open({ request, ...more }, options);
  fake.connect();
  return fake;
}

Deno.test("a request that came in one event is answered within its batch", () => {
  const fake = open((request) => request.payload);
  fake.request(5, bytesOf("hello"));
  strictEqual(fake.text(5), "hello");
  strictEqual(fake.of(5).isFinished, true);
  strictEqual(fake.held.size, 0);
});

Deno.test("the payload stays where it is until an asynchronous handler has answered", async () => {
  const gate = Promise.withResolvers<void>();
  const fake = open(async (request) => {
    await gate.promise;
    return request.payload;
  });
  fake.request(5, bytesOf("late"));
  strictEqual(fake.held.size, 1);
  gate.resolve();
  await settle();
  strictEqual(fake.text(5), "late");
  strictEqual(fake.held.size, 0);
});

Deno.test("a request in several events is one payload, and its bytes are given back at once", () => {
  let seen = "";
  const fake = open(({ payload }) => void (seen = new TextDecoder().decode(payload)));
  fake.deliver(fake.data(5, bytesOf("one "), EventFlag.Opened), fake.data(5, bytesOf("two "), 0));
  strictEqual(fake.held.size, 0);
  fake.deliver(fake.data(5, bytesOf("three"), EventFlag.Fin));
  strictEqual(seen, "one two three");
});

Deno.test("an empty request and a FIN that comes alone are requests, too", () => {
  const lengths: number[] = [];
  const fake = open(({ payload }) => void lengths.push(payload.length));
  fake.request(5, new Uint8Array(0));
  fake.deliver(
    fake.data(6, bytesOf("abc"), EventFlag.Opened, 4),
    fake.data(6, new Uint8Array(0), EventFlag.Fin),
  );
  deepStrictEqual(lengths, [0, 3]);
  strictEqual(fake.of(5).isFinished, true);
});

Deno.test("an answer may be text, nothing, or a stream of bytes", async () => {
  const answers = ["grüße", undefined, ReadableStream.from([bytesOf("a"), bytesOf("b")])];
  const fake = open(() => answers.shift());
  for (const stream of [5, 6, 7]) fake.request(stream, bytesOf("?"));
  await settle();
  await new Promise((resolve) => setTimeout(resolve));
  deepStrictEqual([5, 6, 7].map((stream) => fake.text(stream)), ["grüße", "", "ab"]);
  ok([5, 6, 7].every((stream) => fake.of(stream).isFinished));
});

Deno.test("an answer for which there is no room goes on when there is, after its payload was given back", () => {
  const fake = open((request) => request.payload);
  fake.room = 2;
  fake.request(5, bytesOf("hello"));
  strictEqual(fake.held.size, 0);
  strictEqual(fake.of(5).isFinished, false);
  fake.room = 100;
  fake.deliver({ type: EventType.StreamWritable, connection: 1, stream: 5, value: 100 });
  strictEqual(fake.text(5), "hello");
  strictEqual(fake.of(5).isFinished, true);
});

Deno.test("a payload above the limit is refused with its code, and the handler is not called", () => {
  let calls = 0;
  const fake = open(() => void calls++, {}, { maxPayloadBytes: 6 });
  fake.request(5, bytesOf("sixsix"));
  fake.deliver(
    fake.data(6, bytesOf("four"), EventFlag.Opened, 4),
    fake.data(6, bytesOf("four"), EventFlag.Fin),
  );
  strictEqual(calls, 1);
  strictEqual(fake.of(6).resetCode, BigInt(AdapterCode.PayloadTooLarge));
  strictEqual(fake.of(6).stopCode, BigInt(AdapterCode.PayloadTooLarge));
  strictEqual(fake.session.requests?.counters.payloadsTooLarge, 1);
  strictEqual(fake.held.size, 0);
});

for (
  const [kind, handler] of [
    ["throws", () => {
      throw new Error("broken");
    }],
    ["rejects", () => Promise.reject(new Error("broken"))],
    ["answers with a number", (() => 5) as unknown as () => string],
  ] as [string, () => string][]
) {
  Deno.test(`a handler that ${kind} costs its stream only, and is counted and reported`, async () => {
    const errors: unknown[] = [];
    const fake = open((request) => request.payload.length > 3 ? handler() : "fine", {
      error: (error) => errors.push(error),
    });
    fake.request(5, bytesOf("trouble"));
    fake.request(6, bytesOf("ok"));
    await settle();
    strictEqual(fake.of(5).resetCode, BigInt(AdapterCode.HandlerFailed));
    strictEqual(fake.text(6), "fine");
    strictEqual(errors.length, 1);
    strictEqual(fake.session.firewall.errors.handlerErrors, 1);
    strictEqual(fake.held.size, 0);
  });
}

Deno.test("a request that takes too long is reset with its code and its signal aborts", async () => {
  const seen = Promise.withResolvers<StreamError>();
  const late = Promise.withResolvers<string>();
  const fake = open(
    (request) => {
      request.signal.onabort = () => seen.resolve(request.signal.reason);
      return late.promise;
    },
    {},
    { requestTimeoutMs: 5 },
  );
  fake.request(5, bytesOf("?"));
  const keepAlive = setTimeout(() => {}, 5000);
  strictEqual((await seen.promise).reason, "timeout");
  clearTimeout(keepAlive);
  strictEqual(fake.of(5).resetCode, BigInt(AdapterCode.RequestTimeout));
  strictEqual(fake.session.requests?.counters.timeouts, 1);
  late.resolve("too late");
  await settle();
  strictEqual(fake.text(5), "");
  strictEqual(fake.held.size, 0);
});

Deno.test("the signal aborts when the client stops the answer or the connection ends", () => {
  const requests: QuicRequest[] = [];
  const fake = open((request) => {
    requests.push(request);
    void request.signal;
    return new Promise<string>(() => {});
  });
  fake.request(5, bytesOf("?"));
  fake.request(6, bytesOf("?"));
  fake.deliver({ type: EventType.StopSending, connection: 1, stream: 5, code: 9 });
  strictEqual(requests[0]!.signal.reason.reason, "stopped");
  strictEqual(requests[0]!.signal.reason.applicationCode, 9);
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 4 });
  match(requests[1]!.signal.reason.message, /idleTimeout/);
  fake.session.close();
});

Deno.test("a request that the client resets before its end is given up with a code", () => {
  const fake = open(() => "never");
  fake.deliver(fake.data(5, bytesOf("half"), EventFlag.Opened));
  fake.deliver({ type: EventType.StreamReset, connection: 1, stream: 5, code: 3 });
  strictEqual(fake.of(5).resetCode, BigInt(AdapterCode.RequestAborted));
  strictEqual(fake.text(5), "");
  fake.session.close();
});

Deno.test("an answer's stream is cancelled when the client stops it", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  const fake = open(() => new ReadableStream({ cancel: (reason) => cancelled.resolve(reason) }));
  fake.request(5, bytesOf("?"));
  await settle();
  fake.deliver({ type: EventType.StopSending, connection: 1, stream: 5, code: 9 });
  strictEqual((await cancelled.promise as StreamError).applicationCode, 9);
  strictEqual(fake.session.firewall.errors.handlerErrors, 0);
});

Deno.test("an answer's stream that comes too late is cancelled", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  const late = Promise.withResolvers<ReadableStream>();
  const fake = open(() => late.promise);
  fake.request(5, bytesOf("?"));
  fake.deliver({ type: EventType.StopSending, connection: 1, stream: 5, code: 9 });
  late.resolve(new ReadableStream({ cancel: (reason) => cancelled.resolve(reason) }));
  strictEqual((await cancelled.promise as StreamError).applicationCode, 9);
});

Deno.test("a unidirectional stream is refused with NoConsumer when only requests are taken", () => {
  const fake = open(() => "never");
  fake.deliver(fake.data(5, bytesOf("uni"), EventFlag.Opened | EventFlag.Fin, 2));
  strictEqual(fake.of(5).stopCode, BigInt(AdapterCode.NoConsumer));
  strictEqual(fake.held.size, 0);
});
