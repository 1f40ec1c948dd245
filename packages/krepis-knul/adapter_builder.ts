import { checkChoice, checkInteger, checkText } from "./_conversions.ts";
import { type ChannelOptions, resolveServingOptions } from "./adapter_options.ts";
import { AdapterError, invalidOption } from "./adapter_error.ts";
import { snakeCase } from "./_camel_case.ts";
import { type GivenSettings, methodOf, readExtra } from "./_server_settings.ts";
import { QuicAdapter } from "./quic_adapter.ts";
import { KrepisCode } from "@krepis/core";

/** Protocols of an adapter. */
export const AdapterProtocol = { QUIC: "quic" } as const;

/** One of the values of {@linkcode AdapterProtocol}. */
export type AdapterProtocol = typeof AdapterProtocol[keyof typeof AdapterProtocol];

/** Whether a server asks clients for certificates; see {@linkcode AdapterBuilder.clientAuth}. */
export type ClientAuth = "none" | "optional" | "required";

const CLIENT_AUTH: Record<ClientAuth, ClientAuth> = {
  none: "none",
  optional: "optional",
  required: "required",
};
const MAX_COUNT = 2 ** 32 - 1;
const DAY_MS = 86_400_000;
const MAX_PEM_BYTES = 1 << 20;

/**
 * Collects the options of a server. Every option takes effect or throws: its method checks its own value, and `start`
 * checks what only the library knows.
 *
 * @example
 * ```ts
 * import { AdapterBuilder, AdapterProtocol } from "@krepis/knul";
 *
 * const adapter = new AdapterBuilder()
 *   .protocol(AdapterProtocol.QUIC)
 *   .host("127.0.0.1")
 *   .port(4433)
 *   .certPath("./certs/cert.pem")
 *   .keyPath("./certs/key.pem")
 *   .build();
 * console.assert(!adapter.isRunning());
 * ```
 */
export class AdapterBuilder {
  readonly #settings: GivenSettings = new Map();
  #channel: ChannelOptions = {};
  #maxPayloadBytes: number | undefined;
  #maxGatheredBytes: number | undefined;
  #requestTimeoutMs: number | undefined;
  #library: string | undefined;

  /** @param protocol only `AdapterProtocol.QUIC`, the default @throws {AdapterError} 4001 for another */
  protocol(protocol: AdapterProtocol): this {
    if (protocol !== AdapterProtocol.QUIC) throw invalidOption("protocol", protocol, "AdapterProtocol.QUIC");
    return this;
  }

  /**
   * @param host address to listen on: numeric IPv4 or IPv6, or "localhost". Default: "127.0.0.1"
   * @throws {AdapterError} 4001
   */
  host(host: string): this {
    return this.#set("host", checkText("host", host, 1, 255));
  }

  /** @param port UDP port; 0, the default, selects a free port: see `QuicAdapter.port` @throws {AdapterError} 4001 */
  port(port: number): this {
    return this.#set("port", checkInteger("port", port, 0, 65_535));
  }

  /** @param path PEM file of the certificate chain, leaf first. Required, or `certPem` @throws {AdapterError} 4001 */
  certPath(path: string): this {
    return this.#set("cert_path", checkText("certPath", path, 1, 4096));
  }

  /** @param path PEM file of the leaf's private key, not encrypted. Required, or `keyPem` @throws {AdapterError} 4001 */
  keyPath(path: string): this {
    return this.#set("key_path", checkText("keyPath", path, 1, 4096));
  }

  /** @param text the certificate chain as PEM text, in place of `certPath` @throws {AdapterError} 4001 */
  certPem(text: string): this {
    return this.#set("cert_pem", checkText("certPem", text, 1, MAX_PEM_BYTES));
  }

  /** @param text the private key as PEM text, in place of `keyPath`; `getConfig` hides it @throws {AdapterError} 4001 */
  keyPem(text: string): this {
    return this.#set("key_pem", checkText("keyPem", text, 1, MAX_PEM_BYTES));
  }

  /**
   * Client certificates (mutual TLS). A certificate that a client presents must be valid and issued by an authority of
   * `caPath` or `caPem`, of which exactly one is required; `QuicConnection.peerCertificate` returns it.
   * @param mode "none" (the default): the server asks for no certificate; "optional": a client may present none;
   *   "required": the server refuses a client without a certificate
   * @throws {AdapterError} 4001
   */
  clientAuth(mode: ClientAuth): this {
    return this.#set("client_auth", checkChoice("clientAuth", mode, CLIENT_AUTH));
  }

  /** Refuses clients without a certificate: the same as `clientAuth("required")`. */
  requireClientAuth(): this {
    return this.clientAuth("required");
  }

  /** @param path PEM file of the authorities that issue client certificates @throws {AdapterError} 4001 */
  caPath(path: string): this {
    return this.#set("client_ca_path", checkText("caPath", path, 1, 4096));
  }

  /** @param text the authorities as PEM text, in place of `caPath` @throws {AdapterError} 4001 */
  caPem(text: string): this {
    return this.#set("client_ca_pem", checkText("caPem", text, 1, MAX_PEM_BYTES));
  }

  /** @param count connections of the server; it refuses more. Default: 200,000 @throws {AdapterError} 4001 */
  maxConnections(count: number): this {
    return this.#set("max_connections", checkInteger("maxConnections", count, 1, 16_000_000));
  }

