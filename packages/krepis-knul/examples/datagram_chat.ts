// Forwards each datagram to all other guests, with the name of its sender in front. A datagram that is not sent within
// a second is dropped.
//   deno run --allow-ffi --allow-env=KREPIS_LIBRARY examples/datagram_chat.ts cert.pem key.pem 4433
import { AdapterBuilder, type QuicConnection } from "@krepis/knul";

const [cert = "", key = "", port = "0"] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).port(Number(port)).build();
let guests = 0;
const names = new Map<QuicConnection, string>();
const decoder = new TextDecoder();
const encoder = new TextEncoder();

adapter.onConnection(async (connection) => {
  const name = `guest ${++guests}`;
  names.set(connection, name);
  console.log(`${name} came`);
  tellOthers(connection, `${name} came`);
  await connection.closed;
  names.delete(connection);
  tellOthers(connection, `${name} left`);
});
adapter.onDatagram((bytes, connection) =>
  tellOthers(connection, `${names.get(connection)}: ${decoder.decode(bytes)}`)
);

function tellOthers(sender: QuicConnection, text: string): void {
  const bytes = encoder.encode(text);
  for (const connection of names.keys()) {
    if (connection === sender || !connection.isOpen) continue;
    try {
      connection.sendDatagram(bytes, { policy: "dropOldest", expiresMs: 1000 });
    } catch {
      // This guest does not accept datagrams, or not of this size, or has just left. Continue with the others.
    }
  }
}

await adapter.start();
console.log(`listening on 127.0.0.1:${adapter.port}`);
