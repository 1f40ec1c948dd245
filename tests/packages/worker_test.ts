// Workers of one program that each serve a share of one server's connections.
import { ok, strictEqual } from "node:assert/strict";
import { AdapterBuilder } from "@krepis/knul";
import { development_identity } from "../interop/server.mjs";
import { within } from "../interop/deadline.mjs";
import { exchange } from "../interop/exchange.mjs";
import { DenoConnection } from "../interop/deno_client.ts";

const { cert, key, pem } = development_identity();

function startWorker(handle: number): Promise<Worker> {
  const worker = new Worker(new URL("./worker_program.ts", import.meta.url), { type: "module" });
  const started = new Promise<Worker>((resolve, reject) => {
    worker.onmessage = () => resolve(worker);
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.postMessage(handle);
  return within(started, "start of a Worker");
}

/** The name of the Worker that serves the connection. */
async function servedBy(port: number): Promise<string> {
  const connection = await DenoConnection.connect({ host: "127.0.0.1", port, ca: pem, alpn: "knul" });
  const answer = await exchange(await connection.open_bidi(), new Uint8Array(1));
  connection.close();
  return new TextDecoder().decode(answer);
}

Deno.test({
  name: "four Workers with a channel each share the connections of one server",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const adapter = new AdapterBuilder().certPath(cert).keyPath(key).build();
    await adapter.start();
    const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker(adapter.handle)));
    const counts = new Map<string, number>();
    for (let i = 0; i < 40; i++) {
      const name = await servedBy(adapter.port);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    strictEqual(counts.size, 4);
    ok([...counts.values()].every((count) => count === 10), JSON.stringify([...counts]));
    workers[0].terminate();
    strictEqual((await adapter.stop()).clean, true);
    for (const worker of workers) worker.terminate();
  },
});
