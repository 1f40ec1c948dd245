// @ts-check
// What a client sees while the server drains.
import assert from "node:assert/strict";
import { within } from "./deadline.mjs";
import { begin_request, exchange, expect_echo, is_answered, kEchoAlpn, target_of } from "./exchange.mjs";
import { sha256 } from "./payload.mjs";
import { figure, KnulServer } from "./server.mjs";

/**
 * @typedef {import("./exchange.mjs").Case} Case
 * @typedef {import("./exchange.mjs").Client} Client
 * @typedef {import("./payload.mjs").Random} Random
 */

/** @type {Case[]} */
export const drain_cases = [
  {
    name: "an idle connection sees application code 0 when the server drains",
    run: async (client, random) => {
      const server = await KnulServer.start({ service: "echo" });
      try {
        const connection = await client.connect(target_of(server, kEchoAlpn));
        await expect_echo(connection, random.bytes(100));
        server.begin_drain();
        const { is_app, code, by_peer } = await within(connection.closed(), "close by the server", 5000);
        assert.deepEqual({ is_app, code, by_peer }, { is_app: true, code: 0, by_peer: true });
        await server.wait_until_stopped();
      } finally {
        server.kill();
      }
    },
  },
  {
    name: "requests in flight complete while the server drains, and new connections are refused",
    run: async (client, random) => {
      const server = await KnulServer.start({ service: "echo" });
      try {
        await drain_with_requests_in_flight(client, server, random);
      } finally {
        server.kill();
      }
    },
  },
];

/**
 * Why no new connection is made. A worker that has not heard of the drain yet accepts one more, and closes it when it
 * does.
 * @param {Client} client @param {Parameters<Client["connect"]>[0]} target @returns {Promise<unknown>}
 */
async function refusal(client, target) {
  for (;;) {
    let connection;
    try {
      connection = await client.connect(target);
    } catch (error) {
      return error;
    }
    await connection.closed();
  }
}

/** @param {Client} client @param {KnulServer} server @param {Random} random */
async function drain_with_requests_in_flight(client, server, random) {
  const target = target_of(server, kEchoAlpn);
  const idle = await client.connect(target);
  const busy = await Promise.all(Array.from({ length: 3 }, () => client.connect(target)));
  const pending = [];
  for (const connection of busy) {
    for (let i = 0; i < 5; i++) {
      const rest = random.bytes(random.between(1, 20_000));
      pending.push({ stream: await begin_request(connection, random.bytes(2000)), rest });
    }
  }
  server.begin_drain();
  // The close of the idle connection shows that the drain has begun.
  await within(idle.closed(), "close of the idle connection", 5000);
  assert.ok(is_answered(await within(refusal(client, target), "refusal of a new connection", 5000)));
  for (const { stream, rest } of pending) {
    assert.equal(sha256(await exchange(stream, rest)), sha256(rest));
  }
  for (const connection of busy) {
    const { is_app, code } = await within(connection.closed(), "close of a busy connection", 5000);
    assert.deepEqual({ is_app, code }, { is_app: true, code: 0 });
  }
  const report = await server.wait_until_stopped();
  assert.equal(figure(report, "total_requests"), pending.length);
}
