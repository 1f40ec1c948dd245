// Starting, stopping and failing, with the library itself.
import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { loadKrepisCore } from "@krepis/core";
import { AdapterBuilder, AdapterError, type LogMessage, QuicAdapter } from "@krepis/knul";
import { client_identity, development_identity } from "../interop/server.mjs";
import { within } from "../interop/deadline.mjs";
import { exchange } from "../interop/exchange.mjs";
import { QuicheConnection } from "../interop/quiche_client.mjs";
import { DenoConnection } from "../interop/deno_client.ts";

const { cert, key, pem } = development_identity();
// The sanitizers of `deno test` count operations of connections that end in the background.
const options = { sanitizeOps: false, sanitizeResources: false };

function builder(): AdapterBuilder {
  return new AdapterBuilder().certPath(cert).keyPath(key).workers(1);
}

function echo(): QuicAdapter {
  return builder().build().onRequest((request) => request.payload);
}

function connect(adapter: QuicAdapter): Promise<DenoConnection> {
  return DenoConnection.connect({ host: "127.0.0.1", port: adapter.port, ca: pem, alpn: "knul" });
}

async function expectEcho(connection: DenoConnection, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  const answer = await exchange(await connection.open_bidi(), bytes);
  strictEqual(new TextDecoder().decode(answer), text);
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...options, fn: () => within(fn(), name, 60_000) });
}

test("a handler sees the verified certificate of its client", async () => {
  const alice = client_identity("alice");
  const adapter = builder().clientAuth("optional").caPath(alice.ca_path).build();
  const seen: unknown[] = [];
  adapter.onRequest((request) => {
    const { peerCertificate, alpn } = request.connection;
    seen.push(alpn, peerCertificate, request.connection.info().peerCertificate);
    return request.payload;
  });
  await adapter.start();
  const target = { host: "127.0.0.1", port: adapter.port, ca: pem, alpn: "knul" };
  for (const identity of [alice, undefined]) {
    const connection = await QuicheConnection.connect({ ...target, identity });
    await exchange(await connection.open_bidi(), new Uint8Array(10));
    connection.close();
  }
  const certificate = seen[1] as Record<string, unknown>;
  strictEqual(certificate.subject, "CN=alice");
  strictEqual(certificate.issuer, "CN=Clients");
  strictEqual(certificate.verified, true);
  strictEqual(certificate.namesOmitted, false);
  deepStrictEqual(certificate.dnsNames, []);
  match(certificate.sha256 as string, /^[0-9a-f]{64}$/);
  ok((certificate.notAfter as number) > Date.now() / 1000);
  deepStrictEqual(seen, ["knul", certificate, certificate, "knul", null, undefined]);
  strictEqual(adapter.getStats().clientCertificatesAccepted, 1);
  await adapter.stop();
});

test("authorities are checked at the start, and only asked for with clientAuth", async () => {
  const alice = client_identity("alice");
  await rejects(() => builder().requireClientAuth().build().start(), {
    code: 4001,
    option: "caPath",
  });
  await rejects(() => builder().caPath(alice.ca_path).build().start(), {
    code: 4001,
    option: "clientAuth",
  });
  await rejects(() => builder().requireClientAuth().caPem("text").build().start(), { code: 1000 });
  throws(() => builder().clientAuth("always" as "none"), { code: 4001, option: "clientAuth" });
});

test("an adapter starts, counts, stops with a report, and is over then", async () => {
  const adapter = echo();
  strictEqual(adapter.isRunning(), false);
  throws(() => adapter.getStats(), { code: 1001 });
  await adapter.start();
  strictEqual(adapter.isRunning(), true);
  const connection = await connect(adapter);
  await expectEcho(connection, "hello");
  const stats = adapter.getStats();
  strictEqual(stats.activeConnections, 1);
  strictEqual(stats.totalRequests, 1);
  ok(stats.totalBytesIn > 0 && stats.uptimeMs > 0);
  match(adapter.metrics(), /knul_connections_active 1/);
  const [first, second] = await Promise.all([adapter.stop(), adapter.stop()]);
  strictEqual(first, second);
  deepStrictEqual(Object.keys(first).sort(), [
    "bytesUnsent",
    "clean",
    "connectionsClosed",
    "elapsedMs",
    "stats",
    "streamsCompleted",
    "streamsCut",
  ]);
  strictEqual(first.clean, true);
  strictEqual(adapter.isRunning(), false);
  await rejects(adapter.start(), { code: 1001 });
  connection.close();
});