  /**
   * @param count concurrent bidirectional streams per client connection. Default: 100
   * @throws {AdapterError} 4001
   */
  maxStreams(count: number): this {
    return this.#set("max_streams", checkInteger("maxStreams", count, 1, MAX_COUNT));
  }

  /**
   * @param ms time without packets after which a connection ends, 1,000 to 86,400,000. Default: 30,000
   * @throws {AdapterError} 4001
   */
  idleTimeoutMs(ms: number): this {
    return this.#set("idle_timeout_ms", checkInteger("idleTimeoutMs", ms, 1000, DAY_MS));
  }

  /**
   * @param ms how long open streams may take to finish after `stop`, 0 to 3,600,000. Default: 5,000
   * @throws {AdapterError} 4001
   */
  drainTimeoutMs(ms: number): this {
    return this.#set("drain_timeout_ms", checkInteger("drainTimeoutMs", ms, 0, 3_600_000));
  }

  /**
   * @param ms longest time from a request's first byte to its answer; then the adapter resets its stream with
   *   `AdapterCode.RequestTimeout`. 0: no limit. Default: 30,000
   * @throws {AdapterError} 4001
   */
  requestTimeoutMs(ms: number): this {
    this.#requestTimeoutMs = checkInteger("requestTimeoutMs", ms, 0, DAY_MS);
    return this;
  }

  /**
   * @param bytes longest payload of a request, 1 to 2^30; the adapter resets a longer request with
   *   `AdapterCode.PayloadTooLarge`. Default: 16 MiB
   * @throws {AdapterError} 4001
   */
  maxPayloadBytes(bytes: number): this {
    this.#maxPayloadBytes = checkInteger("maxPayloadBytes", bytes, 1, 2 ** 30);
    return this;
  }

  /**
   * @param bytes memory of all connections for payloads that arrive in parts. One connection may hold half of what the
   *   others leave free. Bytes without room wait, at most `requestTimeoutMs`, and their peer gets no credit; if too many
   *   bytes wait, the adapter refuses requests with `AdapterCode.Overloaded`. At least 64 KiB and twice
   *   `maxPayloadBytes`. Default: 64 MiB, or twice `maxPayloadBytes` if that is more
   * @throws {AdapterError} 4001; `build` throws it for less than twice `maxPayloadBytes`
   */
  maxGatheredBytes(bytes: number): this {
    this.#maxGatheredBytes = checkInteger("maxGatheredBytes", bytes, 64 << 10, 2 ** 40);
    return this;
  }

  /**
   * @param names application protocols (RFC 7301) in order of preference, 1 to 16 of 1 to 255 bytes.
   *   Default: "knul"
   * @throws {AdapterError} 4001
   */
  alpn(...names: string[]): this {
    if (names.length < 1 || names.length > 16) throw invalidOption("alpn", names, "1 to 16 names");
    return this.#set("alpn", names.map((name) => checkText("alpn", name, 1, 255)));
  }

  /** @param count network threads, 1 to 64; 0, the default: one per CPU, at most 8 @throws {AdapterError} 4001 */
  workers(count: number): this {
    return this.#set("workers", checkInteger("workers", count, 0, 64));
  }

  /**
   * Sets other settings of the library, under the names of docs/settings.md in snake_case or, as in `getConfig`, in
   * camelCase. `start` refuses unknown names.
   *
   * @param settings for example `{ congestionControl: "bbr" }`; added to earlier ones
   * @throws {AdapterError} 4001: a setting has a method of its own, or a value that no setting can have
   */
  extra(settings: Record<string, unknown>): this {
    for (const [setting, given] of readExtra(settings)) this.#settings.set(setting, given);
    return this;
  }

  /** @param options memory between library and program @throws {AdapterError} 4001 */
  channel(options: ChannelOptions): this {
    resolveServingOptions({ channel: options });
    this.#channel = { ...options };
    return this;
  }

  /** @param path of the native library. Default: the lookup of `loadKrepisCore` @throws {AdapterError} 4001 */
  library(path: string): this {
    this.#library = checkText("library", path, 1, 4096);
    return this;
  }

  /**
   * Returns the adapter, not started. Later calls of this builder do not change it.
   * @throws {AdapterError} 4001: there is no certificate or key, or a path and a text of the same
   */
  build(): QuicAdapter {
    for (const [path, text] of [["certPath", "certPem"], ["keyPath", "keyPem"]] as const) {
      const [hasPath, hasText] = [path, text].map((option) => this.#settings.has(snakeCase(option)));
      if (hasPath !== hasText) continue;
      const why = hasPath ? `is given beside ${text}, expected one of both` : `is required, or ${text}`;
      throw new AdapterError(KrepisCode.InvalidRequest, `${path}: ${why}`, { option: path });
    }
    const serving = resolveServingOptions({
      maxPayloadBytes: this.#maxPayloadBytes,
      maxGatheredBytes: this.#maxGatheredBytes,
      requestTimeoutMs: this.#requestTimeoutMs,
      channel: this.#channel,
    });
    return QuicAdapter.create({ settings: new Map(this.#settings), serving, library: this.#library });
  }

  #set(setting: string, value: unknown): this {
    this.#settings.set(setting, { option: methodOf(setting), value });
    return this;
  }
}
