import { KrepisCode } from "./codes.ts";
import { KrepisError } from "./error.ts";
import { FfiBuffer, FfiResponse } from "./layout.ts";
import { settingsJson, wholeNumber } from "./values.ts";
import { channelDefinitions, type ChannelSymbols, serverDefinitions, type ServerSymbols } from "./symbols.ts";

/** Description of a setting (docs/settings.md). */
export interface SettingDescription {
  name: string;
  type: "string" | "integer" | "boolean" | "list of strings";
  default: unknown;
  doc: string;
  min?: number;
  max?: number;
  values?: string[];
  unit?: string;
}

/** Description of a running server. */
export interface ServerInfo {
  handle: number;
  port: number;
  state: "running" | "draining";
  /** The values that the server uses, under the names of docs/settings.md. */
  settings: Record<string, unknown>;
}

/** Report of a drain; names as in `krepis_quic_stop_report`. */
export interface StopReport {
  clean: boolean;
  connections_closed: number;
  streams_completed: number;
  streams_cut: number;
  bytes_unsent: number;
  elapsed_ms: number;
  /** The last statistics of the server, under the names of `stats`. */
  stats: Record<string, number | string>;
}

/** Selects and sorts open connections; the keys of `krepis_quic_connections_json`. */
export interface ConnectionQuery {
  /** The name of a number in a row that can sort it (docs/statistics.md). Default: `"id"`. */
  sort?: string;
  /** Default: false. */
  descending?: boolean;
  /** Rows of the page, 1 to 10,000. Default: 100. */
  limit?: number;
  /** `next` of the page before, with the same sort and filters. */
  after?: string;
  /** The beginning of "address:port". */
  peer?: string;
  /** The negotiated protocol. */
  alpn?: string;
  state?: "handshaking" | "active" | "hibernating";
}

/** A page of open connections. */
export interface ConnectionPage {
  /** The rows of docs/statistics.md. */
  connections: Record<string, unknown>[];
  /** Connections that pass the filters, on all pages. */
  matches: number;
  /** `after` of the next page; null on the last page. */
  next: string | null;
}

/** Fills a response: the last parameter of every function with the suffix `_into`. */
type IntoCall = (out: Uint8Array<ArrayBuffer>) => number;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The native library, loaded into this isolate by `loadKrepisCore`. The methods call the functions of krepis.h with
 * JavaScript's types; `channel` has the raw functions of the data plane. A method blocks only where its comment says
 * so.
 *
 * Every method may throw a `KrepisError`: with the library's code and text when the library reports an error, with
 * `InvalidRequest` (4001) when an argument has the wrong type or range, and with `InvalidContext` (1001) after
 * `close`. `close` does not stop servers: stop them first.
 */
export class KrepisCore implements Disposable {
  /** Place of the library: a path, or the name that the system's loader resolved. */
  readonly path: string;
  /** major << 16 | minor << 8 | patch. */
  readonly abiVersion: number;
  /** The library's version, "major.minor.patch". */
  readonly version: string;
  readonly #server: Deno.DynamicLibrary<typeof serverDefinitions>;
  readonly #response = new BigUint64Array(FfiResponse.size / 8);
  #channel: Deno.DynamicLibrary<typeof channelDefinitions> | undefined;
  #isOpen = true;