test("statistics are there after the stop, as they were at its end", async () => {
  const adapter = builder().build().onRequest(() => {
    throw new Error("not today");
  }).onError(() => {});
  await adapter.start();
  const connection = await connect(adapter);
  await rejects(exchange(await connection.open_bidi(), new Uint8Array(10)));
  connection.close();
  const { stats } = await adapter.stop();
  deepStrictEqual(adapter.getStats(), stats);
  strictEqual(stats.totalRequests, 1);
  strictEqual(stats.handlerErrors, 1);
  strictEqual(stats.activeConnections, 0);
  strictEqual(stats.draining, 1);
});

test("an adapter that was detached has the statistics of that moment", async () => {
  await using owner = builder().build();
  await owner.start();
  const share = QuicAdapter.attach(owner.handle).onRequest(() => "share");
  await share.start();
  const connection = await connect(owner);
  strictEqual((await exchange(await connection.open_bidi(), new Uint8Array(1))).length, 5);
  share.detach();
  strictEqual(share.getStats().totalRequests, 1);
  connection.close();
});

test("an adapter for a server that does not run cannot be started", async () => {
  const gone = builder().build();
  await gone.start();
  const { handle } = gone;
  await gone.stop();
  for (const unknown of [handle, handle + 1, 1, Number.MAX_SAFE_INTEGER]) {
    for (const adapter of [QuicAdapter.attach(unknown), QuicAdapter.attach(unknown).onStream(() => {})]) {
      await rejects(adapter.start(), { name: "AdapterError", code: 1004, option: "handle" });
      strictEqual(adapter.isRunning(), false);
    }
  }
});

test("a setting is taken in either spelling, and one that is misspelt is refused with the one that was meant", async () => {
  const names = { congestionControl: "bbr", max_streams_uni: 7n, initialMaxDataBytes: 65_536 };
  await using adapter = builder().extra(names).build();
  strictEqual(adapter.getConfig().congestionControl, "bbr");
  await adapter.start();
  const { congestionControl, maxStreamsUni, initialMaxDataBytes } = adapter.getConfig();
  deepStrictEqual([congestionControl, maxStreamsUni, initialMaxDataBytes], ["bbr", 7, 65_536]);
  const hints: [string, RegExp][] = [
    ["congestionControll", /did you mean congestionControl\?/],
    ["congestion_contrl", /did you mean congestion_control\?/],
    ["maxConections", /did you mean the method maxConnections\(\)\?/],
    ["colour", /docs\/settings\.md/],
    ["__proto__x", /docs\/settings\.md/],
    ["constructor", /docs\/settings\.md/],
  ];
  for (const [name, message] of hints) {
    const misspelt = builder().extra({ [name]: 1 }).build();
    await rejects(misspelt.start(), { name: "AdapterError", code: 4001, option: `extra.${name}`, message });
  }
});

test("an adapter without handlers starts and stops as any other", async () => {
  const adapter = builder().build();
  await adapter.start();
  strictEqual(adapter.getStats().activeConnections, 0);
  strictEqual((await adapter.stop()).clean, true);
});

test("await using stops the adapter", async () => {
  let handle: number;
  {
    await using adapter = echo();
    await adapter.start();
    handle = adapter.handle;
  }
  using core = loadKrepisCore();
  ok(!core.list().includes(handle));
});

test("the configuration in force has the port that was taken", async () => {
  await using adapter = builder().extra({ congestion_control: "bbr" }).build();
  await adapter.start();
  const config = adapter.getConfig();
  strictEqual(config.port, adapter.port);
  strictEqual(config.congestionControl, "bbr");
  strictEqual(config.maxPayloadBytes, 16 << 20);
});

test("what the library refuses is an AdapterError with its code and text", async () => {
  const refusals: [AdapterBuilder, number, RegExp, string | undefined][] = [
    [builder().extra({ colour: "red" }), 4001, /colour/, "extra.colour"],
    [
      builder().extra({ congestion_control: "fast" }),
      4001,
      /congestion_control.*fast/,
      "extra.congestion_control",
    ],
    [builder().extra({ congestionControl: 5 }), 4001, /congestion_control.*5/, "extra.congestionControl"],
    [builder().extra({ maxWindowBytes: 1024 }), 4001, /max_window_bytes/, "extra.maxWindowBytes"],
    [builder().extra({ initialMaxDataBytes: 1 << 30 }), 4001, /max_window_bytes/, "extra.maxWindowBytes"],
    [builder().alpn("a", "a"), 4001, /alpn/, "alpn"],
    [builder().host("not-an-address"), 4001, /host/, "host"],
    [builder().host("192.0.2.1"), 5000, /192\.0\.2\.1/, "host"],
    [builder().certPath("/nowhere/cert.pem"), 1000, /\/nowhere\/cert\.pem/, "certPath"],
    [builder().keyPath(cert), 1000, /key_path/, "keyPath"],
    [builder().library("/nowhere/libknul.so"), 1001, /\/nowhere\/libknul\.so/, "library"],
  ];
  for (const [refused, code, text, option] of refusals) {
    const adapter = refused.build();
    await rejects(adapter.start(), (error: AdapterError) => {
      ok(error instanceof AdapterError);
      strictEqual(error.code, code);
      match(error.message, text);
      strictEqual(error.option, option, error.message);
      return true;
    });
    strictEqual(adapter.isRunning(), false);
  }
});

