// Answers slowly. At SIGTERM it lets pending answers finish before the program ends.
//   deno run --allow-ffi --allow-env=KREPIS_LIBRARY examples/graceful_stop.ts cert.pem key.pem 4433
import { AdapterBuilder } from "@krepis/knul";

const [cert = "", key = "", port = "0"] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).port(Number(port)).drainTimeoutMs(10_000)
  .build();

adapter.onRequest(async ({ payload }) => {
  const length = payload.length; // the payload is lent, so keep its length
  console.log(`thinking about ${length} bytes`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return `thought about ${length} bytes`;
});

const stop = async () => {
  Deno.removeSignalListener("SIGTERM", stop);
  const { clean, streamsCompleted, streamsCut, elapsedMs } = await adapter.stop();
  console.log(`drained in ${elapsedMs} ms: ${streamsCompleted} finished, ${streamsCut} cut, clean: ${clean}`);
};
Deno.addSignalListener("SIGTERM", stop);

await adapter.start();
console.log(`listening on 127.0.0.1:${adapter.port}`);
