// Calls every public function with every kind of value. The value is converted as documented, or an AdapterError names
// the option. Nothing else is thrown, and no wrong value reaches the library.
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { EventFlag, KrepisCode } from "@krepis/core";
import { AdapterBuilder } from "./adapter_builder.ts";
import { AdapterError } from "./adapter_error.ts";
import { nearest } from "./_conversions.ts";
import { bytesOf as utf8, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import { QuicAdapter } from "./quic_adapter.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicStream } from "./quic_stream.ts";
import { StreamError } from "./stream_error.ts";

function detached(): Uint8Array {
  const bytes = new Uint8Array(4);
  bytes.buffer.transfer();
  return bytes;
}

function shared(): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(3));
  bytes.set([1, 2, 3]);
  return bytes;
}

const words = new Uint16Array([0x0201, 0x0403]);

/** Made anew for each call. */
const values: Record<string, () => unknown> = {
  "undefined": () => undefined,
  "null": () => null,
  "true": () => true,
  "zero": () => 0,
  "minus zero": () => -0,
  "one": () => 1,
  "four": () => 4,
  "64": () => 64,
  "4096": () => 4096,
  "minus one": () => -1,
  "a half": () => 0.5,
  "NaN": () => NaN,
  "Infinity": () => Infinity,
  "2^32": () => 2 ** 32,
  "2^53 - 1": () => 2 ** 53 - 1,
  "2^53": () => 2 ** 53,
  "0n": () => 0n,
  "-1n": () => -1n,
  "2^62 - 1": () => 2n ** 62n - 1n,
  "2^62": () => 2n ** 62n,
  "no text": () => "",
  "text": () => "grüße",
  "digits": () => "5",
  "a NUL": () => "a\0b",
  "a long text": () => "x".repeat(5000),
  "an inherited name": () => "constructor",
  "a symbol": () => Symbol("s"),
  "a function": () => () => {},
  "an object": () => ({}),
  "an unknown option": () => ({ colour: 1 }),
  "a list": () => [1, 2],
  "a list of texts": () => ["a", "b"],
  "a date": () => new Date(0),
  "an error": () => new Error("e"),
  "an error with a code": () => Object.assign(new Error("e"), { applicationCode: 7 }),
  "an error with a wrong code": () => Object.assign(new Error("e"), { applicationCode: -7 }),
  "a StreamError": () => new StreamError("local", 2n ** 61n, "e"),
  "a signal": () => new AbortController().signal,
  "a promise": () => Promise.resolve(1),
  "bytes": () => new Uint8Array([9, 8]),
  "a part of bytes": () => new Uint8Array([9, 8, 7, 6]).subarray(1, 3),
  "no bytes": () => new Uint8Array(0),
  "words": () => new Uint16Array(words),
  "floats": () => new Float64Array([1]),
  "big words": () => new BigUint64Array([1n]),
  "a DataView": () => new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 2),
  "an ArrayBuffer": () => new Uint8Array([5, 6]).buffer,
  "an empty ArrayBuffer": () => new ArrayBuffer(0),
  "shared bytes": shared,
  "a SharedArrayBuffer": () => shared().buffer,
  "detached bytes": detached,
  "a detached ArrayBuffer": () => detached().buffer,
  "a resizable buffer's bytes": () => new Uint8Array(new ArrayBuffer(2, { maxByteLength: 8 })).fill(3),
  "a proxy of bytes": () => new Proxy(new Uint8Array(2), {}),
  "an object without a prototype": () => Object.create(null),
  "what cannot be printed": () => ({
    toString() {
      throw new Error("no");
    },
    get [Symbol.toStringTag]() {
      throw new Error("no");
    },
  }),
};

/** What the library gets for a value, or `REFUSED`. */
type Rule = (value: unknown) => unknown;
const REFUSED = Symbol("refused");
/** Accepted; what it becomes is not compared. */
const TAKEN = Symbol("taken");

