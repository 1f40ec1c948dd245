// Starts a server and ends in the way that its first argument says.
import { AdapterBuilder } from "@krepis/knul";

const [how, cert, key] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).workers(2).build();
adapter.onRequest((request) => request.payload);
await adapter.start();
console.log("ready", Date.now());
if (how === "exit") Deno.exit(7);
if (how === "throw") setTimeout(() => fail());
if (how === "stop") console.log("stopped", (await adapter.stop()).clean);

function fail(): never {
  throw new Error("nobody catches this");
}
