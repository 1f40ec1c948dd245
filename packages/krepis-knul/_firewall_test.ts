import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { EventFlag, EventType, KrepisCode } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import { uncaught } from "./_uncaught_for_tests.ts";
import { AdapterCode } from "./adapter_codes.ts";
import { AdapterError } from "./adapter_error.ts";
import { ErrorReporter, type Failure } from "./_error_reporter.ts";
import { Firewall } from "./_firewall.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicStream } from "./quic_stream.ts";
import type { Handlers } from "./_session.ts";
import { StreamError } from "./stream_error.ts";

/** Every way in which a function of the program can fail. */
const failures: Record<string, () => unknown> = {
  "throws an error": () => {
    throw new Error("broken");
  },
  "throws nothing": () => {
    throw undefined;
  },
  "rejects at once": () => Promise.reject(new Error("broken")),
  "rejects later": () => Promise.resolve().then(() => Promise.reject(new Error("broken"))),
  "rejects by a promise of its own kind": () => ({
    then: (_: unknown, reject: (error: unknown) => void) => reject(new Error("broken")),
  }),
  "returns what cannot be looked at": () => ({
    get then() {
      throw new Error("broken");
    },
  }),
};

const closing = `close connection 1 ${AdapterCode.HandlerFailed} 0`;
const request = (fake: FakeLibrary) => fake.request(5, bytesOf("?"));
const reset = { type: EventType.StreamReset, connection: 1, stream: 5, code: 3 };
const connectionEnd = { type: EventType.ConnectionClosed, connection: 1, flags: 1, code: 3 };

/** Where the adapter calls the program, how a test causes the call, and what a failure there costs. */
interface Place {
  part: Failure["part"];
  handlers: (fail: () => unknown) => Handlers;
  happen: (fake: FakeLibrary) => void;
  costs: (fake: FakeLibrary) => boolean;
}
const costsStream = (fake: FakeLibrary) => fake.of(5).resetCode === BigInt(AdapterCode.HandlerFailed);
const costsNothing = (fake: FakeLibrary) => fake.of(5).resetCode === undefined && !fake.log.includes(closing);
const places: Record<string, Place> = {
  "onConnection": {
    part: "connection",
    handlers: (connection) => ({ connection }),
    happen: () => {},
    costs: (fake) => fake.log.includes(closing),
  },
  "onStream": {
    part: "stream",
    handlers: (stream) => ({ stream }),
    happen: (fake) => fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened)),
    costs: costsStream,
  },
  "onRequest": {
    part: "request",
    handlers: (request) => ({ request: request as Handlers["request"] }),
    happen: request,
    costs: costsStream,
  },
  "onDatagram": {
    part: "datagram",
    handlers: (datagram) => ({ datagram }),
    happen: (fake) => fake.deliver({ type: EventType.Datagram, connection: 1, bytes: bytesOf("d") }),
    costs: costsNothing,
  },
  "a connection's onDatagram": {
    part: "datagram",
    handlers: (handler) => ({ connection: (connection) => connection.onDatagram(handler) }),
    happen: (fake) => fake.deliver({ type: EventType.Datagram, connection: 1, bytes: bytesOf("d") }),
    costs: costsNothing,
  },
  "a datagram's fate": {
    part: "fate",
    handlers: (fate) => ({ connection: (opened) => void opened.sendDatagram(bytesOf("d"), { fate }) }),
    happen: (fake) => fake.deliver({ type: EventType.DatagramFate, connection: 1, value: 1, flags: 1 }),
    costs: costsNothing,
  },
  "the fate of a datagram whose connection ends": {
    part: "fate",
    handlers: (fate) => ({ connection: (opened) => void opened.sendDatagram(bytesOf("d"), { fate }) }),
    happen: (fake) => fake.deliver(connectionEnd),
    costs: costsNothing,
  },
};

const reporters: Record<string, Handlers["error"]> = {
  "is there": () => {},
  "throws": () => {
    throw new Error("onError");
  },
  "rejects": () => Promise.reject(new Error("onError")),
};

function quietly<T>(run: () => T): T {
  const { error } = console;
  console.error = () => {};
  try {
    return run();
  } finally {
    setTimeout(() => console.error = error, 5);
  }
}

