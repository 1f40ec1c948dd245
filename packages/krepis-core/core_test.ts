import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { KrepisCode } from "./codes.ts";
import { KrepisError } from "./error.ts";
import { loadKrepisCore } from "./load.ts";
import { withCertificate } from "./_certificate_for_tests.ts";

Deno.test("a server starts, describes itself and stops with a report", () => {
  withCertificate((identity) => {
    using core = loadKrepisCore();
    const handle = core.startJson({ ...identity, service: "echo", workers: 1 });
    ok(core.list().includes(handle));
    const { port, state, settings } = core.info(handle);
    strictEqual(port, core.port(handle));
    strictEqual(state, "running");
    strictEqual(settings.service, "echo");
    strictEqual(core.stats(handle).active_connections, 0);
    match(core.metrics(handle), /# EOF\n$/);
    deepStrictEqual(core.connections(handle), []);
    deepStrictEqual(core.connectionsPage(handle), { connections: [], matches: 0, next: null });
    throws(() => core.connectionsPage(handle, { sort: "colour" }), {
      code: KrepisCode.InvalidRequest,
      message: /sort is "colour", expected one of id, age_ms/,
    });
    core.reload(handle);
    strictEqual(core.stats(handle).certificate_generation, 2);
    strictEqual(core.stop(handle, 100).clean, true);
    throws(() => core.stats(handle), { code: KrepisCode.InvalidPointer });
  });
});

Deno.test("an unknown setting is refused by its name", () => {
  using core = loadKrepisCore();
  throws(() => core.startJson({ colour: "red" }), { code: KrepisCode.InvalidRequest, message: /colour/ });
});

Deno.test("the settings are described by the library", () => {
  using core = loadKrepisCore();
  const workers = core.settings().find(({ name }) => name === "workers");
  strictEqual(workers?.type, "integer");
  ok(core.settings().length > 20);
});

Deno.test("the library loaded twice is one library", () => {
  withCertificate((identity) => {
    using one = loadKrepisCore();
    using other = loadKrepisCore();
    const handle = one.startJson({ ...identity, workers: 1 });
    ok(other.list().includes(handle));
    strictEqual(other.stop(handle, 0).clean, true);
  });
});

Deno.test("whatever is passed, a method answers or throws a KrepisError that says what was wrong", () => {
  using core = loadKrepisCore();
  const values: unknown[] = [
    undefined,
    null,
    true,
    -1,
    0.5,
    NaN,
    2 ** 53,
    2 ** 40,
    1n,
    "1",
    Symbol("s"),
    [],
    {},
    () => {},
  ];
  const methods = [
    "port",
    "info",
    "stats",
    "metrics",
    "connections",
    "connectionsPage",
    "channelInfo",
    "reload",
    "stop",
  ] as const;
  // deno-lint-ignore no-explicit-any -- the point is to pass what the types forbid
  const calls: ((value: any) => unknown)[] = methods.map((name) => (value) => core[name](value));
  calls.push((value) => core.streamInfo(value, 1), (value) => core.streamInfo(1, value));
  calls.push((value) => core.connectionInfo(value, 1), (value) => core.connectionInfo(1, value));
  calls.push((value) => core.stop(1, value), (value) => core.startJson(value));
  calls.push((value) => core.startJson({ workers: value, cert_path: "/nowhere", key_path: "/nowhere" }));
  for (const call of calls) {
    for (const value of values) {
      throws(() => call(value), (error: KrepisError) => {
        const codes: number[] = [KrepisCode.InvalidRequest, KrepisCode.InvalidPointer, KrepisCode.Internal];
        return error instanceof KrepisError && codes.includes(error.code);
      }, `${call} ${String(value)}`);
    }
  }
});
