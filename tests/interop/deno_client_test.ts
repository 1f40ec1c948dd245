// The interop cases with Deno's built-in QUIC as the client:
//   deno test --unstable-net --allow-all deno_client_test.ts
import assert from "node:assert/strict";
import { cases } from "./cases.mjs";
import { within } from "./deadline.mjs";
import { client, DenoConnection } from "./deno_client.ts";
import { choose_seed, perf_request, Random } from "./payload.mjs";
import { with_server } from "./server.mjs";

const seed = choose_seed();
// The sanitizers of `deno test` count operations of connections that end in the background.
const options = { sanitizeOps: false, sanitizeResources: false };

for (const { name, run, skip = false } of cases) {
  Deno.test({ name, ignore: skip, ...options, fn: () => run(client, new Random(seed)) });
}

Deno.test({
  name: "a download that the client stops reading frees its stream",
  ...options,
  fn: async () => {
    await with_server({ service: "perf" }, async ({ host, port, ca }) => {
      const connection = await DenoConnection.connect({ host, port, ca, alpn: "perf" });
      // More than the stream limit: each must really end, or the limit is reached.
      for (let i = 0; i < 120; i++) {
        const stream = await within(connection.open_bidi(), `credit for stream ${i}`);
        await stream.finish(perf_request(1_000_000_000));
        await within(stream.read(), "first bytes");
        stream.abandon();
      }
      connection.close();
    });
  },
});

Deno.test({
  name: "a client that vanishes in the middle of a download does not disturb another",
  ...options,
  fn: async () => {
    await with_server({ service: "perf" }, async ({ host, port, ca }) => {
      const target = { host, port, ca, alpn: "perf" };
      const [doomed, other] = await Promise.all([target, target].map((t) => DenoConnection.connect(t)));
      const endless = await doomed.open_bidi();
      await endless.finish(perf_request(1_000_000_000));
      await within(endless.read(), "first bytes");
      doomed.close(42);
      const stream = await other.open_bidi();
      await stream.finish(perf_request(1_000_000));
      assert.equal((await within(stream.read_all(), "the other download")).length, 1_000_000);
      other.close();
    });
  },
});