for (const [place, { part, handlers, happen, costs }] of Object.entries(places)) {
  for (const [kind, fail] of Object.entries(failures)) {
    for (const [reporter, error] of Object.entries(reporters)) {
      Deno.test(`${place} that ${kind} while onError ${reporter} is reported once and costs what is documented`, async () => {
        const told: Failure[] = [];
        const lost = await uncaught(() =>
          quietly(() => {
            const fake = FakeLibrary.open({
              ...handlers(fail),
              error: (reason, failure) => (told.push(failure), error!(reason, failure)),
            });
            fake.connect();
            happen(fake);
            return settle().then(() => {
              ok(costs(fake), "the consequence");
              strictEqual(fake.held.size === 0 || place === "onStream", true, "bytes were given back");
              fake.session.close();
            });
          })
        );
        deepStrictEqual(lost, []);
        deepStrictEqual(told.map((failure) => failure.part), [part]);
      });
    }
  }
}

for (const [place, { handlers, happen }] of Object.entries(places)) {
  Deno.test(`${place} and onError are called without the adapter's own objects as \`this\``, () => {
    const seen: unknown[] = [];
    const note = function (this: unknown) {
      seen.push(this);
      throw new Error("broken");
    };
    const fake = FakeLibrary.open({ ...handlers(note), error: note });
    quietly(() => (fake.connect(), happen(fake)));
    deepStrictEqual(seen, [undefined, undefined]);
    fake.session.close();
  });
}

/** Each signal that a peer can abort. */
const signals: Record<string, [Handlers, (fake: FakeLibrary) => void]> = {
  "of a request": [{
    request: ({ signal }) => (listenBadly(signal), new Promise(() => {})),
  }, (fake) => (request(fake), fake.deliver({ ...reset, type: EventType.StopSending }))],
  "of a request whose connection ends": [{
    request: ({ signal }) => (listenBadly(signal), new Promise(() => {})),
  }, (fake) => (request(fake), fake.deliver(connectionEnd))],
  "of a stream": [{
    stream: ({ signal }) => listenBadly(signal),
  }, (fake) => fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened), reset)],
  "of a stream whose connection ends": [{
    stream: ({ signal }) => listenBadly(signal),
  }, (fake) => fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened), connectionEnd)],
  "of a stream when the adapter is detached": [{
    stream: ({ signal }) => listenBadly(signal),
  }, (fake) => (fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened)), fake.session.close())],
};

function listenBadly(signal: AbortSignal): void {
  const fail = () => {
    throw new Error("broken");
  };
  signal.addEventListener("abort", fail);
  signal.onabort = fail;
  AbortSignal.any([signal]).addEventListener("abort", fail);
}

for (const [kind, [handlers, happen]] of Object.entries(signals)) {
  Deno.test(`a listener of the signal ${kind} that throws is reported and stops nothing`, async () => {
    const told: Failure[] = [];
    let after = 0;
    const lost = await uncaught(() => {
      const fake = FakeLibrary.open({ ...handlers, error: (_, failure) => void told.push(failure) });
      fake.connect();
      happen(fake);
      if (!fake.session.isOver) fake.connect(2);
      after = fake.log.length;
      fake.session.close();
    });
    deepStrictEqual(lost, []);
    deepStrictEqual(told.map(({ part }) => part), ["signal", "signal", "signal"]);
    ok(after > 0);
  });
}

/** The adapter's own functions of a call that has failed, in the order in which they are called. */
const own = ["failure", "failed", "settled"] as const;
for (const broken of own) {
  for (const kind of ["throws an error", "rejects at once"]) {
    Deno.test(`a call that ${kind} and whose ${broken} throws is settled, and both are reported`, async () => {
      const parts: string[] = [];
      const firewall = new Firewall(new ErrorReporter((_, { part }) => parts.push(part)));
      const called: string[] = [];
      const step = (name: typeof own[number]) => {
        called.push(name);
        if (name === broken) throw new Error("the adapter's own");
      };
      firewall.call({
        run: failures[kind]!,
        succeeded: () => {},
        failure: () => {
          step("failure");
          return { part: "request" };
        },
        failed: () => step("failed"),
        settled: () => step("settled"),
      });
      await settle();
      deepStrictEqual(called, own);
      deepStrictEqual(parts, broken === "failure" ? ["adapter"] : ["request", "adapter"]);
    });
  }
}

