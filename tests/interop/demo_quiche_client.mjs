// @ts-check
// The second client of `make demo`, on quiche: requests, a bulk transfer and datagrams, every byte compared.
//   node demo_quiche_client.mjs HOST PORT CA.pem
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { within } from "./deadline.mjs";
import { exchange, expect_datagram_echo } from "./exchange.mjs";
import { choose_seed, Random, sha256 } from "./payload.mjs";
import { QuicheConnection } from "./quiche_client.mjs";

const kConnections = 4;
const kRequestsPerConnection = 25;
const kDatagramsPerConnection = 10;
const kBulkBytes = 4_000_000;

/** @param {QuicheConnection} connection @param {Uint8Array} bytes */
async function expect_echo(connection, bytes) {
  assert.equal(sha256(await exchange(await connection.open_bidi(), bytes)), sha256(bytes));
}

/** @param {QuicheConnection} connection @param {Random} random */
async function drive(connection, random) {
  for (let i = 0; i < kRequestsPerConnection; i++) {
    await expect_echo(connection, random.bytes(random.between(16, 8192)));
  }
  for (let i = 0; i < kDatagramsPerConnection; i++) {
    await expect_datagram_echo(connection, random.bytes(1000));
  }
  await expect_echo(connection, random.bytes(kBulkBytes));
}

const [host, port, ca_path] = process.argv.slice(2);
if (!ca_path) throw new Error("usage: demo_quiche_client.mjs HOST PORT CA.pem");
const random = new Random(choose_seed());
const target = { host, port: Number(port), ca: readFileSync(ca_path, "utf8"), alpn: "knul" };
const started = performance.now();
const connecting = Array.from({ length: kConnections }, () => QuicheConnection.connect(target));
const connections = await Promise.all(connecting);
await within(Promise.all(connections.map((each) => drive(each, random))), "the demo's traffic", 60_000);
for (const connection of connections) connection.close();
console.log("quiche over QUIC, every byte compared:");
console.log(`  ${kConnections} connections, certificate and ALPN verified`);
console.log(`  ${kConnections * kRequestsPerConnection} requests and as many answers`);
console.log(`  ${kConnections * kDatagramsPerConnection} datagrams came back`);
console.log(`  ${kConnections * kBulkBytes / 1e6} MB of bulk data each way`);
console.log(`  ${((performance.now() - started) / 1000).toFixed(2)} s in all`);
