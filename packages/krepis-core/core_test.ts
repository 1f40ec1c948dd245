import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { KrepisCode } from "./codes.ts";
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
