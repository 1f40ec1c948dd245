// One Worker of worker_test.ts: serves its share of the server whose handle it is told.
import { QuicAdapter } from "@krepis/knul";

interface WorkerScope {
  addEventListener(type: "message", listener: (event: MessageEvent<number>) => void): void;
  postMessage(message: string): void;
}

const scope = self as unknown as WorkerScope; // the other tests are checked with a window's types
const name = crypto.randomUUID();

scope.addEventListener("message", async (event) => {
  const adapter = QuicAdapter.attach(event.data).onRequest(() => name);
  await adapter.start();
  scope.postMessage("started");
});
