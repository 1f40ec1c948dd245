// Workers of one program that each serve a share of one server's connections.
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { KrepisApplicationCode } from "@krepis/core";
import { AdapterBuilder } from "@krepis/knul";
import { development_identity } from "../interop/server.mjs";
import { within } from "../interop/deadline.mjs";
import { exchange } from "../interop/exchange.mjs";
import { DenoConnection } from "../interop/deno_client.ts";

const { cert, key, pem } = development_identity();

interface Named {
  worker: Worker;
  name: string;
}

function startWorker(handle: number): Promise<Named> {
  const worker = new Worker(new URL("./worker_program.ts", import.meta.url), { type: "module" });
  const started = new Promise<Named>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve({ worker, name: data });
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.postMessage(handle);
  return within(started, "start of a Worker");
}

function connect(port: number): Promise<DenoConnection> {
  return DenoConnection.connect({ host: "127.0.0.1", port, ca: pem, alpn: "knul" });
}

async function ask(connection: DenoConnection, text = "name"): Promise<string> {
  const answer = await exchange(await connection.open_bidi(), new TextEncoder().encode(text));
  return new TextDecoder().decode(answer);
}

/** The name of the Worker that serves a new connection. */
async function servedBy(port: number): Promise<string> {
  const connection = await connect(port);
  const name = await ask(connection);
  connection.close();
  return name;
}

/** A connection that the Worker of this name serves. */
async function connectTo(port: number, name: string): Promise<DenoConnection> {
  for (;;) {
    const connection = await connect(port);
    if (await ask(connection) === name) return connection;
    connection.close();
  }
}

/** The same, of whoever serves, once connections are served again. */
async function servedAgainBy(port: number): Promise<string> {
  for (const end = performance.now() + 30_000;;) {
    try {
      return await within(servedBy(port), "an answer", 15_000);
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20)); // refused at once while nobody is there
    }
  }
}

Deno.test({
  name: "four Workers with a channel each serve the connections of one server",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const adapter = new AdapterBuilder().certPath(cert).keyPath(key).build();
    await adapter.start();
    const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker(adapter.handle)));
    // A Worker that is late with its events is passed over meanwhile, so on a busy machine the shares are not equal.
    // src/channel/application_test.cpp has the equal ones.
    const names = new Set<string>();
    for (let i = 0; i < 1000 && names.size < workers.length; i++) names.add(await servedBy(adapter.port));
    deepStrictEqual(names, new Set(workers.map(({ name }) => name)));
    workers[0].worker.terminate();
    strictEqual((await adapter.stop()).clean, true);
    for (const { worker } of workers) worker.terminate();
  },
});

/** How a Worker goes without a word: by an order to it, or by the program's hand. */
const deaths: Record<string, (victim: Named, connection: DenoConnection) => void> = {
  "is terminated": ({ worker }) => worker.terminate(),
  ...Object.fromEntries(
    Object.entries({
      "throws": "throw",
      "leaves a rejection alone": "reject",
      "closes itself": "close",
      "calls Deno.exit": "exit",
      "hangs": "hang",
    }).map(([how, order]) => [
      how,
      (_: Named, connection: DenoConnection) => void ask(connection, order).catch(() => {}),
    ]),
  ),
};

for (const [how, kill] of Object.entries(deaths)) {
  Deno.test({
    name: `a Worker that ${how} with open streams takes no share of new connections`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const adapter = new AdapterBuilder().certPath(cert).keyPath(key).workers(1).build();
      await adapter.start();
      const [victim, other] = await Promise.all([startWorker(adapter.handle), startWorker(adapter.handle)]);
      victim.worker.onerror = (event) => event.preventDefault();
      const connection = await connectTo(adapter.port, victim.name);
      ask(connection, "never").catch(() => {});
      kill(victim, connection);
      const isOver = within(connection.closed(), "the end of the victim's connection", 20_000);
      const knocking = setInterval(() => void ask(connection).catch(() => {}), 100); // events wait for it
      strictEqual((await isOver).code, KrepisApplicationCode.ConsumerGone);
      clearInterval(knocking);
      strictEqual(await servedAgainBy(adapter.port), other.name); // that of a Worker that hangs may be lost
      for (let i = 0; i < 10; i++) strictEqual(await servedBy(adapter.port), other.name);
      victim.worker.terminate();
      other.worker.terminate();
      await adapter.stop({ deadlineMs: 0 }).catch(() => {});
    },
  });
}

Deno.test({
  name: "an isolate that was too busy loses its connections and serves new ones afterwards",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const adapter = new AdapterBuilder().certPath(cert).keyPath(key).workers(1).build();
    await adapter.start();
    const only = await startWorker(adapter.handle);
    const connection = await connect(adapter.port);
    ask(connection, "busy").catch(() => {});
    const knocking = setInterval(() => void ask(connection).catch(() => {}), 100);
    const { code } = await within(connection.closed(), "the end of the connection", 20_000);
    clearInterval(knocking);
    strictEqual(code, KrepisApplicationCode.ConsumerGone);
    for (let i = 0; i < 5; i++) strictEqual(await servedAgainBy(adapter.port), only.name);
    only.worker.terminate();
    await adapter.stop({ deadlineMs: 0 });
  },
});
