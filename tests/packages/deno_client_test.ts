// The adapter's cases with Deno's built-in QUIC as the client.
import { client } from "../interop/deno_client.ts";
import { choose_seed, Random } from "../interop/payload.mjs";
import { adapter_cases } from "./adapter_cases.mjs";

const seed = choose_seed();
// The sanitizers of `deno test` count operations of connections that end in the background.
const options = { sanitizeOps: false, sanitizeResources: false };

for (const { name, run } of adapter_cases) {
  Deno.test({ name, ...options, fn: () => run(client, new Random(seed)) });
}
