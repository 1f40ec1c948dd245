// @ts-check
// What every client must see from the server, written once and run by each client through one small
// interface. What only one client can do is in that client's own test file.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { within } from "./deadline.mjs";
import { drain_cases } from "./drain_cases.mjs";
import {
  begin_request,
  exchange,
  expect_datagram_echo,
  expect_echo,
  is_answered,
  kEchoAlpn,
  target_of,
  with_connection,
} from "./exchange.mjs";
import { perf_request, sha256 } from "./payload.mjs";
import { figure, temp_folder, with_server } from "./server.mjs";

/**
 * @typedef {import("./exchange.mjs").Case} Case
 * @typedef {import("./exchange.mjs").Connection} Connection
 */

const kMegabyte = 1_000_000;

const has_ipv6_loopback = Object.values(networkInterfaces()).flat().some((entry) => entry?.address === "::1");

/** @type {Case[]} */
const handshake_cases = [
  {
    name: "a handshake verifies the certificate and agrees on the ALPN",
    run: async (client) => {
      await with_server(
        { service: "echo" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            assert.equal(connection.alpn, kEchoAlpn);
            await expect_echo(connection, new Uint8Array([1, 2, 3]));
          }),
      );
    },
  },
  {
    name: "a handshake works over IPv6",
    skip: !has_ipv6_loopback,
    run: async (client, random) => {
      await with_server(
        { service: "echo", host: "::1" },
        (server) => with_connection(client, server, kEchoAlpn, (c) => expect_echo(c, random.bytes(5000))),
      );
    },
  },
  {
    name: "a client that does not trust the certificate refuses it and the server goes on",
    run: async (client) => {
      await with_server({ service: "echo" }, async (server) => {
        const target = target_of(server, kEchoAlpn);
        const strangers = [{ ...target, ca: undefined }, { ...target, server_name: "other.example" }];
        for (const stranger of strangers) {
          const attempt = within(client.connect(stranger), "refusal of the certificate");
          await assert.rejects(attempt, (error) => client.is_certificate_refusal(error));
        }
        await with_connection(client, server, kEchoAlpn, (c) => expect_echo(c, new Uint8Array(10)));
      });
    },
  },
  {
    name: "an ALPN that the server does not speak ends the handshake with no_application_protocol",
    run: async (client) => {
      await with_server({ service: "echo" }, async (server) => {
        const attempt = within(client.connect(target_of(server, "no-such-protocol")), "refusal of the ALPN");
        await assert.rejects(attempt, (error) => client.is_alpn_refusal(error));
        await with_connection(client, server, kEchoAlpn, (c) => expect_echo(c, new Uint8Array(10)));
      });
    },
  },
  {
    name: "forty connections come and go one after another",
    run: async (client, random) => {
      const report = await with_server({ service: "echo" }, async (server) => {
        for (let i = 0; i < 40; i++) {
          await with_connection(client, server, kEchoAlpn, (c) => expect_echo(c, random.bytes(100)));
        }
      });
      assert.equal(figure(report, "total_requests"), 40);
    },
  },
];

