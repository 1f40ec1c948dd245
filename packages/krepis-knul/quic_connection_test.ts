import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { EventFlag, EventType, KrepisCode } from "@krepis/core";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { Handlers } from "./_session.ts";

function open(handlers: Handlers = {}): { fake: FakeLibrary; connection: QuicConnection } {
  let connection: QuicConnection | undefined;
  const fake = FakeLibrary.open({ connection: (opened) => void (connection = opened), ...handlers });
  fake.connect();
  return { fake, connection: connection! };
}

Deno.test("a connection knows its peer, also after its end", async () => {
  const { fake, connection } = open();
  deepStrictEqual(connection.remoteAddress, { hostname: "192.0.2.1", port: 5000 });
  strictEqual(connection.alpn, "knul");
  strictEqual(connection.rtt, 1.5);
  fake.deliver({
    type: EventType.ConnectionClosed,
    connection: 1,
    flags: 1,
    code: 10,
    bytes: bytesOf("why"),
  });
  deepStrictEqual(await connection.closed, { source: "peerTransport", code: 10, reason: "why" });
  strictEqual(connection.remoteAddress.port, 5000);
  strictEqual(connection.isOpen, false);
  throws(() => connection.openStream(), { code: KrepisCode.InvalidContext });
  throws(() => connection.sendDatagram(bytesOf("x")), { code: KrepisCode.InvalidContext });
});

Deno.test("every source of an end has its name, and one that is unknown is told as localTransport", async () => {
  const sources: string[] = [];
  for (let flags = 0; flags <= 8; flags++) {
    const { fake, connection } = open();
    fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags });
    sources.push((await connection.closed).source);
  }
  const peers = ["peerApplication", "peerTransport"];
  const own = [
    "localApplication",
    "localTransport",
    "idleTimeout",
    "handshakeTimeout",
    "statelessReset",
    "drain",
  ];
  deepStrictEqual(sources, [...peers, ...own, "localTransport"]);
});

Deno.test("a stream that the program opens is written at once and has its number later", async () => {
  const { fake, connection } = open();
  const stream = connection.openStream({ unidirectional: true });
  strictEqual(stream.id, undefined);
  await stream.end(bytesOf("pushed"));
  fake.deliver({ type: EventType.StreamOpened, connection: 1, stream: 1000, streamId: 3 });
  strictEqual(stream.id, 3);
  strictEqual(stream.openedBy, "program");
  strictEqual(fake.text(1000), "pushed");
  await rejects(stream.read(), { code: KrepisCode.InvalidContext });
});

Deno.test("aborting the signal of openStream resets the stream", () => {
  const { fake, connection } = open();
  const controller = new AbortController();
  connection.openStream({ signal: controller.signal });
  controller.abort();
  strictEqual(fake.of(1000).resetCode, 0n);
  throws(() => connection.openStream({ signal: controller.signal }), { name: "AbortError" });
});

Deno.test("streams that no handler takes are iterated on their connection", async () => {
  const { fake, connection } = open();
  fake.deliver(fake.data(5, bytesOf("a"), EventFlag.Opened), fake.data(6, bytesOf("b"), EventFlag.Opened, 2));
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 0 });
  const directions: string[] = [];
  for await (const stream of connection.incomingStreams) directions.push(stream.direction);
  deepStrictEqual(directions, ["bidirectional", "unidirectional"]);
});

Deno.test("datagrams reach the connection's handler before the adapter's, and are lent meanwhile", async () => {
  const seen: string[] = [];
  const { fake, connection } = open({ datagram: (bytes) => void seen.push(`adapter ${bytes.length}`) });
  const datagram = { type: EventType.Datagram, connection: 1, bytes: bytesOf("abc") };
  fake.deliver(datagram);
  const gate = Promise.withResolvers<void>();
  connection.onDatagram((bytes) => {
    seen.push(`connection ${bytes.length}`);
    return gate.promise;
  });
  fake.deliver(datagram);
  deepStrictEqual(seen, ["adapter 3", "connection 3"]);
  strictEqual(fake.held.size, 1);
  gate.resolve();
  await settle();
  strictEqual(fake.held.size, 0);
});

Deno.test("an empty datagram is told of, and holds nothing", () => {
  const lengths: number[] = [];
  const { fake } = open({ datagram: (bytes) => void lengths.push(bytes.length) });
  const empty = { type: EventType.Datagram, connection: 1 };
  fake.deliver(empty, { ...empty, bytes: bytesOf("abc") }, empty);
  deepStrictEqual(lengths, [0, 3, 0]);
  strictEqual(fake.held.size, 0);
});

