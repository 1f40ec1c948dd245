// What programs do with an adapter, for peers_test.ts: each kind of handler, carefully and carelessly. Every kind
// answers an oracle's stream with what it sent, or with "here" where it does not read.
import type { QuicAdapter, QuicConnection, QuicStream } from "@krepis/knul";

const encoder = new TextEncoder();
const HERE = encoder.encode("here");
const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function throwing(): void {
  throw new Error("a listener that throws");
}

async function echo(stream: QuicStream): Promise<void> {
  if (stream.direction === "unidirectional") return stream.stopSending();
  for await (const bytes of stream) await stream.write(bytes);
  await stream.end();
}

/** Uses all of a connection's interface, without a thought about its end. */
function useEverything(connection: QuicConnection): void {
  void connection.remoteAddress.port;
  void connection.alpn;
  void connection.serverName;
  try {
    void connection.info();
    connection.sendDatagram(encoder.encode("hello"), { fate: throwing });
    void connection.datagramWritable();
    connection.openStream({ unidirectional: true }).end(encoder.encode("pushed"));
    const stream = connection.openStream();
    stream.signal.addEventListener("abort", throwing);
    stream.write(new Uint8Array(100_000));
    stream.read();
    void stream.closed;
  } catch {
    // It has ended, or takes no datagrams.
  }
}

export const kinds: Record<string, (adapter: QuicAdapter) => void> = {
  requests_at_once: (adapter) => adapter.onRequest((request) => request.payload),
  requests_later: (adapter) =>
    adapter.onRequest(async (request) => {
      request.signal.addEventListener("abort", throwing);
      await tick(request.payload.length % 5);
      return request.payload;
    }),
  requests_by_streams: (adapter) =>
    adapter.onRequest(({ payload }) => {
      const answer = payload.slice(); // the payload is lent until this returns
      return new ReadableStream({
        async pull(controller) {
          await tick(0);
          controller.enqueue(answer);
          controller.close();
        },
        cancel: throwing,
      });
    }),
  requests_careless: (adapter) =>
    adapter.onRequest(async (request) => {
      request.stream.write(HERE);
      useEverything(request.connection);
      request.signal.onabort = throwing;
      await tick(1);
      useEverything(request.connection);
    }),
  streams: (adapter) => adapter.onStream(echo),
  streams_piped: (adapter) =>
    adapter.onStream(async (stream) => {
      if (stream.direction === "unidirectional") return await stream.readable.cancel();
      await stream.readable.pipeTo(stream.writable);
    }),
  streams_careless: (adapter) =>
    adapter.onStream(async (stream) => {
      useEverything(stream.connection);
      stream.signal.addEventListener("abort", throwing);
      if (stream.direction === "unidirectional") return await stream.read();
      stream.write(HERE);
      stream.write(new Uint8Array(0));
      stream.read();
      stream[Symbol.asyncIterator]().next();
      void stream.closed;
      await tick(1);
      stream.end();
      stream.end();
      stream.connection.close.name.at(0);
    }),
  streams_piped_carelessly: (adapter) =>
    adapter.onStream((stream) => {
      if (stream.direction === "unidirectional") return void stream.readable.pipeTo(new WritableStream());
      const writer = stream.writable.getWriter();
      writer.write(HERE);
      writer.close();
      const reader = stream.readable.getReader();
      reader.read();
      reader.read();
    }),
  connections: (adapter) =>
    adapter.onConnection(async (connection) => {
      useEverything(connection);
      for await (const stream of connection) echo(stream).catch(() => {});
      await connection.closed;
      useEverything(connection);
      connection.close();
      connection.openStream();
    }),
  connections_iterated: (adapter) => {
    setTimeout(async () => {
      for await (const connection of adapter) serve(connection).catch(() => {});
    });
  },
  datagrams: (adapter) =>
    adapter
      .onDatagram(async (bytes, connection) => {
        connection.sendDatagram(bytes, { fate: throwing, policy: "block" });
        await tick(0);
        connection.sendDatagram(bytes);
        await connection.datagramWritable();
      })
      .onStream(echo),
  everything_fails: (adapter) =>
    adapter
      .onConnection((connection) => {
        useEverything(connection);
        if (connection.info().streamsActive > 1000) return; // never
      })
      .onDatagram(() => Promise.reject(new Error("onDatagram")))
      .onStream(async (stream) => {
        if (stream.direction === "unidirectional") throw new Error("onStream");
        await stream.end(HERE);
        await stream.closed; // a reset would overtake what is on its way
        throw new Error("onStream, later");
      })
      .onError(() => Promise.reject(new Error("onError"))),
};

async function serve(connection: QuicConnection): Promise<void> {
  useEverything(connection);
  for await (const stream of connection) echo(stream).catch(() => {});
}
