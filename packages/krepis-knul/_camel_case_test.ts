import { deepStrictEqual } from "node:assert/strict";
import { camelCaseKeys, namesOf } from "./_camel_case.ts";

Deno.test("the library's names become JavaScript's", () => {
  const object = { uptime_ms: 1, request_latency_p50_ms: 2, errors: 3 };
  deepStrictEqual(camelCaseKeys(object), { uptimeMs: 1, requestLatencyP50Ms: 2, errors: 3 });
});

Deno.test("the name of a number stands at its index, whatever the order", () => {
  deepStrictEqual(namesOf({ IdleTimeout: 2, Drain: 0, PeerReset: 1 }), ["drain", "peerReset", "idleTimeout"]);
});