Deno.test("a datagram is sent with its policy and its fate is told once", () => {
  const { fake, connection } = open();
  const fates: string[] = [];
  const options = { policy: "dropOldest", expiresMs: 50, fate: (fate: string) => fates.push(fate) } as const;
  strictEqual(connection.sendDatagram(bytesOf("abcd"), options), true);
  strictEqual(fake.log.at(-1), "datagram 4 257 50 1");
  fake.deliver({ type: EventType.DatagramFate, connection: 1, value: 1, flags: 2 });
  fake.deliver({ type: EventType.DatagramFate, connection: 1, value: 1, flags: 2 });
  deepStrictEqual(fates, ["lost"]);
});

Deno.test("every fate of a datagram has its name, and one that is unknown is told as dropped", () => {
  const { fake, connection } = open();
  const fates: string[] = [];
  for (let number = 0; number <= 4; number++) {
    connection.sendDatagram(bytesOf("x"), { fate: (fate) => fates.push(fate) });
    fake.deliver({ type: EventType.DatagramFate, connection: 1, value: number + 1, flags: number });
  }
  deepStrictEqual(fates, ["dropped", "acknowledged", "lost", "dropped", "dropped"]);
});

Deno.test("a datagram that would block is refused, and its turn is announced", async () => {
  const { fake, connection } = open();
  fake.room = 0;
  strictEqual(connection.sendDatagram(bytesOf("x"), { policy: "block" }), false);
  const writable = connection.datagramWritable();
  fake.deliver({ type: EventType.DatagramWritable, connection: 1 });
  await writable;
  const policy = "sometimes" as "block";
  throws(() => connection.sendDatagram(bytesOf("x"), { policy }), { option: "policy" });
});

Deno.test("close sends code and reason, and refuses a reason that is too long", () => {
  const { fake, connection } = open();
  throws(() => connection.close(0, "x".repeat(1025)), { option: "reason" });
  connection.close(9, "done");
  strictEqual(fake.log.at(-1), "close connection 1 9 4");
});

Deno.test("a connection whose handler fails is closed and counted", () => {
  const errors: unknown[] = [];
  const fake = FakeLibrary.open({
    connection: () => {
      throw new Error("broken");
    },
    error: (error) => errors.push(error),
  });
  fake.connect();
  strictEqual(errors.length, 1);
  ok(fake.log.includes(`close connection 1 ${0x4b4e5504} 0`));
});

Deno.test("an event of a stale handle reaches nobody", () => {
  const { fake } = open({ stream: () => {} });
  const next = (1 << 20) | 5; // the same slot, another generation
  fake.deliver(fake.data(5, bytesOf("a"), EventFlag.Opened));
  fake.deliver(fake.data(next, bytesOf("b"), 0));
  strictEqual(fake.held.size, 1);
});

Deno.test("what the opening said is known without asking the library", () => {
  const { fake, connection } = open();
  fake.isGone = true;
  strictEqual(connection.remoteAddress.port, 5000);
  strictEqual(connection.serverName, "example.org");
  throws(() => connection.info(), { code: KrepisCode.InvalidContext });
});

Deno.test("an opening without room for its bytes is asked for when needed", () => {
  const connections: QuicConnection[] = [];
  const fake = FakeLibrary.open({ connection: (opened) => void connections.push(opened) });
  fake.deliver({ type: EventType.ConnectionOpened, connection: 1 });
  strictEqual(connections[0]!.alpn, "knul");
  fake.deliver({ type: EventType.ConnectionOpened, connection: 2 });
  fake.isGone = true;
  throws(() => connections[1]!.alpn, { code: KrepisCode.InvalidContext });
});

Deno.test("a connection whose end is on its way is used as one that has ended", () => {
  const { fake, connection } = open();
  strictEqual(connection.rtt, 1.5);
  fake.isGone = true;
  connection.close();
  throws(() => connection.openStream(), { code: KrepisCode.InvalidContext });
  throws(() => connection.sendDatagram(bytesOf("x")), { code: KrepisCode.InvalidContext });
  strictEqual(connection.info().smoothedRttUs, 1500);
});

Deno.test("the last figures are there after the end although nobody asked before", () => {
  const { fake, connection } = open();
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 0 });
  fake.isGone = true;
  strictEqual(connection.info().smoothedRttUs, 1500);
});
