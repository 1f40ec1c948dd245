// One Worker of peers_program.ts: serves a share of each of its servers.
import { QuicAdapter } from "@krepis/knul";
import { kinds } from "./peers_handlers.ts";

interface WorkerScope {
  onmessage: (event: MessageEvent<[string, number][]>) => void;
  postMessage(message: string): void;
}

console.error = () => {};
const scope = self as unknown as WorkerScope; // the other tests are checked with a window's types
scope.onmessage = async ({ data }) => {
  for (const [kind, handle] of data) {
    const adapter = QuicAdapter.attach(handle, { requestTimeoutMs: 1000, channel: { arenaBytes: 4 << 20 } });
    kinds[kind](adapter);
    await adapter.start();
  }
  scope.postMessage("started");
};