for (
  const [kind, run] of Object.entries<() => unknown>({
    "throws": () => {
      throw new StreamError("reset", 3, "the peer reset the stream");
    },
    "rejects with": () => Promise.reject(new StreamError("reset", 3, "the peer reset the stream")),
  })
) {
  Deno.test(`a handler that ${kind} the StreamError of its peer has failed, and nobody is told`, async () => {
    const called: string[] = [];
    const firewall = new Firewall(new ErrorReporter(() => called.push("onError")));
    firewall.call({
      run,
      succeeded: () => called.push("succeeded"),
      failure: () => ({ part: "stream" }),
      failed: () => called.push("failed"),
      settled: () => called.push("settled"),
    });
    await settle();
    deepStrictEqual(called, ["failed", "settled"]);
    strictEqual(firewall.errors.handlerErrors, 0);
  });
}

Deno.test("what failed is told with its connection and stream", () => {
  const told: Failure[] = [];
  let seen: QuicStream | undefined;
  const fake = FakeLibrary.open({
    stream: (stream) => {
      seen = stream;
      throw new Error("broken");
    },
    error: (_, failure) => told.push(failure),
  });
  fake.connect();
  fake.deliver(fake.data(5, bytesOf("x"), EventFlag.Opened));
  strictEqual(told[0]!.stream, seen);
  strictEqual(told[0]!.connection, seen!.connection);
});

Deno.test("records that say nonsense are reported, and the next ones are read", async () => {
  const told: Failure[] = [];
  const lost = await uncaught(() => {
    const fake = FakeLibrary.open({ stream: () => {}, error: (_, failure) => told.push(failure) });
    fake.connect();
    fake.answersNonsense = true;
    for (let type = 0; type < 20; type++) {
      if (type === EventType.ChannelClosed || type === EventType.ServerStopped) continue;
      fake.deliverWords([type, 0xffffffff, 1, 0xffffffff, 0xfffffff0, 0xffffffff]);
      fake.deliverWords([type, 1, 0xffffffff, 5, 0xffffff00, 0x7fffffff]);
    }
    fake.connect(3);
    fake.session.close();
  });
  deepStrictEqual(lost, []);
  ok(told.every(({ part }) => part === "adapter"));
});

/** Each way to transfer the memory of a payload, which is the memory of all payloads. */
const thefts: Record<string, (bytes: Uint8Array<ArrayBuffer>) => void> = {
  "structuredClone": (bytes) => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] }),
  "postMessage": ({ buffer }) => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(buffer, [buffer]);
    port1.close();
    port2.close();
  },
  "transfer": ({ buffer }) => void buffer.transfer(),
  "transferToFixedLength": ({ buffer }) => void buffer.transferToFixedLength(8),
};
const victims: Record<string, (steal: (bytes: Uint8Array<ArrayBuffer>) => void) => Handlers> = {
  "a request": (steal) => ({ request: ({ payload }) => (steal(payload), "done") }),
  "a request later": (steal) => ({
    request: async ({ payload }) => {
      await Promise.resolve();
      steal(payload);
      return payload;
    },
  }),
  "a stream": (steal) => ({
    stream: async (stream) => {
      for await (const bytes of stream) steal(bytes);
    },
  }),
  "a datagram": (steal) => ({ datagram: steal }),
};
for (const [theft, steal] of Object.entries(thefts)) {
  for (const [victim, handlers] of Object.entries(victims)) {
    Deno.test(`${theft} of the buffer of ${victim} costs the channel, and is told`, async () => {
      const errors: unknown[] = [];
      let fake: FakeLibrary;
      let opened: QuicConnection | undefined;
      const lost = await uncaught(async () => {
        fake = FakeLibrary.open({
          ...handlers(steal),
          connection: (connection) => void (opened = connection),
          error: (error) => errors.push(error),
        });
        fake.connect();
        const flags = EventFlag.Opened | EventFlag.Fin;
        fake.deliver(
          fake.data(5, bytesOf("mine"), flags),
          { type: EventType.Datagram, connection: 1, bytes: bytesOf("d") },
          fake.data(6, bytesOf("another's"), flags, 4),
        );
        await settle();
      });
      deepStrictEqual(lost, []);
      const told = errors.filter((error) =>
        error instanceof AdapterError && /transferred/.test(error.message)
      );
      strictEqual(told.length, 1);
      deepStrictEqual(fake!.log.filter((call) => /^(close|unmap)/.test(call)), ["close"]);
      const { error } = await fake!.session.ended as { error: AdapterError };
      strictEqual(error.code, KrepisCode.InvalidContext);
      strictEqual(opened!.isOpen, false);
    });
  }
}
