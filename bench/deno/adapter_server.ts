// The perf protocol on the adapter: the first 8 bytes of a stream, big-endian, say how many bytes to send back,
// what follows is an upload. Datagrams come back.
//   adapter_server.ts CERT KEY WORKERS requests|streams
// "requests" takes whole requests by onRequest, "streams" every stream piece by piece by onStream.
import { AdapterBuilder, type QuicStream } from "@krepis/knul";
import { BLOCK, Header } from "./perf_protocol.ts";

const [cert, key, workers, mode] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).alpn("perf").workers(Number(workers))
  .maxStreams(1000).build();

async function serve(stream: QuicStream): Promise<void> {
  const header = new Header();
  for await (const bytes of stream) header.take(bytes);
  let left = header.answerBytes;
  for (; left > BLOCK.length; left -= BLOCK.length) await stream.write(BLOCK);
  await stream.end(BLOCK.subarray(0, left));
}

if (mode === "requests") adapter.onRequest(({ payload }) => BLOCK.subarray(0, Header.of(payload)));
else adapter.onStream(serve);
adapter.onDatagram((bytes, connection) => void (bytes.length > 0 && connection.sendDatagram(bytes)));

Deno.addSignalListener("SIGTERM", async () => {
  await adapter.stop({ deadlineMs: 1000 });
  Deno.exit(0);
});
await adapter.start();
console.log(JSON.stringify({ port: adapter.port, pid: Deno.pid }));
