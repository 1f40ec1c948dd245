// The program under test of peers_test.ts: one server for each kind of handler. Its argument is JSON { cert, key,
// workers }; with workers above 0 the servers are served by so many Workers. Prints { ports }, then its statistics for
// whatever comes on its standard input until that ends, stops its servers and prints { stopped }. It catches nothing: what gets past the adapter ends it.
import { AdapterBuilder, type QuicAdapter } from "@krepis/knul";
import { kinds } from "./peers_handlers.ts";

const { cert, key, workers } = JSON.parse(Deno.args[0]);
console.error = () => {}; // handlers fail by the thousand here

const adapters = new Map<string, QuicAdapter>();
for (const [kind, register] of Object.entries(kinds)) {
  const builder = new AdapterBuilder().certPath(cert).keyPath(key).workers(1).idleTimeoutMs(10_000);
  const adapter = builder.requestTimeoutMs(1000).channel({ arenaBytes: 4 << 20 }).build();
  if (workers === 0) register(adapter);
  await adapter.start();
  adapters.set(kind, adapter);
}
const handles = [...adapters].map(([kind, adapter]) => [kind, adapter.handle]);
const started = Array.from({ length: workers }, () => {
  const worker = new Worker(new URL("./peers_worker.ts", import.meta.url), { type: "module" });
  worker.postMessage(handles);
  return new Promise((resolve) => worker.onmessage = resolve);
});
await Promise.all(started);

const ports = Object.fromEntries([...adapters].map(([kind, adapter]) => [kind, adapter.port]));
console.log(JSON.stringify({ ports }));
const { gc } = globalThis as { gc?: () => void };
for await (const _ of Deno.stdin.readable) {
  gc?.(); // bytes come back when their view is gone, where no handler says when
  console.log(JSON.stringify({ stats: [...adapters].map(([kind, adapter]) => [kind, adapter.getStats()]) }));
}
const reports = await Promise.all([...adapters.values()].map((adapter) => adapter.stop({ deadlineMs: 500 })));
console.log(JSON.stringify({ stopped: reports.length }));
Deno.exit(); // Workers keep the process alive
