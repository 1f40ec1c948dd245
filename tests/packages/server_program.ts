// The Deno program that the clients of these tests talk to. Its argument is JSON: { cert, key, mode, settings,
// requestTimeoutMs, maxPayloadBytes }. It prints "listening", drains at SIGTERM and prints "stopped".
//
// mode "streams": the first line of a stream says what to do with it, see `commands`; unidirectional streams come
// back on one of ours, datagrams come back. mode "requests": a request comes back; some texts are orders.
import { AdapterBuilder, type QuicConnection, type QuicStream, StreamError } from "@krepis/knul";
import { createHash } from "node:crypto";
import { pattern_blocks } from "./pattern.mjs";

const options = JSON.parse(Deno.args[0]);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ended: { reason: string; applicationCode: number }[] = [];

type Command = (stream: QuicStream, rest: Uint8Array<ArrayBuffer>, argument: number) => Promise<void>;

const commands: Record<string, Command> = {
  async echo(stream, rest) {
    if (rest.length > 0) await stream.write(rest);
    for await (const bytes of stream) await stream.write(bytes);
    await stream.end();
  },
  /** Through WebStreams. */
  async pipe(stream, rest) {
    if (rest.length > 0) await stream.write(rest);
    await stream.readable.pipeTo(stream.writable);
  },
  async send(stream, _, length) {
    for (const block of pattern_blocks(length)) await stream.write(block);
    await stream.end();
  },
  async hash(stream, rest) {
    const hash = createHash("sha256").update(rest);
    let length = rest.length;
    for await (const bytes of stream) {
      hash.update(bytes);
      length += bytes.length;
    }
    await stream.end(encoder.encode(`${length} ${hash.digest("hex")}`));
  },
  reset(stream, _, code) {
    stream.reset(code);
    return Promise.resolve();
  },
  stop(stream, _, code) {
    stream.stopSending(code);
    return Promise.resolve();
  },
  /** Never reads on. */
  stall(stream) {
    return stream.closed.then(() => {});
  },
  async push(stream, _, count) {
    for (let i = 0; i < count; i++) {
      await stream.connection.openStream({ unidirectional: true }).end(encoder.encode(`push ${i}`));
    }
    await stream.end();
  },
  throw() {
    throw new Error("as ordered");
  },
  /** How streams ended so far, and what the process holds. */
  async report(stream) {
    const { handlerErrors } = adapter.getStats();
    const report = { ended, handlerErrors, memory: Deno.memoryUsage().rss };
    await stream.end(encoder.encode(JSON.stringify(report)));
  },
};

/** The command's line and what came with it; a packet may end inside of the line. */
async function firstLine(stream: QuicStream): Promise<Uint8Array<ArrayBuffer>> {
  let line = new Uint8Array(0);
  while (!line.includes(10)) {
    const more = await stream.read();
    if (more === null) break;
    const joined = new Uint8Array(line.length + more.length); // what is read is lent until the next read
    joined.set(line);
    joined.set(more, line.length);
    line = joined;
  }
  return line;
}

async function serve(stream: QuicStream): Promise<void> {
  if (stream.direction === "unidirectional") return await echoBack(stream);
  const first = await firstLine(stream);
  const end = first.indexOf(10);
  const [name, argument] = decoder.decode(first.subarray(0, end)).split(" ");
  try {
    await commands[name](stream, first.slice(end + 1), Number(argument ?? 0));
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    ended.push({ reason: error.reason, applicationCode: error.applicationCode });
    stream.reset(error.applicationCode);
  }
}

async function echoBack(stream: QuicStream): Promise<void> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const bytes of stream) parts.push(bytes.slice());
  const answer = stream.connection.openStream({ unidirectional: true });
  for (const part of parts) await answer.write(part);
  await answer.end();
}

const builder = new AdapterBuilder().certPath(options.cert).keyPath(options.key).extra(
  options.settings ?? {},
);
if (options.requestTimeoutMs) builder.requestTimeoutMs(options.requestTimeoutMs);
if (options.maxPayloadBytes) builder.maxPayloadBytes(options.maxPayloadBytes);
const adapter = builder.build().onError(() => {});
adapter.onDatagram((bytes, connection: QuicConnection) => {
  if (bytes.length > 0) connection.sendDatagram(bytes); // an empty one cannot be sent
});

if (options.mode === "requests") {
  adapter.onRequest(async (request) => {
    const text = request.payload.length < 20 ? decoder.decode(request.payload) : "";
    if (text === "throw") throw new Error("as ordered");
    if (text === "never") await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    if (text === "identity") return `${request.connection.alpn} ${request.connection.remoteAddress.hostname}`;
    if (text === "stream") return ReadableStream.from(pattern_blocks(3_000_000));
    return request.payload;
  });
} else {
  adapter.onStream(serve);
}

const stop = async () => {
  const stats = adapter.getStats();
  console.log(JSON.stringify({ event: "stopped", report: await adapter.stop(), stats }));
  Deno.removeSignalListener("SIGTERM", stop);
};
Deno.addSignalListener("SIGTERM", stop);
await adapter.start();
console.log(JSON.stringify({ event: "listening", host: "127.0.0.1", port: adapter.port }));