  /** Use `loadKrepisCore`, which checks the ABI first. */
  constructor(path: string) {
    this.path = path;
    this.#server = Deno.dlopen(path, serverDefinitions);
    this.abiVersion = this.#server.symbols.krepis_abi_version();
    this.version = textAt(this.#server.symbols.krepis_version());
  }

  /** The functions of the data plane. */
  get channel(): ChannelSymbols {
    this.#symbols();
    this.#channel ??= Deno.dlopen(this.path, channelDefinitions);
    return this.#channel.symbols;
  }

  /** Why this isolate's most recent failed call failed; "" when none has. */
  lastError(): string {
    return textAt(this.#symbols().krepis_last_error());
  }

  /** The error for the code that this isolate's latest call returned. */
  error(code: number): KrepisError {
    return new KrepisError(code, this.lastError());
  }

  /** Describes every setting of `startJson`. */
  settings(): SettingDescription[] {
    return this.#json(this.#symbols().krepis_settings_into);
  }

  /**
   * Starts a server. Blocks to read files and check keys, well under a second.
   *
   * @param settings under the names of docs/settings.md; required are `cert_path` or `cert_pem`, and `key_path` or
   *   `key_pem`
   * @returns the server's handle
   * @throws {KrepisError} `InvalidRequest` (4001): a setting is unknown or out of range, the text names it;
   *   `Internal` (1000): unusable certificate or key; `NetworkError` (5000): the port is in use
   */
  startJson(settings: Record<string, unknown>): number {
    const json = encoder.encode(settingsJson(settings));
    const start = this.#symbols().krepis_quic_start_json_into;
    try {
      const bytes = this.#bytes((out) => start(json, BigInt(json.length), out));
      return Number(new DataView(bytes).getBigUint64(0, true));
    } finally {
      json.fill(0); // it may contain a private key
    }
  }

  /**
   * Reads the certificate and key files of a server again and replaces its certificates in one step; the present ones
   * stay in use after an error. Blocks to read files and check keys, well under a second.
   *
   * @throws {KrepisError} `InvalidPointer` (1004): not a running server; `Internal` (1000): unusable certificate or key;
   *   `InvalidContext` (1001): the server is stopping, or has no certificate or key file
   */
  reload(handle: number): void {
    const reload = this.#symbols().krepis_quic_reload_into;
    this.#bytes((out) => reload(serverHandle(handle), out));
  }

  /**
   * Drains and stops a server. **Blocks this isolate** for at most `deadlineMs` plus 0.2 s. A program that
   * serves the server's streams by a channel calls `channel.krepis_quic_stop_begin` instead.
   *
   * @param deadlineMs how long open streams may take to finish, 0 to 3,600,000 ms
   * @throws {KrepisError} `InvalidPointer` (1004): not a running server
   */
  stop(handle: number, deadlineMs = 5000): StopReport {
    const stop = this.#symbols().krepis_quic_stop_report_into;
    const call: IntoCall = (out) => {
      const code = stop(serverHandle(handle), BigInt(wholeNumber("deadlineMs", deadlineMs)), out);
      return code === KrepisCode.Timeout ? KrepisCode.Success : code; // the report has the cut streams
    };
    return JSON.parse(decoder.decode(this.#bytes(call)));
  }

  /** The UDP port of a server. @throws {KrepisError} `InvalidPointer` (1004): not a running server */
  port(handle: number): number {
    const port = this.#symbols().krepis_quic_port(serverHandle(handle));
    if (port === 0) throw this.error(KrepisCode.InvalidPointer);
    return port;
  }

  /** Describes a server. @throws {KrepisError} `InvalidPointer` (1004): not a running server */
  info(handle: number): ServerInfo {
    const info = this.#symbols().krepis_quic_info_into;
    return this.#json((out) => info(serverHandle(handle), out));
  }

  /**
   * Statistics under the names of docs/statistics.md.
   * @throws {KrepisError} `InvalidPointer` (1004): not a running server
   */
  stats(handle: number): Record<string, number | string> {
    const stats = this.#symbols().krepis_quic_get_stats_into;
    return this.#json((out) => stats(serverHandle(handle), out));
  }

  /** Statistics as OpenMetrics text. @throws {KrepisError} `InvalidPointer` (1004): not a running server */
  metrics(handle: number): string {
    const metrics = this.#symbols().krepis_quic_get_metrics_into;
    return decoder.decode(this.#bytes((out) => metrics(serverHandle(handle), out)));
  }

  /** The handles of this process's servers, in no particular order. */
  list(): number[] {
    return this.#json(this.#symbols().krepis_quic_list_into);
  }

  /**
   * The open connections of a server, at most 10,000, in the order of their IDs. Blocks until the workers answer, at most a second.
   * @throws {KrepisError} `InvalidPointer` (1004): not a running server; `Timeout` (2000): a worker did not answer
   */
  connections(handle: number): Record<string, unknown>[] {
    const connections = this.#symbols().krepis_quic_connections_into;
    return this.#json((out) => connections(serverHandle(handle), out));
  }

  /**
   * A page of the open connections of a server, selected and sorted by a query. Blocks until the workers answer, at
   * most a second; they go on serving their connections meanwhile.
   * @throws {KrepisError} `InvalidPointer` (1004): not a running server; `InvalidRequest` (4001): a wrong query;
   * `Timeout` (2000): a worker did not answer
   */
  connectionsPage(handle: number, query: ConnectionQuery = {}): ConnectionPage {
    const connections = this.#symbols().krepis_quic_connections_json_into;
    const text = encoder.encode(JSON.stringify(query));
    return this.#json((out) => connections(serverHandle(handle), text, BigInt(text.length), out));
  }

  /** Figures of a channel (`krepis_channel_info_into`). @throws {KrepisError} `InvalidPointer` (1004) */
  channelInfo(channel: number): Record<string, number> {
    return this.#json((out) => this.channel.krepis_channel_info_into(handleOf("channel", channel), out));
  }

  /** Describes a stream (`krepis_stream_info_into`). @throws {KrepisError} `InvalidPointer` (1004) */
  streamInfo(channel: number, stream: number): Record<string, number | string | null> {
    const [of, which] = [handleOf("channel", channel), handleOf("stream", stream)];
    return this.#json((out) => this.channel.krepis_stream_info_into(of, which, out));
  }

  /** Describes a connection (`krepis_connection_info_into`). @throws {KrepisError} `InvalidPointer` (1004) */
  connectionInfo(
    channel: number,
    connection: number,
  ): Record<string, number | string | Record<string, unknown>> {
    const [of, which] = [handleOf("channel", channel), handleOf("connection", connection)];
    return this.#json((out) => this.channel.krepis_connection_info_into(of, which, out));
  }

  /** Closes this object. The library and its servers stay in the process. Closing twice has no effect. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#channel?.close();
    this.#server.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #symbols(): ServerSymbols {
    if (!this.#isOpen) throw new KrepisError(KrepisCode.InvalidContext, "this KrepisCore was closed");
    return this.#server.symbols;
  }

  /** The bytes that a call returned. Lifetime: until this isolate's next call that returns bytes. */
  #bytes(call: IntoCall): ArrayBuffer {
    const out = new Uint8Array(this.#response.buffer);
    const code = call(out);
    if (code !== KrepisCode.Success) throw this.error(code);
    const data = this.#response[(FfiResponse.result_buffer + FfiBuffer.data) / 8]!;
    const length = this.#response[(FfiResponse.result_buffer + FfiBuffer.len) / 8]!;
    const pointer = Deno.UnsafePointer.create(data);
    return pointer ? new Deno.UnsafePointerView(pointer).getArrayBuffer(Number(length)) : new ArrayBuffer(0);
  }

  // deno-lint-ignore no-explicit-any -- the callers state what the library documents
  #json(call: IntoCall): any {
    return JSON.parse(decoder.decode(this.#bytes(call)));
  }
}

function serverHandle(handle: number): bigint {
  return BigInt(wholeNumber("handle", handle));
}

function handleOf(name: string, handle: number): number {
  return wholeNumber(name, handle, 2 ** 32 - 1);
}

function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
}