/** @type {Case[]} */
const echo_cases = [
  {
    name: "one stream returns what was sent, from nothing to a megabyte",
    run: async (client, random) => {
      await with_server(
        { service: "echo" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (const length of [0, 1, 1199, 65_537, kMegabyte]) {
              await expect_echo(connection, random.bytes(length));
            }
          }),
      );
    },
  },
  {
    name: "a hundred concurrent streams each return their own bytes",
    run: async (client, random) => {
      const report = await with_server(
        { service: "echo" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            const payloads = Array.from({ length: 100 }, () => random.bytes(random.between(1, 40_000)));
            await Promise.all(payloads.map((payload) => expect_echo(connection, payload)));
          }),
      );
      assert.equal(figure(report, "total_requests"), 100);
    },
  },
  {
    name: "ten connections with five hundred requests do not mix",
    run: async (client, random) => {
      const report = await with_server({ service: "echo" }, async (server) => {
        const one = () =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (let i = 0; i < 50; i++) await expect_echo(connection, random.bytes(random.between(1, 3000)));
          });
        await Promise.all(Array.from({ length: 10 }, one));
      });
      assert.equal(figure(report, "total_requests"), 500);
    },
  },
  {
    name: "a unidirectional stream comes back on one that the server opens",
    run: async (client, random) => {
      await with_server(
        { service: "echo" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (let i = 0; i < 20; i++) {
              const bytes = random.bytes(random.between(1, 30_000));
              const stream = await connection.open_uni();
              await stream.finish(bytes);
              const answer = await within(connection.accept_uni(), "stream of the server");
              assert.equal(sha256(await within(answer.read_all(), "its end")), sha256(bytes));
            }
          }),
      );
    },
  },
  {
    name: "datagrams come back, up to the largest that fits, and an empty one does no harm",
    run: async (client, random) => {
      await with_server(
        { service: "echo" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (let i = 0; i < 50; i++) {
              await expect_datagram_echo(connection, random.bytes(random.between(8, 1000)));
            }
            await expect_datagram_echo(
              connection,
              random.bytes(Math.min(connection.max_datagram_bytes, 1150)),
            );
            await connection.send_datagram(new Uint8Array(0));
            await expect_datagram_echo(connection, random.bytes(100));
          }),
      );
    },
  },
  {
    name: "a stream that the client gives up leaves the connection usable",
    run: async (client, random) => {
      await with_server(
        { service: "echo" },
        (server) =>
          with_connection(client, server, kEchoAlpn, async (connection) => {
            for (let i = 0; i < 10; i++) {
              const stream = await begin_request(connection, random.bytes(5000));
              stream.abandon();
              await expect_echo(connection, random.bytes(5000));
            }
          }),
      );
    },
  },
];

/** @type {Case[]} */
const bulk_cases = [
  {
    name: "perf sends 20 MB down, to the byte",
    run: async (client) => {
      const report = await with_server(
        { service: "perf" },
        (server) =>
          with_connection(client, server, "perf", async (connection) => {
            const answer = await exchange(await connection.open_bidi(), perf_request(20 * kMegabyte));
            assert.equal(answer.length, 20 * kMegabyte);
          }),
      );
      assert.ok(figure(report, "total_bytes_out") > 20 * kMegabyte);
    },
  },
  {
    name: "perf takes 10 MB up, to the byte",
    run: async (client, random) => {
      const report = await with_server(
        { service: "perf" },
        (server) =>
          with_connection(client, server, "perf", async (connection) => {
            const request = perf_request(1000, random.bytes(10 * kMegabyte));
            assert.equal((await exchange(await connection.open_bidi(), request)).length, 1000);
          }),
      );
      assert.ok(figure(report, "total_bytes_in") > 10 * kMegabyte);
    },
  },
  {
    name: "hq returns files byte by byte",
    run: async (client, random) => {
      const root = temp_folder("interop-hq");
      mkdirSync(join(root, "deep"));
      const files = new Map([["/empty", 0], ["/small.txt", 11], ["/deep/large.bin", 5 * kMegabyte]]);
      const contents = new Map([...files].map(([path, length]) => [path, random.bytes(length)]));
      for (const [path, bytes] of contents) writeFileSync(join(root, path), bytes);
      await with_server(
        { service: "hq", root },
        (server) =>
          with_connection(client, server, "hq-interop", async (connection) => {
            for (const [path, bytes] of contents) {
              const answer = await hq_get(connection, path);
              assert.equal(sha256(answer), sha256(bytes), path);
            }
          }),
      );
    },
  },
  {
    name: "hq refuses what is outside its root and what does not exist",
    run: async (client) => {
      const folder = temp_folder("interop-hq");
      mkdirSync(join(folder, "root"));
      writeFileSync(join(folder, "secret"), "outside the root");
      writeFileSync(join(folder, "root", "page"), "inside");
      await with_server(
        { service: "hq", root: join(folder, "root") },
        (server) =>
          with_connection(client, server, "hq-interop", async (connection) => {
            for (const path of ["/../secret", "/none", "/%2e%2e/secret", "//..//secret"]) {
              await assert.rejects(hq_get(connection, path), is_answered, path);
            }
            assert.equal(new TextDecoder().decode(await hq_get(connection, "/page")), "inside");
          }),
      );
    },
  },
];

/** @param {Connection} connection @param {string} path */
async function hq_get(connection, path) {
  const stream = await connection.open_bidi();
  return await exchange(stream, new TextEncoder().encode(`GET ${path}\r\n`));
}

/** @type {Case[]} */
export const cases = [...handshake_cases, ...echo_cases, ...bulk_cases, ...drain_cases];