const bytesRule: Rule = (value) => {
  if (typeof value === "string") return [...utf8(value)];
  let view: Uint8Array;
  try {
    if (ArrayBuffer.isView(value)) {
      if (value.byteLength === 0 && (value.buffer as ArrayBuffer).detached) return REFUSED;
      view = new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
    } else if (value instanceof ArrayBuffer) {
      if (value.detached) return REFUSED;
      view = new Uint8Array(value);
    } else if (value instanceof SharedArrayBuffer) view = new Uint8Array(value as unknown as ArrayBuffer);
    else return REFUSED;
  } catch {
    return REFUSED;
  }
  return [...view];
};

const codeRule: Rule = (value) => {
  if (typeof value === "bigint") return value >= 0n && value < 2n ** 62n ? value : REFUSED;
  return Number.isSafeInteger(value) && (value as number) >= 0 ? BigInt(value as number) : REFUSED;
};

const reasonRule: Rule = (value) => {
  if (typeof value === "number" || typeof value === "bigint") return codeRule(value);
  if (value instanceof StreamError) return value.exactCode;
  if (value instanceof Error && "applicationCode" in value) return codeRule(value.applicationCode);
  return 0n;
};

function integerRule(low: number, high: number): Rule {
  return (value) =>
    Number.isInteger(value) && (value as number) >= low && (value as number) <= high ? TAKEN : REFUSED;
}

function textRule(low: number, high: number): Rule {
  return (value) => {
    if (typeof value !== "string" || value.includes("\0")) return REFUSED;
    const { length } = utf8(value);
    return length >= low && length <= high ? TAKEN : REFUSED;
  };
}

const functionRule: Rule = (value) => typeof value === "function" ? TAKEN : REFUSED;
const booleanRule: Rule = (value) => typeof value === "boolean" ? TAKEN : REFUSED;
const signalRule: Rule = (value) => value instanceof AbortSignal ? TAKEN : REFUSED;
const isRecord = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
/** Objects without unknown names. A typed array has its indexes as names. */
const optionsRule: Rule = (value) =>
  isRecord(value) && Object.keys(value as object).length === 0 ? TAKEN : REFUSED;
const settingRule: Rule = (value) => {
  if (typeof value === "string" || typeof value === "boolean") return TAKEN;
  if (typeof value === "bigint") return value >= 0n && value < 2n ** 53n ? TAKEN : REFUSED;
  if (typeof value === "number") return Number.isFinite(value) ? TAKEN : REFUSED;
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? TAKEN : REFUSED;
};
/** `undefined` means the default. */
function optional(rule: Rule, otherwise: unknown = TAKEN): Rule {
  return (value) => value === undefined ? otherwise : rule(value);
}

/** 0 means the default, too. */
function orZero(rule: Rule): Rule {
  return (value) => value === undefined || value === 0 ? TAKEN : rule(value);
}

class Place {
  readonly fake: FakeLibrary;
  connection!: QuicConnection;
  stream!: QuicStream;
  answer: unknown;
  reported: unknown[] = [];

  constructor(kind: "stream" | "request" = "stream") {
    const opened = { connection: (connection: QuicConnection) => void (this.connection = connection) };
    const error = (error: unknown) => void this.reported.push(error);
    this.fake = kind === "stream"
      ? FakeLibrary.open({ ...opened, error, stream: (stream) => void (this.stream = stream) })
      : FakeLibrary.open({ ...opened, error, request: () => this.answer as string });
    this.fake.connect();
  }

  static stream(): Place {
    const place = new Place();
    place.fake.deliver(place.fake.data(5, utf8("x"), EventFlag.Opened));
    return place;
  }

  get wire() {
    return this.fake.of(5);
  }
}

/** @returns what the library got. Throws, or rejects, what the function does. */
type Use = (value: unknown) => unknown;

// deno-lint-ignore no-explicit-any -- the point is to pass what the types forbid
const any = (value: unknown): any => value;
const built = () => new AdapterBuilder().certPath("c").keyPath("k");

