import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { AdapterBuilder, AdapterProtocol } from "./adapter_builder.ts";
import { KrepisCode } from "@krepis/core";

const builder = () => new AdapterBuilder().certPath("cert.pem").keyPath("key.pem");

Deno.test("every option appears in the configuration under its name", () => {
  const config = builder().protocol(AdapterProtocol.QUIC).host("::1").port(4433).maxConnections(10)
    .maxStreams(5)
    .idleTimeoutMs(2000).drainTimeoutMs(100).requestTimeoutMs(50).maxPayloadBytes(1000).maxGatheredBytes(
      70_000,
    ).alpn("a", "b")
    .workers(2)
    .extra({ congestion_control: "bbr" }).channel({ ringRecords: 64 }).build().getConfig();
  deepStrictEqual(config, {
    congestionControl: "bbr",
    certPath: "cert.pem",
    keyPath: "key.pem",
    host: "::1",
    port: 4433,
    maxConnections: 10,
    maxStreams: 5,
    idleTimeoutMs: 2000,
    drainTimeoutMs: 100,
    alpn: ["a", "b"],
    workers: 2,
    maxGatheredBytes: 70_000,
    maxPayloadBytes: 1000,
    requestTimeoutMs: 50,
    channel: { arenaBytes: 0, ringRecords: 64, queueBytes: 0, consumerTimeoutMs: 0 },
  });
});

const wrong: [string, (b: AdapterBuilder) => unknown][] = [
  ["protocol", (b) => b.protocol("tcp" as "quic")],
  ["host", (b) => b.host("")],
  ["port", (b) => b.port(65_536)],
  ["certPath", (b) => b.certPath("a\0b")],
  ["keyPath", (b) => b.keyPath("x".repeat(4097))],
  ["certPem", (b) => b.certPem("")],
  ["keyPem", (b) => b.keyPem("a\0b")],
  ["maxConnections", (b) => b.maxConnections(0)],
  ["maxStreams", (b) => b.maxStreams(1.5)],
  ["idleTimeoutMs", (b) => b.idleTimeoutMs(999)],
  ["drainTimeoutMs", (b) => b.drainTimeoutMs(-1)],
  ["requestTimeoutMs", (b) => b.requestTimeoutMs(NaN)],
  ["maxPayloadBytes", (b) => b.maxPayloadBytes(0)],
  ["alpn", (b) => b.alpn()],
  ["workers", (b) => b.workers(65)],
  ["extra.port", (b) => b.extra({ port: 1 })],
  ["extra.clientCaPath", (b) => b.extra({ clientCaPath: "ca.pem" })],
  ["caPath", (b) => b.caPath("")],
  ["channel.ringRecords", (b) => b.channel({ ringRecords: 65 })],
  ["channel.consumerTimeoutMs", (b) => b.channel({ consumerTimeoutMs: 499 })],
  ["channel.arena", (b) => b.channel({ arena: 1 } as object)],
  ["library", (b) => b.library("")],
];

for (const [option, call] of wrong) {
  Deno.test(`a value of ${option} that cannot be is refused by its name`, () => {
    throws(
      () => call(builder()),
      (error: { code: number; option: string; message: string; retryable: boolean }) => {
        strictEqual(error.code, KrepisCode.InvalidRequest);
        strictEqual(error.option, option);
        strictEqual(error.retryable, false);
        return error.message.includes(option) && /expected|known/.test(error.message);
      },
    );
  });
}

Deno.test("an adapter cannot be built without certificate and key", () => {
  throws(() => new AdapterBuilder().keyPath("k").build(), {
    option: "certPath",
    code: KrepisCode.InvalidRequest,
  });
  throws(() => new AdapterBuilder().certPath("c").build(), { option: "keyPath" });
});

Deno.test("certificate and key may be texts, but not path and text of the same", () => {
  const texts = () => new AdapterBuilder().certPem("cert").keyPem("secret");
  const config = texts().build().getConfig() as unknown as Record<string, unknown>;
  strictEqual(config.certPem, "cert");
  strictEqual(config.keyPem, "(not shown)");
  throws(() => texts().certPath("c").build(), { option: "certPath", code: KrepisCode.InvalidRequest });
  throws(() => texts().keyPath("k").build(), { option: "keyPath", code: KrepisCode.InvalidRequest });
});

Deno.test("a builder used again does not change what it built before", () => {
  const first = builder().port(1);
  const adapter = first.build();
  first.port(2);
  strictEqual(adapter.getConfig().port, 1);
});
