// @ts-check
// What every client must see from a program on the adapter; run with Deno's QUIC and with quiche.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import process from "node:process";
import { within } from "../interop/deadline.mjs";
import {
  exchange,
  expect_datagram_echo,
  expect_echo,
  is_answered,
  kEchoAlpn,
  target_of,
  with_connection,
} from "../interop/exchange.mjs";
import { concat, sha256 } from "../interop/payload.mjs";
import { pattern_blocks, pattern_hash } from "./pattern.mjs";
import { start_program, with_program } from "./program.mjs";

/**
 * @typedef {import("../interop/exchange.mjs").Case} Case
 * @typedef {import("../interop/exchange.mjs").Connection} Connection
 */

const is_long = process.env.KNUL_LONG_TESTS === "1";
const kTransferBytes = is_long ? 1 << 30 : 64 << 20;
const kTransferLimitMs = is_long ? 240_000 : 60_000;

/** @param {string} text */
const bytes_of = (text) => new TextEncoder().encode(text);

/** @param {Connection} connection @param {string} command @param {Uint8Array} payload */
export async function order(connection, command, payload = new Uint8Array(0)) {
  return await exchange(await connection.open_bidi(), concat([bytes_of(`${command}\n`), payload]));
}

/** @param {Connection} connection */
export async function report_of(connection) {
  return JSON.parse(new TextDecoder().decode(await order(connection, "report")));
}

/** @param {Connection} connection @param {Uint8Array} bytes @param {string} command */
async function expect_back(connection, bytes, command = "echo") {
  assert.equal(sha256(await order(connection, command, bytes)), sha256(bytes));
}

/** @type {Case[]} */
const stream_cases = [
  {
    name: "a stream returns what was sent, from nothing to a megabyte",
    run: async (client, random) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          for (const length of [0, 1, 1199, 65_537, 1_000_000]) {
            await expect_back(connection, random.bytes(length));
          }
        }));
    },
  },
  {
    name: "a stream returns what was sent through WebStreams",
    run: async (client, random) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          const stream = await connection.open_bidi();
          await stream.write(bytes_of("pipe\n"));
          const bytes = random.bytes(300_000);
          assert.equal(sha256(await exchange(stream, bytes)), sha256(bytes));
        }));
    },
  },
  {
    name: "a thousand concurrent streams each return their own bytes",
    run: async (client, random) => {
      await with_program(
        { settings: { max_streams_uni: 1000 } },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            const payloads = Array.from({ length: 1000 }, () => random.bytes(random.between(1, 3000)));
            await Promise.all(payloads.map((payload) => expect_back(connection, payload)));
          }),
      );
    },
  },
  {
    name: "unidirectional streams go both ways",
    run: async (client, random) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          for (let i = 0; i < 20; i++) {
            const bytes = random.bytes(random.between(1, 30_000));
            await (await connection.open_uni()).finish(bytes);
            const answer = await within(connection.accept_uni(), "stream of the program");
            assert.equal(sha256(await within(answer.read_all(), "its end")), sha256(bytes));
          }
        }));
    },
  },
  {
    name: "a program opens more unidirectional streams than the client allows at once",
    run: async (client) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          await order(connection, "push 150");
          const seen = new Set();
          for (let i = 0; i < 100; i++) {
            const stream = await within(connection.accept_uni(), `stream ${i}`);
            seen.add(new TextDecoder().decode(await within(stream.read_all(), `end of stream ${i}`)));
          }
          assert.equal(seen.size, 100);
        }));
    },
  },
  {
    name: "datagrams come back, and an empty one does no harm",
    run: async (client, random) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          for (let i = 0; i < 30; i++) {
            await expect_datagram_echo(connection, random.bytes(random.between(8, 1000)));
          }
          await connection.send_datagram(new Uint8Array(0));
          await expect_datagram_echo(connection, random.bytes(100));
        }));
    },
  },
];

/** @param {import("../interop/exchange.mjs").BidiStream} stream */
async function hash_of(stream) {
  const hash = createHash("sha256");
  let length = 0;
  for (let part = await stream.read(); part.length > 0; part = await stream.read()) {
    hash.update(part);
    length += part.length;
  }
  return { length, hash: hash.digest("hex") };
}

