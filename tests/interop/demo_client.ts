// The client of `make demo`: drives an echo server from a program that shares no code with it, checks every
// byte that comes back, and prints a summary.
//   deno run --unstable-net --allow-net --allow-read --allow-env demo_client.ts HOST PORT CA.pem
import process from "node:process";
import { within } from "./deadline.mjs";
import { DenoConnection } from "./deno_client.ts";
import { choose_seed, concat, Random, sha256 } from "./payload.mjs";

const kConnections = 8;
const kRequestsPerConnection = 25;
const kDatagramsPerConnection = 20;
const kBulkBytes = 4_000_000; // on each of kBulkConnections
const kBulkConnections = 2;
const kStepLimitMs = 30_000;

interface Totals {
  requests: number;
  request_bytes: number;
  request_ms: number[];
  datagrams_sent: number;
  datagrams_echoed: number;
  bulk_bytes: number;
}

const totals: Totals = {
  requests: 0,
  request_bytes: 0,
  request_ms: [],
  datagrams_sent: 0,
  datagrams_echoed: 0,
  bulk_bytes: 0,
};

/** One line that is rewritten on a terminal; nothing elsewhere, so that logs stay short. */
function show_progress(): void {
  if (!process.stderr.isTTY) return;
  const megabytes = (totals.bulk_bytes / 1e6).toFixed(1);
  const line = `  ${totals.requests} requests, ${totals.datagrams_echoed} datagrams, ${megabytes} MB of bulk`;
  process.stderr.write(`\r\x1b[K${line}`);
}

function end_progress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

function expect_same(sent: Uint8Array, received: Uint8Array, what: string): void {
  if (sent.length !== received.length || sha256(sent) !== sha256(received)) {
    throw new Error(`${what}: ${sent.length} bytes went out, ${received.length} other bytes came back`);
  }
}

async function run_requests(connection: DenoConnection, random: Random): Promise<void> {
  for (let i = 0; i < kRequestsPerConnection; i++) {
    const request = random.bytes(random.between(16, 8192));
    const started = performance.now();
    const stream = await connection.open_bidi();
    await stream.finish(request);
    expect_same(request, await within(stream.read_all(), "echo of a request", kStepLimitMs), "request");
    totals.request_ms.push(performance.now() - started);
    totals.requests++;
    totals.request_bytes += request.length;
    show_progress();
  }
}

/** Datagrams are allowed to be lost: the summary says how many came back, and none may come back changed. */
async function run_datagrams(connection: DenoConnection, random: Random): Promise<void> {
  for (let i = 0; i < kDatagramsPerConnection; i++) {
    const datagram = random.bytes(1000);
    await connection.send_datagram(datagram);
    totals.datagrams_sent++;
    const echo = await within(connection.read_datagram(), "echo of a datagram", 1000).catch(() => undefined);
    if (!echo) continue;
    expect_same(datagram, echo, "datagram");
    totals.datagrams_echoed++;
    show_progress();
  }
}

async function run_bulk(connection: DenoConnection, random: Random): Promise<void> {
  const bytes = random.bytes(kBulkBytes);
  const stream = await connection.open_bidi();
  const sending = stream.finish(bytes);
  sending.catch(() => {}); // Awaited below, after what was read.
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = await within(stream.read(), "echo of the bulk transfer", kStepLimitMs);
    if (part.length === 0) break;
    parts.push(part);
    totals.bulk_bytes += part.length;
    show_progress();
  }
  await sending;
  expect_same(bytes, concat(parts), "bulk transfer");
}

function print_summary(started: number): void {
  const { requests, request_bytes, request_ms, datagrams_sent, datagrams_echoed, bulk_bytes } = totals;
  const sorted = request_ms.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)].toFixed(2);
  const kilobytes = Math.round(request_bytes / 1000);
  console.log(`Deno ${Deno.version.deno} over QUIC, every byte compared:`);
  console.log(`  ${kConnections} connections, certificate and ALPN verified`);
  console.log(`  ${requests} requests, ${kilobytes} kB each way, median ${at(0.5)} ms, 99 % ${at(0.99)} ms`);
  console.log(`  ${datagrams_echoed} of ${datagrams_sent} datagrams came back`);
  console.log(`  ${(bulk_bytes / 1e6).toFixed(1)} MB of bulk data each way`);
  console.log(`  ${((performance.now() - started) / 1000).toFixed(2)} s in all`);
}

async function main(args: string[]): Promise<void> {
  const [host, port_text, ca_path] = args;
  const port = Number(port_text);
  if (args.length !== 3 || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error("usage: demo_client.ts HOST PORT CA.pem");
  }
  const random = new Random(choose_seed());
  const ca = await Deno.readTextFile(ca_path);
  const started = performance.now();
  const target = { host, port, ca, alpn: "knul" };
  const connecting = Array.from({ length: kConnections }, () => DenoConnection.connect(target));
  const connections = await within(Promise.all(connecting), "handshakes", kStepLimitMs);
  await Promise.all(connections.map((connection) => run_requests(connection, random)));
  await Promise.all(connections.map((connection) => run_datagrams(connection, random)));
  await Promise.all(connections.slice(0, kBulkConnections).map((connection) => run_bulk(connection, random)));
  for (const connection of connections) connection.close();
  end_progress();
  print_summary(started);
  if (totals.datagrams_echoed === 0) throw new Error("no datagram came back");
}

try {
  await main(Deno.args);
} catch (error) {
  end_progress();
  console.error(`demo client: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
