// Echoes streams and datagrams:
//   deno run --allow-ffi --allow-env=KREPIS_LIBRARY examples/echo.ts cert.pem key.pem 4433
import { AdapterBuilder } from "@krepis/knul";

const [cert = "", key = "", port = "0"] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).port(Number(port)).build();

adapter.onStream(async (stream) => {
  if (stream.direction === "unidirectional") return stream.stopSending();
  for await (const bytes of stream) await stream.write(bytes);
  await stream.end();
});
adapter.onDatagram((bytes, connection) => void (bytes.length > 0 && connection.sendDatagram(bytes)));

await adapter.start();
console.log(`listening on 127.0.0.1:${adapter.port}`);
