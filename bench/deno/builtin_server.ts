// The same protocol on Deno's built-in QUIC.
//   builtin_server.ts CERT KEY
import { BLOCK, Header } from "./perf_protocol.ts";

const [cert, key] = Deno.args;
const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: Deno.readTextFileSync(cert),
  key: Deno.readTextFileSync(key),
  alpnProtocols: ["perf"],
  maxConcurrentBidirectionalStreams: 1000,
});
console.log(JSON.stringify({ port: endpoint.addr.port, pid: Deno.pid }));

async function serve(stream: Deno.QuicBidirectionalStream): Promise<void> {
  const header = new Header();
  for await (const bytes of stream.readable) header.take(bytes);
  let left = header.answerBytes;
  const writer = stream.writable.getWriter();
  for (; left > BLOCK.length; left -= BLOCK.length) await writer.write(BLOCK);
  if (left > 0) await writer.write(BLOCK.subarray(0, left));
  await writer.close();
}

async function serveDatagrams(connection: Deno.QuicConn): Promise<void> {
  for (;;) await connection.sendDatagram(await connection.readDatagram());
}

async function serveConnection(incoming: Deno.QuicIncoming): Promise<void> {
  const connection = await incoming.accept();
  connection.closed.catch(ignore);
  serveDatagrams(connection).catch(ignore);
  for await (const stream of connection.incomingBidirectionalStreams) serve(stream).catch(ignore);
}

function ignore(): void {} // the connection ended

Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
for await (const incoming of listener) serveConnection(incoming).catch(ignore);
