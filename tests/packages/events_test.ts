// What peers and the program itself can do to an adapter that runs on the real library.
import { ok, strictEqual } from "node:assert/strict";
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