test("a port in use is a retryable error, and the adapter can start later", async () => {
  // The kernel may give the port to another program once it is free: then again, with another one.
  for (let attempts = 1;; attempts++) {
    const first = echo();
    await first.start();
    const second = builder().port(first.port).build();
    await rejects(second.start(), { code: 5000, retryable: true, option: "port" });
    await first.stop();
    try {
      await second.start();
    } catch (error) {
      if (!(error instanceof AdapterError && error.option === "port") || attempts === 5) throw error;
      continue;
    }
    await second.stop();
    return;
  }
});

test("two adapters at once serve their own connections", async () => {
  await using one = echo();
  await using other = builder().build().onRequest(() => "other");
  await Promise.all([one.start(), other.start()]);
  const [a, b] = await Promise.all([connect(one), connect(other)]);
  await expectEcho(a, "one");
  strictEqual(new TextDecoder().decode(await exchange(await b.open_bidi(), new Uint8Array(1))), "other");
  strictEqual(one.getStats().totalRequests, 1);
  a.close();
  b.close();
});

test("connections and their streams can be iterated", async () => {
  await using adapter = builder().build();
  await adapter.start();
  const served = (async () => {
    for await (const connection of adapter) {
      strictEqual(connection.alpn, "knul");
      strictEqual(connection.serverName, "localhost");
      strictEqual(connection.remoteAddress.hostname, "127.0.0.1");
      ok(connection.rtt >= 0);
      for await (const stream of connection) {
        for await (const bytes of stream) await stream.write(bytes);
        await stream.end();
      }
      return (await connection.closed).source;
    }
  })();
  const connection = await DenoConnection.connect({
    host: "127.0.0.1",
    port: adapter.port,
    ca: pem,
    alpn: "knul",
    server_name: "localhost",
  });
  await expectEcho(connection, "iterated");
  connection.close();
  strictEqual(await served, "peerApplication");
});