async function answered(answer: unknown): Promise<unknown> {
  const place = new Place("request");
  place.answer = answer;
  place.fake.request(5, utf8("?"));
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve));
  if (place.reported.length > 0) {
    strictEqual(place.wire.resetCode, 0x4b4e5504n);
    throw place.reported[0];
  }
  return place.wire.bytes;
}

async function thrown(error: unknown): Promise<unknown> {
  const place = new Place();
  const fake = FakeLibrary.open({
    stream: () => {
      throw error;
    },
    error: () => {},
  });
  fake.connect();
  fake.deliver(fake.data(5, utf8("x"), EventFlag.Opened));
  await settle();
  strictEqual(fake.of(5).stopCode, fake.of(5).resetCode);
  void place;
  return fake.of(5).resetCode;
}

/** By the function: the option that errors must name, what becomes of values, and the call. */
const functions: Record<string, [string, Rule, Use]> = {
  "stream.write": ["bytes", bytesRule, async (value) => {
    const { stream, wire } = Place.stream();
    await stream.write(any(value));
    return wire.bytes;
  }],
  "stream.end": ["bytes", optional(bytesRule, []), async (value) => {
    const { stream, wire } = Place.stream();
    await stream.end(any(value));
    strictEqual(wire.isFinished, true);
    return wire.bytes;
  }],
  "a chunk of writable": ["chunk", bytesRule, async (value) => {
    const { stream, wire } = Place.stream();
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    writer.ready.catch(() => {});
    await writer.write(any(value)).catch((error) => {
      strictEqual(wire.resetCode, 0x4b4e5504n);
      throw error;
    });
    return wire.bytes;
  }],
  "sendDatagram": ["bytes", (value) => {
    const bytes = bytesRule(value);
    return Array.isArray(bytes) && bytes.length === 0 ? REFUSED : bytes;
  }, (value) => {
    const { connection, fake } = Place.stream();
    connection.sendDatagram(any(value));
    return [...fake.datagrams.at(-1)!];
  }],
  "an answer": [
    "answer",
    optional((value) => value instanceof Promise ? REFUSED : bytesRule(value), []),
    answered,
  ],
  "a chunk of an answer": ["chunk", bytesRule, (value) => answered(ReadableStream.from([value]))],
  "stream.reset": ["code", optional(codeRule, 0n), (value) => {
    const { stream, wire } = Place.stream();
    stream.reset(any(value));
    return wire.resetCode;
  }],
  "stream.stopSending": ["code", optional(codeRule, 0n), (value) => {
    const { stream, wire } = Place.stream();
    stream.stopSending(any(value));
    return wire.stopCode;
  }],
  "readable.cancel": ["reason", reasonRule, async (value) => {
    const { stream, wire } = Place.stream();
    await stream.readable.cancel(value).catch((error) => {
      strictEqual(wire.stopCode, 0x4b4e5504n); // it cannot be cancelled again
      throw error;
    });
    return wire.stopCode;
  }],
  "writable.abort": ["reason", reasonRule, async (value) => {
    const { stream, wire } = Place.stream();
    await stream.writable.abort(value).catch((error) => {
      strictEqual(wire.resetCode, 0x4b4e5504n);
      throw error;
    });
    return wire.resetCode;
  }],
  "what a handler throws": ["", (value) => {
    if (typeof value !== "object" || value === null || !("applicationCode" in value)) return 0x4b4e5504n;
    const code = reasonRule(value);
    return code === REFUSED ? 0x4b4e5504n : code;
  }, thrown],
  "connection.close": ["code", optional(codeRule, 0n), (value) => {
    const { connection, fake } = Place.stream();
    connection.close(any(value));
    return BigInt(fake.log.at(-1)!.split(" ")[3]!);
  }],
  "the reason of connection.close": ["reason", optional(textRule(0, 1024)), (value) => {
    Place.stream().connection.close(0, any(value));
  }],
  "StreamError": [
    "applicationCode",
    codeRule,
    (value) => new StreamError("local", any(value), "t").exactCode,
  ],
  "setPriority": [
    "priority",
    optional(optionsRule),
    (value) => Place.stream().stream.setPriority(any(value)),
  ],
  "urgency": [
    "urgency",
    optional(integerRule(0, 7)),
    (urgency) => Place.stream().stream.setPriority(any({ urgency })),
  ],
  "incremental": ["incremental", optional(booleanRule), (incremental) => {
    Place.stream().stream.setPriority(any({ incremental }));
  }],
  "openStream": [
    "options",
    optional(optionsRule),
    (value) => Place.stream().connection.openStream(any(value)),
  ],
  "unidirectional": ["unidirectional", optional(booleanRule), (unidirectional) => {
    Place.stream().connection.openStream(any({ unidirectional }));
  }],
  "the signal of openStream": ["signal", optional(signalRule), (signal) => {
    Place.stream().connection.openStream(any({ signal }));
  }],
  "the options of sendDatagram": ["options", optional(optionsRule), (value) => {
    Place.stream().connection.sendDatagram("x", any(value));
  }],
  "policy": ["policy", optional(() => REFUSED), (policy) => {
    Place.stream().connection.sendDatagram("x", any({ policy }));
  }],
  "expiresMs": ["expiresMs", optional(integerRule(0, 2 ** 32 - 1)), (expiresMs) => {
    Place.stream().connection.sendDatagram("x", any({ expiresMs }));
  }],
  "fate": ["fate", optional(functionRule), (fate) => {
    Place.stream().connection.sendDatagram("x", any({ fate }));
  }],
  "connection.onDatagram": [
    "handler",
    functionRule,
    (value) => Place.stream().connection.onDatagram(any(value)),
  ],
  ...Object.fromEntries(
    (["onRequest", "onStream", "onDatagram", "onConnection", "onError"] as const).map((name) => {
      const use: Use = (value) => built().build()[name](any(value));
      return [name, ["handler", functionRule, use]] as [string, [string, Rule, Use]];
    }),
  ),
  "attach": ["handle", integerRule(1, 2 ** 53 - 1), (value) => QuicAdapter.attach(any(value))],
  "the options of attach": ["options", optional(optionsRule), (value) => QuicAdapter.attach(1, any(value))],
  "the library of attach": ["library", optional(textRule(1, 4096)), (library) => {
    QuicAdapter.attach(1, any({ library }));
  }],
  "protocol": ["protocol", () => REFUSED, (value) => new AdapterBuilder().protocol(any(value))],
  "host": ["host", textRule(1, 255), (value) => new AdapterBuilder().host(any(value))],
  "port": ["port", integerRule(0, 65_535), (value) => new AdapterBuilder().port(any(value))],
  "certPath": ["certPath", textRule(1, 4096), (value) => new AdapterBuilder().certPath(any(value))],
  "keyPath": ["keyPath", textRule(1, 4096), (value) => new AdapterBuilder().keyPath(any(value))],
  "certPem": ["certPem", textRule(1, 1 << 20), (value) => new AdapterBuilder().certPem(any(value))],
  "keyPem": ["keyPem", textRule(1, 1 << 20), (value) => new AdapterBuilder().keyPem(any(value))],
  "maxConnections": ["maxConnections", integerRule(1, 16_000_000), (value) => {
    new AdapterBuilder().maxConnections(any(value));
  }],
  "maxStreams": [
    "maxStreams",
    integerRule(1, 2 ** 32 - 1),
    (value) => new AdapterBuilder().maxStreams(any(value)),
  ],
  "idleTimeoutMs": ["idleTimeoutMs", integerRule(1000, 86_400_000), (value) => {
    new AdapterBuilder().idleTimeoutMs(any(value));
  }],
  "drainTimeoutMs": ["drainTimeoutMs", integerRule(0, 3_600_000), (value) => {
    new AdapterBuilder().drainTimeoutMs(any(value));
  }],
  "requestTimeoutMs": ["requestTimeoutMs", integerRule(0, 86_400_000), (value) => {
    new AdapterBuilder().requestTimeoutMs(any(value));
  }],
  "maxPayloadBytes": ["maxPayloadBytes", integerRule(1, 2 ** 30), (value) => {
    new AdapterBuilder().maxPayloadBytes(any(value));
  }],
  "maxGatheredBytes": ["maxGatheredBytes", integerRule(65_536, 2 ** 40), (value) => {
    new AdapterBuilder().maxGatheredBytes(any(value));
  }],
  "consumerTimeoutMs": ["channel.consumerTimeoutMs", (value) => {
    return value === undefined || value === 0 || value === Infinity || value === 4096 ? TAKEN : REFUSED;
  }, (consumerTimeoutMs) => {
    new AdapterBuilder().channel(any({ consumerTimeoutMs }));
  }],
  "workers": ["workers", integerRule(0, 64), (value) => new AdapterBuilder().workers(any(value))],
  "alpn": ["alpn", textRule(1, 255), (value) => new AdapterBuilder().alpn(any(value))],
  "library": ["library", textRule(1, 4096), (value) => new AdapterBuilder().library(any(value))],
  "a setting of extra": ["extra.x", settingRule, (x) => new AdapterBuilder().extra({ x })],
  "channel": ["channel", optional(optionsRule), (value) => new AdapterBuilder().channel(any(value))],
  "arenaBytes": ["channel.arenaBytes", orZero(() => REFUSED), (arenaBytes) => {
    new AdapterBuilder().channel(any({ arenaBytes }));
  }],
  "queueBytes": ["channel.queueBytes", orZero(integerRule(4096, 1 << 28)), (queueBytes) => {
    new AdapterBuilder().channel(any({ queueBytes }));
  }],
  "ringRecords": [
    "channel.ringRecords",
    orZero((value) => value === 64 || value === 4096 ? TAKEN : REFUSED),
    (
      ringRecords,
    ) => {
      new AdapterBuilder().channel(any({ ringRecords }));
    },
  ],
  "stop": ["options", optional(optionsRule), (value) => stopped(value)],
  "deadlineMs": ["deadlineMs", optional(integerRule(0, 3_600_000)), (deadlineMs) => stopped({ deadlineMs })],
};