/** @type {Case[]} */
const transfer_cases = [
  {
    name: "a large download arrives whole",
    run: async (client) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          const stream = await connection.open_bidi();
          await stream.finish(bytes_of(`send ${kTransferBytes}\n`));
          const { length, hash } = await within(hash_of(stream), "download", kTransferLimitMs);
          assert.equal(length, kTransferBytes);
          assert.equal(hash, pattern_hash(kTransferBytes));
        }));
    },
  },
  {
    name: "a large upload arrives whole",
    run: async (client) => {
      await with_program({}, (server) =>
        with_connection(client, server, kEchoAlpn, async (connection) => {
          const stream = await connection.open_bidi();
          const upload = async () => {
            await stream.write(bytes_of("hash\n"));
            for (const block of pattern_blocks(kTransferBytes)) await stream.write(block);
            await stream.finish(new Uint8Array(0));
            return await stream.read_all();
          };
          const answer = await within(upload(), "upload", kTransferLimitMs);
          const expected = `${kTransferBytes} ${pattern_hash(kTransferBytes)}`;
          assert.equal(new TextDecoder().decode(answer), expected);
        }));
    },
  },
  {
    name: "a handler that stops reading bounds its memory and holds nobody up",
    run: async (client, random) => {
      await with_program({}, async (server) => {
        const [slow, other] = await Promise.all([
          client.connect(target_of(server, kEchoAlpn)),
          client.connect(target_of(server, kEchoAlpn)),
        ]);
        const before = (await report_of(other)).memory;
        const stalled = await slow.open_bidi();
        await stalled.write(bytes_of("stall\n"));
        const given = { bytes: 0 };
        (async () => {
          for (const block of pattern_blocks(200 << 20)) {
            await stalled.write(block);
            given.bytes += block.length;
          }
        })().catch(() => {}); // ends with the connection
        for (let i = 0; i < 20; i++) await expect_back(other, random.bytes(200_000));
        const grown = (await report_of(other)).memory - before;
        assert.ok(given.bytes < 100 << 20, `${given.bytes} bytes were taken of a stream that nobody reads`);
        assert.ok(grown < 150 << 20, `the program grew by ${grown} bytes`);
        slow.close();
        other.close();
      });
    },
  },
];

/** @type {Case[]} */
const request_cases = [
  {
    name: "requests of every size are answered, five hundred at once",
    run: async (client, random) => {
      const { stats } = await with_program(
        { mode: "requests" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (const length of [0, 1, 1200, 70_000, 1_000_000]) {
              await expect_echo(connection, random.bytes(length));
            }
            const payloads = Array.from({ length: 500 }, () => random.bytes(random.between(20, 5000)));
            await Promise.all(payloads.map((payload) => expect_echo(connection, payload)));
          }),
      );
      assert.equal(/** @type {Record<string, number>} */ (stats).totalRequests, 505);
    },
  },
  {
    name: "a request knows its connection, and an answer may be a stream",
    run: async (client) => {
      await with_program(
        { mode: "requests" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            const identity = await exchange(await connection.open_bidi(), bytes_of("identity"));
            assert.equal(new TextDecoder().decode(identity), `${kEchoAlpn} 127.0.0.1`);
            const streamed = await exchange(await connection.open_bidi(), bytes_of("stream"));
            assert.equal(sha256(streamed), pattern_hash(3_000_000));
          }),
      );
    },
  },
  {
    name: "handlers that throw cost their streams only, and are counted",
    run: async (client, random) => {
      const { stats } = await with_program(
        { mode: "requests" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (let i = 0; i < 10; i++) {
              const failing = exchange(await connection.open_bidi(), bytes_of("throw"));
              await assert.rejects(failing, is_answered);
              await expect_echo(connection, random.bytes(100));
            }
          }),
      );
      assert.equal(/** @type {Record<string, number>} */ (stats).handlerErrors, 10);
    },
  },
  {
    name: "requests that are too long or take too long are reset, others go on",
    run: async (client, random) => {
      const limits = { maxPayloadBytes: 10_000, requestTimeoutMs: 300 };
      const { stats } = await with_program(
        { mode: "requests", ...limits },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            const long = exchange(await connection.open_bidi(), random.bytes(200_000));
            await assert.rejects(long, is_answered);
            await assert.rejects(exchange(await connection.open_bidi(), bytes_of("never")), is_answered);
            await expect_echo(connection, random.bytes(9000));
          }),
      );
      const { payloadsTooLarge, requestTimeouts } = /** @type {Record<string, number>} */ (stats);
      assert.deepEqual({ payloadsTooLarge, requestTimeouts }, { payloadsTooLarge: 1, requestTimeouts: 1 });
    },
  },
];

/** @type {Case[]} */
const drain_cases = [
  {
    name: "a request under way completes while the program drains",
    run: async (client, random) => {
      const server = await start_program();
      try {
        const connection = await client.connect(target_of(server, kEchoAlpn));
        const stream = await connection.open_bidi();
        await stream.write(bytes_of("echo\n"));
        const first = random.bytes(1000);
        await stream.write(first);
        await within(stream.read(), "the first bytes back");
        server.begin_drain();
        const rest = random.bytes(50_000);
        await within(Promise.all([stream.finish(rest), stream.read_all()]), "the rest");
        const { report } = await server.wait_until_stopped();
        assert.equal(/** @type {Record<string, unknown>} */ (report).clean, true);
      } finally {
        server.kill();
      }
    },
  },
];

/** @type {Case[]} */
export const adapter_cases = [...stream_cases, ...transfer_cases, ...request_cases, ...drain_cases];
