// What peers and the program itself can do to an adapter that runs on the real library.
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { AdapterBuilder, AdapterCode, AdapterError, type QuicAdapter } from "@krepis/knul";
import { KrepisApplicationCode } from "@krepis/core";
import { within } from "../interop/deadline.mjs";
import { DenoConnection } from "../interop/deno_client.ts";
import { exchange } from "../interop/exchange.mjs";
import { development_identity } from "../interop/server.mjs";

const { cert, key, pem } = development_identity();
const encoder = new TextEncoder();

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: () => within(fn(), name, 60_000) });
}

function build(): QuicAdapter {
  return new AdapterBuilder().certPath(cert).keyPath(key).build();
}

function connect(adapter: QuicAdapter): Promise<DenoConnection> {
  return DenoConnection.connect({ host: "127.0.0.1", port: adapter.port, ca: pem, alpn: "knul" });
}

/** The application code with which the server closed the connection. */
async function codeOf(connection: DenoConnection): Promise<number> {
  return (await within(connection.closed(), "end of the connection")).code;
}

test("a program that gives the memory of received bytes away loses its channel, lives, and can stop", async () => {
  const errors: unknown[] = [];
  const adapter = build().onError((error) => errors.push(error));
  adapter.onRequest(({ payload }) => {
    structuredClone(payload.buffer, { transfer: [payload.buffer] });
    return "taken";
  });
  await adapter.start();
  const connection = await connect(adapter);
  const answer = exchange(await connection.open_bidi(), encoder.encode("mine"));
  await answer.catch(() => {});
  strictEqual(await codeOf(connection), KrepisApplicationCode.ConsumerGone);
  const told = errors.filter((error) => error instanceof AdapterError && /transferred/.test(error.message));
  strictEqual(told.length, 1);
  strictEqual(adapter.isRunning(), true);
  strictEqual(adapter.getStats().handlerErrors, errors.length);
  const report = await adapter.stop();
  strictEqual(typeof report.elapsedMs, "number");
  strictEqual(adapter.isRunning(), false);
});

test("a program that leaves for await refuses connections until it iterates again", async () => {
  const adapter = build();
  await adapter.start();
  const loop = (async () => {
    for await (const connection of adapter) return connection;
  })();
  const served = await connect(adapter);
  const taken = await within(loop, "a connection");
  strictEqual(await codeOf(await connect(adapter)), AdapterCode.NoConsumer);
  strictEqual(taken!.isOpen, true);
  const iterator = adapter[Symbol.asyncIterator]();
  const next = iterator.next();
  const again = await connect(adapter);
  strictEqual((await within(next, "the next connection")).value?.isOpen, true);
  served.close();
  again.close();
  await iterator.return!();
  await adapter.stop();
});

test("a program that leaves for await over streams refuses further ones", async () => {
  const adapter = build().onConnection(async (connection) => {
    for await (const stream of connection) {
      await stream.end(encoder.encode("the only one"));
      break;
    }
  });
  await adapter.start();
  const connection = await connect(adapter);
  const first = await exchange(await connection.open_bidi(), encoder.encode("?"));
  strictEqual(new TextDecoder().decode(first), "the only one");
  await within(
    exchange(await connection.open_bidi(), encoder.encode("?")).then(
      () => ok(false, "a stream was served that nobody takes"),
      () => {},
    ),
    "the refusal",
  );
  connection.close();
  strictEqual((await adapter.stop()).clean, true);
});

test("clients that send payloads without end fill a bounded memory, and a small one comes through", async () => {
  const MIB = 1 << 20;
  const adapter = new AdapterBuilder().certPath(cert).keyPath(key).maxPayloadBytes(MIB).maxGatheredBytes(
    8 * MIB,
  )
    .channel({ arenaBytes: 8 * MIB }).build();
  adapter.onRequest(({ payload }) => `${payload.length}`);
  await adapter.start();
  const most = { gathered: 0, waiting: 0 };
  let given = 0;
  const flood = await Promise.all(Array.from({ length: 8 }, () => connect(adapter)));
  for (const connection of flood) {
    for (let i = 0; i < 40; i++) {
      (async () => {
        const stream = await connection.open_bidi();
        for (let part = 0; part < 9; part++) {
          await stream.write(new Uint8Array(100_000)); // 900 KB of a payload that never ends
          given += 100_000;
        }
      })().catch(() => {}); // refused
    }
  }
  const look = () => {
    const stats = adapter.getStats();
    most.gathered = Math.max(most.gathered, stats.gatheredBytes);
    most.waiting = Math.max(most.waiting, stats.gatheredBytesWaiting);
    return stats;
  };
  while (given < 20 * MIB && look().gatheredBytesWaiting === 0 && look().requestsOverloaded === 0) {
    await turn();
  }
  for (let i = 0; i < 20; i++) {
    const connection = await connect(adapter);
    const stream = await connection.open_bidi();
    await stream.write(new Uint8Array(5_000));
    await turn(); // in parts
    await stream.finish(new Uint8Array(5_000));
    const answer = await within(stream.read_all(), "an answer during the flood");
    strictEqual(new TextDecoder().decode(answer), "10000");
    connection.close();
    look();
  }
  ok(most.gathered > 4 * MIB && most.gathered <= 8 * MIB, `${most.gathered} bytes were gathered`);
  ok(most.waiting <= 4 * MIB, `${most.waiting} bytes waited`);
  for (const connection of flood) connection.close();
  while (look().gatheredBytes > 0) await turn();
  strictEqual((await adapter.stop()).clean, true);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

test("the list of connections is selected, sorted and paged", async () => {
  const adapter = build().onRequest(({ payload }) => payload);
  await adapter.start();
  const clients: DenoConnection[] = [];
  for (let i = 0; i < 3; i++) {
    const client = await connect(adapter);
    for (let request = 0; request <= i; request++) {
      await exchange(await client.open_bidi(), encoder.encode("echo"));
    }
    clients.push(client);
  }
  const first = adapter.connections({ sort: "requests", descending: true, limit: 2 });
  strictEqual(first.matches, 3);
  deepStrictEqual(first.connections.map(({ requests }) => requests), [3, 2]);
  const [row] = first.connections;
  strictEqual(row!.alpn, "knul");
  ok(Math.abs(Object.values(row!.limitedShares).reduce((sum, share) => sum + share, 0) - 1) < 0.01);
  ok(row!.verdict.endsWith("% of the time"));
  const rest = adapter.connections({ sort: "requests", descending: true, limit: 2, after: first.next! });
  deepStrictEqual(rest.connections.map(({ requests }) => requests), [1]);
  strictEqual(rest.next, null);
  strictEqual(adapter.connections({ alpn: "other" }).matches, 0);
  throws(() => adapter.connections({ sort: "colour" }), { message: /sort is "colour", expected one of id/ });
  for (const client of clients) await client.close();
  await adapter.stop();
});
