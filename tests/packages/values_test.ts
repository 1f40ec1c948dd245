// What a program passes, as its clients see it: the bytes of every kind of view, and the codes of what handlers throw.
// packages/krepis-knul/_values_test.ts has every function and every value, without the library.
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { AdapterBuilder, type QuicBytes, type QuicConnection, StreamError } from "@krepis/knul";
import { within } from "../interop/deadline.mjs";
import { exchange } from "../interop/exchange.mjs";
import { QuicheConnection } from "../interop/quiche_client.mjs";
import type { StreamEnded } from "../interop/quiche_stream.mjs";
import { development_identity } from "../interop/server.mjs";

const { cert, key, pem } = development_identity();
const ONE = new Uint8Array(1);
const LARGEST = 2n ** 62n - 1n;

/** Bytes 0 to 7, in memory of every kind. */
const memory = (buffer: ArrayBuffer | SharedArrayBuffer = new ArrayBuffer(8)) => {
  const bytes = new Uint8Array(buffer);
  for (let i = 0; i < 8; i++) bytes[i] = i;
  return bytes;
};
const kinds: Record<string, QuicBytes> = {
  Uint8Array: memory(),
  Uint8ClampedArray: new Uint8ClampedArray(memory().buffer),
  Int8Array: new Int8Array(memory().buffer),
  Uint16Array: new Uint16Array(memory().buffer),
  Int32Array: new Int32Array(memory().buffer),
  Float32Array: new Float32Array(memory().buffer),
  Float64Array: new Float64Array(memory().buffer),
  BigInt64Array: new BigInt64Array(memory().buffer),
  DataView: new DataView(memory().buffer),
  ArrayBuffer: memory().buffer,
  SharedArrayBuffer: memory(new SharedArrayBuffer(8)).buffer,
  sharedBytes: memory(new SharedArrayBuffer(8)),
  resizable: memory(new ArrayBuffer(8, { maxByteLength: 64 })),
  resizableWords: new Uint16Array(memory(new ArrayBuffer(8, { maxByteLength: 64 })).buffer),
  aPart: new Uint8Array(24).fill(0xff).fill(0, 8, 16).map((byte, i) => byte === 0 ? i - 8 : byte).subarray(
    8,
    16,
  ),
  text: "\0\x01\x02\x03\x04\x05\x06\x07",
};

function connect(port: number): Promise<QuicheConnection> {
  return QuicheConnection.connect({ host: "127.0.0.1", port, ca: pem, alpn: "knul" });
}

const builder = () => new AdapterBuilder().certPath(cert).keyPath(key).workers(1);

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: () => within(fn(), name, 60_000) });
}

test("every kind of bytes arrives as its memory is, whichever way it is sent", async () => {
  const opened = Promise.withResolvers<QuicConnection>();
  const chosen = (payload: Uint8Array) => kinds[new TextDecoder().decode(payload)];
  await using adapter = builder().build()
    .onConnection((connection) => opened.resolve(connection))
    .onRequest(async ({ payload, stream }) => {
      const bytes = chosen(payload);
      await stream.write(bytes);
      await stream.writable.getWriter().write(bytes as Uint8Array<ArrayBuffer>);
      return bytes as Uint8Array<ArrayBuffer>;
    });
  await adapter.start();
  const client = await connect(adapter.port);
  const connection = await opened.promise;
  for (const name of Object.keys(kinds)) {
    const answer = await exchange(await client.open_bidi(), new TextEncoder().encode(name));
    deepStrictEqual([name, ...answer], [name, ...memory(), ...memory(), ...memory()]);
    strictEqual(connection.sendDatagram(kinds[name]), true);
    deepStrictEqual([name, ...await within(client.read_datagram(), "a datagram")], [name, ...memory()]);
  }
  client.close();
});

const codes: [string, unknown, number][] = [
  ["a StreamError", new StreamError("local", 0x77, "not today"), 0x77],
  [
    "a StreamError with the largest code that quiche's numbers hold",
    new StreamError("local", 2 ** 53 - 1, ""),
    2 ** 53 - 1,
  ],
  [
    "another error with a code",
    Object.assign(new DOMException("", "AbortError"), { applicationCode: 9n }),
    9,
  ],
  [
    "an error with a code that cannot be",
    Object.assign(new Error(""), { applicationCode: LARGEST + 1n }),
    0x4b4e5504,
  ],
  ["an error without a code", new Error("broken"), 0x4b4e5504],
];

test("a handler chooses by what it throws the code of its stream, request or connection", async () => {
  for (const [name, error, code] of codes) {
    const fail = () => {
      throw error;
    };
    for (const kind of ["onStream", "onRequest"] as const) {
      await using adapter = builder().build().onError(() => {})[kind](fail);
      await adapter.start();
      const client = await connect(adapter.port);
      const stream = await client.open_bidi();
      if (kind === "onRequest") stream.finish(ONE).catch(() => {});
      else await stream.write(ONE);
      const end = await within(stream.read_all(), "the reset").then(() => null, (end: StreamEnded) => end);
      deepStrictEqual([name, kind, end?.kind, end?.code], [name, kind, "reset", code]);
      client.close();
    }
    await using adapter = builder().build().onError(() => {}).onConnection(fail);
    await adapter.start();
    const client = await connect(adapter.port);
    strictEqual((await within(client.closed(), "the close")).code, code);
  }
});
