// @ts-check
// The interop cases with quiche as the client: node --test quiche_client_test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import { cases } from "./cases.mjs";
import { within } from "./deadline.mjs";
import { choose_seed, perf_request, Random } from "./payload.mjs";
import { QuicheConnection } from "./quiche_client.mjs";
import { ConnectionEnded } from "./quiche_config.mjs";
import { StreamEnded } from "./quiche_stream.mjs";
import { client_identity, with_server } from "./server.mjs";

const kTransportTlsAlert = 0x100; // RFC 9001 §4.8: CRYPTO_ERROR carries the alert in its low byte
const kNoApplicationProtocol = kTransportTlsAlert + 120;

/** @type {import("./exchange.mjs").Client} */
const client = {
  connect: (target) => QuicheConnection.connect(target),
  is_alpn_refusal: (error) =>
    error instanceof ConnectionEnded && error.info.by_peer && error.info.code === kNoApplicationProtocol,
  is_certificate_refusal: (error) =>
    error instanceof ConnectionEnded && !error.info.by_peer && error.info.code >= kTransportTlsAlert,
};

const seed = choose_seed();
for (const { name, run, skip = false } of cases) {
  test(name, { skip }, () => run(client, new Random(seed)));
}

test("RESET_STREAM from the client ends the echo of that stream only", async () => {
  await with_server({ service: "echo" }, async ({ host, port, ca }) => {
    const connection = await QuicheConnection.connect({ host, port, ca, alpn: "knul" });
    const doomed = await connection.open_bidi();
    await doomed.write(new Uint8Array(1000));
    await within(doomed.read(), "first echo");
    doomed.reset(7);
    await assert.rejects(within(doomed.read_all(), "reset of the echo"), StreamEnded);
    const next = await connection.open_bidi();
    await next.finish(new Uint8Array(1000));
    assert.equal((await within(next.read_all(), "echo after the reset")).length, 1000);
    connection.close();
  });
});

test("a client with a certificate of the authority is served, others get the alert of the reason", async () => {
  const alice = client_identity("alice");
  const args = ["--client-auth", "required", "--client-ca", alice.ca_path];
  await with_server({ service: "echo", args }, async ({ host, port, ca }) => {
    const target = { host, port, ca, alpn: "knul" };
    const connection = await QuicheConnection.connect({ ...target, identity: alice });
    const stream = await connection.open_bidi();
    await stream.finish(new Uint8Array(1000));
    assert.equal((await within(stream.read_all(), "echo")).length, 1000);
    connection.close();
    /** @param {{ cert: string, key: string } | undefined} identity @param {number} alert */
    const expect_alert = async (identity, alert) => {
      const is_refused = (/** @type {unknown} */ error) =>
        error instanceof ConnectionEnded && error.info.by_peer &&
        error.info.code === kTransportTlsAlert + alert;
      // The client completes its handshake before the server has seen the certificate.
      await assert.rejects(async () => {
        const refused = await QuicheConnection.connect({ ...target, identity });
        const asked = await refused.open_bidi();
        await asked.finish(new Uint8Array(1));
        await within(asked.read_all(), "refusal");
      }, is_refused);
    };
    await expect_alert(undefined, 116);
    await expect_alert(client_identity("mallory", "Others"), 48);
  });
});

test("STOP_SENDING from the client frees its stream", async () => {
  await with_server({ service: "perf" }, async ({ host, port, ca }) => {
    const connection = await QuicheConnection.connect({ host, port, ca, alpn: "perf" });
    for (let i = 0; i < 120; i++) {
      // More downloads than the stream limit: each must really end, or the limit is reached.
      const stream = await within(connection.open_bidi(), `credit for stream ${i}`);
      await stream.finish(perf_request(1_000_000_000));
      await within(stream.read(), "first bytes");
      stream.stop_reading(9);
    }
    connection.close();
  });
});

test("the server announces datagrams and a stream limit of at least 100", async () => {
  await with_server({ service: "echo" }, async ({ host, port, ca }) => {
    const connection = await QuicheConnection.connect({ host, port, ca, alpn: "knul" });
    const { peerMaxDatagramFrameSize, peerInitialMaxStreamsBidi } = connection.stats;
    assert.ok((peerMaxDatagramFrameSize ?? 0) >= 1200, `max_datagram_frame_size ${peerMaxDatagramFrameSize}`);
    assert.ok(peerInitialMaxStreamsBidi >= 100, `initial_max_streams_bidi ${peerInitialMaxStreamsBidi}`);
    connection.close();
  });
});
