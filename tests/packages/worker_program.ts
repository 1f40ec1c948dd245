// One Worker of worker_test.ts: serves its share of the server whose handle it is told. Answers with its name; some
// texts are orders that end it, or keep it busy.
import { QuicAdapter } from "@krepis/knul";

interface WorkerScope {
  addEventListener(type: "message", listener: (event: MessageEvent<number>) => void): void;
  postMessage(message: string): void;
  close(): void;
}

const scope = self as unknown as WorkerScope; // the other tests are checked with a window's types
const name = crypto.randomUUID();
const BUSY_MS = 2_000;

function spin(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const orders: Record<string, () => unknown> = {
  throw: () =>
    void setTimeout(() => {
      throw new Error("as ordered");
    }),
  reject: () => void Promise.reject(new Error("as ordered")),
  close: () => scope.close(),
  exit: () => Deno.exit(),
  hang: () => spin(Infinity),
  busy: () => spin(BUSY_MS),
  never: () => new Promise(() => {}),
};

scope.addEventListener("message", async (event) => {
  const adapter = QuicAdapter.attach(event.data, { channel: { consumerTimeoutMs: 500 } });
  adapter.onError(() => {}); // a busy isolate is told that its channel was closed
  adapter.onRequest(async ({ payload }) => {
    await orders[new TextDecoder().decode(payload)]?.();
    return name;
  });
  await adapter.start();
  scope.postMessage(name);
});
