// The server of `make demo`: an echo in TypeScript on the adapter, with its statistics once per second while there is
// traffic. It drains at SIGTERM.
//   demo_server.ts CERT KEY
import { AdapterBuilder, type QuicStats, type QuicStream } from "@krepis/knul";

const [cert, key] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).drainTimeoutMs(5000).build();

adapter.onStream(async (stream: QuicStream) => {
  for await (const bytes of stream) await stream.write(bytes);
  await stream.end();
});
adapter.onDatagram((bytes, connection) => void (bytes.length > 0 && connection.sendDatagram(bytes)));

const say = (text: string) => console.log(`  [program] ${text}`);

function bits(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(1)} Gbit/s` : `${(count / 1e6).toFixed(1)} Mbit/s`;
}

let before: QuicStats | undefined;

function showStatistics(): void {
  const now = adapter.getStats();
  const rate = (name: string) => {
    const grown = Number(now[name]) - Number(before?.[name] ?? 0);
    return grown / (now.uptimeMs - (before?.uptimeMs ?? 0)) * 1000;
  };
  if (rate("totalBytesIn") > 0) {
    const traffic = `in ${bits(8 * rate("totalBytesIn"))}, out ${bits(8 * rate("totalBytesOut"))}`;
    say(`${now.activeConnections} connections, ${rate("totalRequests").toFixed(0)} requests/s, ${traffic}`);
  }
  before = now;
}

function showFigures(stats: QuicStats): void {
  const names = [
    "totalRequests",
    "handshakesCompleted",
    "packetsReceived",
    "packetsSent",
    "datagramsReceived",
  ];
  const all = [
    ...names,
    "datagramsSent",
    "totalBytesIn",
    "totalBytesOut",
    "avgLatencyMs",
    "errorCount",
    "handlerErrors",
  ];
  for (const name of all) {
    say(`  ${name.padEnd(22)} ${Number(stats[name]).toLocaleString("en").padStart(14)}`);
  }
}

const stop = async () => {
  Deno.removeSignalListener("SIGTERM", stop);
  clearInterval(timer);
  const stats = adapter.getStats();
  const { clean, connectionsClosed, streamsCompleted, streamsCut, elapsedMs } = await adapter.stop();
  const streams = `${streamsCompleted} streams completed, ${streamsCut} cut`;
  say(`drained in ${elapsedMs} ms: ${connectionsClosed} connections closed, ${streams}`);
  showFigures(stats);
  if (!clean || stats.totalRequests === 0) Deno.exitCode = 1;
};

await adapter.start();
const timer = setInterval(showStatistics, 1000);
Deno.addSignalListener("SIGTERM", stop);
say(
  `listening on 127.0.0.1:${adapter.port}, ${adapter.getConfig().workers} workers, Deno ${Deno.version.deno}`,
);