/** An adapter that was not started refuses every stop, but wrong options first. */
async function stopped(options: unknown): Promise<void> {
  await built().build().stop(any(options)).catch((error) => {
    if (error.code !== KrepisCode.InvalidContext) throw error;
  });
}

function checkRefusal(error: unknown, option: string): void {
  ok(error instanceof AdapterError, `not refused by the adapter, but: ${String(error)}`);
  strictEqual(error.code, KrepisCode.InvalidRequest);
  // The error names the member of the object.
  ok(error.option === option || isInside(error.option, option), `${error.option} instead of ${option}`);
  ok(error.message.length < 500, "a text that nobody reads");
  match(error.message, /expected|known|mean/);
}

function isInside(named: string | undefined, option: string): boolean {
  if (named === undefined) return false;
  return option === "options" || named.startsWith(`${option}.`);
}

for (const [name, [option, rule, use]] of Object.entries(functions)) {
  Deno.test(`${name} converts a value rightly or refuses it by name`, async (test) => {
    for (const [kind, make] of Object.entries(values)) {
      await test.step(kind, async () => {
        const value = make();
        const expected = rule(value);
        let result;
        try {
          result = await use(value);
        } catch (error) {
          if (expected !== REFUSED) throw error;
          return checkRefusal(error, option);
        }
        ok(expected !== REFUSED, "it was accepted");
        if (expected !== TAKEN) deepStrictEqual(result, expected);
      });
    }
  });
}

Deno.test("the nearest name is found whatever its case, and a name that is far from all is not guessed", () => {
  const known = ["congestion_control", "max_streams_uni", "gso", "gro"];
  strictEqual(nearest("congestionControl", known), "congestion_control");
  strictEqual(nearest("MAX_STREAM_UNI", known), "max_streams_uni");
  strictEqual(nearest("gsoo", known), "gso");
  strictEqual(nearest("colour", known), null);
  strictEqual(nearest("x".repeat(100_000), known), null);
});