test("a connection hibernates inside the host, and answers after it", async () => {
  await using adapter = builder().extra({ hibernate_after_ms: 20 }).build().onRequest((request) =>
    request.payload
  );
  await adapter.start();
  const connection = await connect(adapter);
  for (const text of ["before", "between", "after"]) {
    await expectEcho(connection, text);
    while (!/^knul_connections_hibernating 1$/m.test(adapter.metrics())) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  connection.close();
});

// A client that gets no CPU during the closing period (RFC 9000 §10.2, 3 × PTO: some 80 ms here) answers after it. The
// Stateless Reset for that packet and the close then reach it at once, and it reports the later of the two.
test("a connection that the program closes tells the client the code", async () => {
  await using adapter = builder().build().onConnection((connection) => connection.close(42, "enough"));
  await adapter.start();
  let code = -1;
  for (let tries = 0; tries < 5 && code === -1; tries++) {
    const connection = await connect(adapter);
    code = (await connection.closed()).code;
    connection.close();
  }
  strictEqual(code, 42);
});

test("datagrams report their fate", async () => {
  const fates: string[] = [];
  const told = Promise.withResolvers<void>();
  await using adapter = builder().build().onConnection((connection) => {
    ok(connection.info().maxDatagramBytes > 1000);
    const fate = (fate: string) => {
      if (fates.push(fate) === 10) told.resolve();
    };
    for (let i = 0; i < 10; i++) ok(connection.sendDatagram(new Uint8Array(100), { fate }));
    throws(() => connection.sendDatagram(new Uint8Array(70_000)), { code: 4001 });
  });
  await adapter.start();
  const connection = await connect(adapter);
  await told.promise;
  deepStrictEqual([...new Set(fates)], ["acknowledged"]);
  connection.close();
});

test("a drain cuts what has not ended at the deadline, and says so", async () => {
  const adapter = builder().build().onStream(() => {});
  await adapter.start();
  const connection = await connect(adapter);
  const stream = await connection.open_bidi();
  await stream.write(new Uint8Array(10));
  while (adapter.getStats().totalRequests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const report = await adapter.stop({ deadlineMs: 50 });
  strictEqual(report.clean, false);
  strictEqual(report.streamsCut, 1);
  stream.abandon();
  connection.close();
});

test("a thousand connects and disconnects during a stop do no harm", async () => {
  const gate = Promise.withResolvers<void>();
  const adapter = builder().build().onRequest(() => gate.promise);
  await adapter.start();
  const { port } = adapter;
  const holder = await connect(adapter); // its request keeps the drain open while the others come and go
  const held = exchange(await holder.open_bidi(), new Uint8Array(1));
  let attempts = 0;
  let accepted = 0;
  const storm = async () => {
    while (attempts < 1000) {
      attempts++;
      if (await connectAndClose(port)) accepted++;
    }
  };
  const storms = Array.from({ length: 8 }, storm);
  while (accepted < 200) await new Promise((resolve) => setTimeout(resolve, 1));
  const stopping = adapter.stop({ deadlineMs: 30_000 });
  await Promise.all(storms);
  gate.resolve();
  strictEqual((await held).length, 0);
  strictEqual((await stopping).clean, true);
  strictEqual(attempts, 1000);
  ok(accepted < 1000, "the server took new connections while it drained");
  holder.close();
});

/** @returns whether the server took the connection */
async function connectAndClose(port: number): Promise<boolean> {
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  try {
    const connection = await Deno.connectQuic({
      endpoint,
      hostname: "127.0.0.1",
      port,
      serverName: "localhost",
      alpnProtocols: ["knul"],
      caCerts: [pem],
    });
    connection.closed.catch(() => {});
    connection.close({ closeCode: 0, reason: "" });
    return true;
  } catch {
    return false;
  } finally {
    endpoint.close();
  }
}

test("what requests, abandoned streams and lost connections held is given back", async () => {
  await using adapter = builder().build().onRequest(async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return request.payload;
  });
  await adapter.start();
  for (let round = 0; round < 5; round++) {
    const connection = await connect(adapter);
    await Promise.all(Array.from({ length: 50 }, (_, i) => expectEcho(connection, "x".repeat(100 * i))));
    const half = await connection.open_bidi();
    await half.write(new Uint8Array(50_000)); // a request whose end never comes
    connection.close();
  }
  while (adapter.getStats().activeConnections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  // One block stays with the worker, which fills it with what comes next.
  while (Number(adapter.getStats().channelArenaBlocksUsed) > 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  strictEqual(adapter.getStats().channelConnections, 0);
  strictEqual(adapter.getStats().channelQueuedBytes, 0);
});

test("what stream handlers have when their peers stop them and leave is given back", async () => {
  await using adapter = builder().build().onStream(async (stream) => {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      await stream.write(bytes);
    }
  });
  await adapter.start();
  for (let round = 0; round < 10; round++) {
    const peer = { host: "127.0.0.1", port: adapter.port, ca: pem, alpn: "knul" };
    const client = await QuicheConnection.connect(peer);
    for (let i = 0; i < 20; i++) {
      const stream = await client.open_bidi();
      await stream.write(new Uint8Array(20_000)); // more than one piece
      if (round % 2 === 0) stream.stop_reading(1);
    }
    while (Number(adapter.getStats().totalRequests) < 20 * round + 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    client.close();
  }
  while (adapter.getStats().activeConnections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  while (Number(adapter.getStats().channelArenaBlocksUsed) > 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test("a server that was stopped elsewhere is over for its adapter", async () => {
  using core = loadKrepisCore();
  const adapter = builder().build();
  await adapter.start();
  core.stop(adapter.handle, 0);
  throws(() => adapter.getStats(), { name: "AdapterError", code: 1004 });
  await rejects(adapter.stop(), { name: "AdapterError", code: 1004 });
  throws(() => adapter.detach(), { code: 1001, message: /stop\(\)/ });
});

test("the library loaded twice serves two adapters", async () => {
  using core = loadKrepisCore();
  await using adapter = echo();
  await adapter.start();
  ok(core.list().includes(adapter.handle));
  strictEqual(core.port(adapter.handle), adapter.port);
});

test("messages of the library's log reach onLog, and what it throws reaches onError", async () => {
  const folder = Deno.makeTempDirSync();
  const certPath = `${folder}/cert.pem`;
  Deno.copyFileSync(cert, certPath);
  const first = Promise.withResolvers<LogMessage>();
  const parts: string[] = [];
  const adapter = builder().certPath(certPath).build().onRequest(() => {}).onError((_, { part }) => {
    parts.push(part);
  });
  adapter.onLog((message) => {
    first.resolve(message);
    throw new Error("as ordered");
  });
  await adapter.start();
  Deno.writeTextFileSync(certPath, "no certificate");
  throws(() => adapter.reload(), { code: 1000 });
  const { time, level, subsystem, kind, message, omitted } = await first.promise;
  ok(Math.abs(time.getTime() - Date.now()) < 60_000);
  deepStrictEqual([level, subsystem, kind, omitted], ["error", "tls", "reload", 0]);
  ok(message.includes(certPath), message);
  await adapter.stop();
  strictEqual(parts[0], "log");
  Deno.removeSync(folder, { recursive: true });
});
