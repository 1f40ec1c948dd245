// @ts-check
// The adapter's cases with quiche as the client, and what only it can do: codes of resets and stops.
import assert from "node:assert/strict";
import { test } from "node:test";
import { within } from "../interop/deadline.mjs";
import { choose_seed, Random } from "../interop/payload.mjs";
import { QuicheConnection } from "../interop/quiche_client.mjs";
import { StreamEnded } from "../interop/quiche_stream.mjs";
import { adapter_cases, report_of } from "./adapter_cases.mjs";
import { with_program } from "./program.mjs";

const kHandlerFailed = 0x4b4e5504;
const kPayloadTooLarge = 0x4b4e5510;

/** @type {import("../interop/exchange.mjs").Client} */
const client = {
  connect: (target) => QuicheConnection.connect(target),
  is_alpn_refusal: () => false,
  is_certificate_refusal: () => false,
};

const seed = choose_seed();
for (const { name, run } of adapter_cases) test(name, () => run(client, new Random(seed)));

/**
 * @param {Record<string, unknown>} options
 * @param {(connection: QuicheConnection) => Promise<void>} body
 */
function with_quiche(options, body) {
  return with_program(options, async ({ host, port, ca }) => {
    const connection = await QuicheConnection.connect({ host, port, ca, alpn: "knul" });
    await body(connection);
    connection.close();
  });
}

/** @param {QuicheConnection} connection @param {string} text */
async function begin(connection, text) {
  const stream = await connection.open_bidi();
  await stream.write(new TextEncoder().encode(text));
  return stream;
}

/** Waits until the program has told of an ended stream. @param {QuicheConnection} connection */
async function first_end(connection) {
  for (;;) {
    const { ended } = await report_of(connection);
    if (ended.length > 0) return ended[0];
  }
}

test("a reset of the client reaches the program with its code", async () => {
  await with_quiche({}, async (connection) => {
    const stream = await begin(connection, "echo\nabc");
    await within(stream.read(), "echo");
    stream.reset(77);
    const end = await within(first_end(connection), "the program's report");
    assert.deepEqual(end, { reason: "reset", applicationCode: 77 });
  });
});

test("a stop of the client reaches the program with its code", async () => {
  await with_quiche({}, async (connection) => {
    const stream = await begin(connection, "send 1000000000\n");
    await within(stream.read(), "first bytes");
    stream.stop_reading(99);
    const end = await within(first_end(connection), "the program's report");
    assert.deepEqual(end, { reason: "stopped", applicationCode: 99 });
  });
});

test("a reset of the program reaches the client with its code", async () => {
  await with_quiche({}, async (connection) => {
    const stream = await begin(connection, "reset 1234\n");
    const is_reset = (/** @type {unknown} */ error) =>
      error instanceof StreamEnded && error.kind === "reset" && error.code === 1234;
    await assert.rejects(within(stream.read_all(), "reset of the program"), is_reset);
  });
});

// Not on the stream that was reset, too: quiche forgets one whose both sides are over, and then calls a write to it
// blocked instead of stopped.
test("a stop of the program reaches the client with its code", async () => {
  await with_quiche({}, async (connection) => {
    const stream = await begin(connection, "stop 1234\n");
    const is_stopped = (/** @type {unknown} */ error) =>
      error instanceof StreamEnded && error.kind === "stopped" && error.code === 1234;
    await assert.rejects(within(write_until_refused(stream), "stop of the program"), is_stopped);
  });
});

/** @param {import("../interop/quiche_stream.mjs").QuicheStream} stream */
async function write_until_refused(stream) {
  for (;;) await stream.write(new Uint8Array(10_000));
}

test("a handler that fails resets its stream with the documented code", async () => {
  await with_quiche({}, async (connection) => {
    const stream = await begin(connection, "throw\n");
    const has_code = (/** @type {unknown} */ error) =>
      error instanceof StreamEnded && error.code === kHandlerFailed;
    await assert.rejects(within(stream.read_all(), "reset"), has_code);
    assert.equal((await report_of(connection)).handlerErrors, 1);
  });
});

test("a request that is too long is reset with the documented code", async () => {
  await with_quiche({ mode: "requests", maxPayloadBytes: 1000 }, async (connection) => {
    const stream = await begin(connection, "x".repeat(5000));
    const has_code = (/** @type {unknown} */ error) =>
      error instanceof StreamEnded && error.code === kPayloadTooLarge;
    await assert.rejects(within(stream.read_all(), "reset"), has_code);
  });
});

test("streams that the client gives up do not use up its limit", async () => {
  await with_quiche({}, async (connection) => {
    for (let i = 0; i < 150; i++) {
      const stream = await within(begin(connection, "send 10000000\n"), `credit for stream ${i}`);
      await within(stream.read(), "first bytes");
      stream.abandon(5);
    }
  });
});
