import { FfiChannelConfig, FfiChannelRegion, KrepisCode, type KrepisCore, KrepisError } from "@krepis/core";
import { loadKrepisCore, Wake } from "@krepis/core";
import { AdapterError } from "./adapter_error.ts";
import { checkFunction, checkInteger, checkOptions, checkText } from "./_conversions.ts";
import { type ResolvedServingOptions, resolveServingOptions } from "./adapter_options.ts";
import type { ServingOptions } from "./adapter_options.ts";
import type {
  AdapterConfig,
  ConnectionPage,
  ConnectionQuery,
  ConnectionRow,
  DrainReport,
  QuicStats,
} from "./adapter_reports.ts";
import { camelCase, camelCaseKeys, snakeCase } from "./_camel_case.ts";
import { type ErrorHandler, ErrorReporter } from "./_error_reporter.ts";
import { mapRegion } from "./_region.ts";
import { type GivenSettings, startServer } from "./_server_settings.ts";
import { type Handlers, Session, type SessionEnd } from "./_session.ts";
import type { LogHandler } from "./log_message.ts";
import type { DatagramHandler, QuicConnection } from "./quic_connection.ts";
import type { RequestHandler } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";

export type { ErrorHandler, FailedPart, Failure } from "./_error_reporter.ts";

/** Parts of an adapter; without `settings` its server was started elsewhere. */
interface AdapterParts {
  settings: GivenSettings | null;
  serving: ResolvedServingOptions;
  library: string | undefined;
  handle?: number;
}

/** KREPIS_CONSUMER_TIMEOUT_NEVER */
const CONSUMER_TIMEOUT_NEVER = 0xffff_ffff;
const ATTACH_OPTIONS = ["library", "maxPayloadBytes", "maxGatheredBytes", "requestTimeoutMs", "channel"];

type State = "idle" | "running" | "stopping" | "stopped";

/**
 * A QUIC server in this program, or this isolate's share of a server.
 *
 * Register handlers, then call `start`. `onRequest` receives clients' bidirectional streams; `onStream` receives the
 * other streams, or all without `onRequest`. If `onConnection` or `for await` receives connections, the program can
 * iterate over the remaining streams of a connection; otherwise the adapter refuses them with `NoConsumer`.
 *
 * A running adapter keeps the process alive until `stop`.
 *
 * @example
 * ```ts
 * import { AdapterBuilder } from "@krepis/knul";
 *
 * async function serve(certPath: string, keyPath: string) {
 *   await using adapter = new AdapterBuilder().certPath(certPath).keyPath(keyPath).build();
 *   adapter.onRequest(({ payload }) => `you sent ${payload.length} bytes`);
 *   await adapter.start();
 *   console.log(adapter.port, adapter.getStats().activeConnections);
 * } // stops here
 * console.assert(serve.length === 2);
 * ```
 */
export class QuicAdapter implements AsyncDisposable, AsyncIterable<QuicConnection> {
  readonly #parts: AdapterParts;
  readonly #handlers: Handlers = {};
  #core: KrepisCore | null = null;
  #handle: number;
  #session: Session | null = null;
  #errors = new ErrorReporter(undefined);
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #state: State = "idle";
  #stop: Promise<DrainReport> | null = null;
  #lastStats: QuicStats | null = null;

  private constructor(parts: AdapterParts) {
    this.#parts = parts;
    this.#handle = parts.handle ?? 0;
  }

  /** Used by `AdapterBuilder.build`. */
  static create(parts: AdapterParts): QuicAdapter {
    return new QuicAdapter(parts);
  }

  /**
   * Returns an adapter for a running server, so that a Worker of this process serves a share of its connections: the
   * adapters of a server take turns. Call `start` as for any adapter; `detach` ends its share.
   *
   * @param handle of the server: `handle` of the adapter that started it
   * @param options limits of this adapter's requests, and its memory. Default: as `AdapterBuilder`
   * @throws {AdapterError} `InvalidRequest` (4001): an option is invalid, the text names it
   */
  static attach(handle: number, options?: ServingOptions & { library?: string }): QuicAdapter {
    checkInteger("handle", handle, 1, Number.MAX_SAFE_INTEGER);
    const { library, maxPayloadBytes, maxGatheredBytes, requestTimeoutMs, channel } = checkOptions(
      "options",
      options,
      ATTACH_OPTIONS,
    );
    if (library !== undefined) checkText("library", library, 1, 4096);
    const serving = resolveServingOptions({ maxPayloadBytes, maxGatheredBytes, requestTimeoutMs, channel });
    return new QuicAdapter({ settings: null, serving, library, handle });
  }

  // ---- Handlers ----

  /**
   * Handles each bidirectional stream of a client as one request. If the handler throws, its stream ends with
   * `AdapterCode.HandlerFailed`.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter is started
   */
  onRequest(handler: RequestHandler): this {
    return this.#register("request", handler);
  }

  /**
   * Handles streams that clients open; with `onRequest` only unidirectional ones.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter is started
   */
  onStream(handler: (stream: QuicStream) => unknown): this {
    return this.#register("stream", handler);
  }

  /**
   * Handles datagrams. The bytes are lent until the handler has returned, or its promise is settled.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter is started
   */
  onDatagram(handler: DatagramHandler): this {
    return this.#register("datagram", handler);
  }

  /**
   * Handles each connection whose handshake is complete. If the handler throws, its connection is closed.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter is started
   */
  onConnection(handler: (connection: QuicConnection) => unknown): this {
    return this.#register("connection", handler);
  }

  /**
   * Receives the library's log instead of standard error. Works only with a handler or an iteration that opens a
   * channel. Messages of the start, and those that the isolate reads too slowly, go to standard error. The environment
   * variable KNUL_LOG selects the messages: docs/operating.md.
   * @param handler called with each message
   * @throws {AdapterError} `InvalidContext` (1001): the adapter is started
   */
  onLog(handler: LogHandler): this {
    return this.#register("log", handler);
  }

  /**
   * Handles each error of a handler, with the object that the handler was called for. Its own errors are logged.
   * Default: console.error, at most once per second.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter is started
   */
  onError(handler: ErrorHandler): this {
    return this.#register("error", handler);
  }

  // ---- Life ----

  /**
   * Starts the server and accepts its connections. An adapter without handlers leaves connections to attached adapters
   * until the program iterates over it. Blocks the isolate to read files, check keys and start threads, well under a
   * second.
   *
   * @throws {AdapterError} with the library's code and text: `InvalidRequest` (4001): a setting is unknown or invalid;
   *   `Internal` (1000): unusable certificate or key; `NetworkError` (5000): the port is in use; these have an `option`.
   *   `InvalidContext` (1001): it was already started, or the library was not found. `InvalidPointer` (1004): the server
   *   that it is attached to does not run
   */
  async start(): Promise<void> {
    if (this.#state !== "idle") {
      throw new AdapterError(KrepisCode.InvalidContext, "the adapter was already started");
    }
    this.#state = "running";
    try {
      await wrapped(() => this.#begin());
    } catch (error) {
      this.#state = "idle";
      this.#core?.close(); // the next start loads it again
      this.#core = null;
      throw error;
    }
  }

  /**
   * Reads the certificate and key files again and replaces the certificates in one step: later handshakes use the new
   * ones, connections go on. After an error the present ones stay in use. Blocks the isolate to read files and check
   * keys, well under a second.
   *
   * @throws {AdapterError} `Internal` (1000): unusable certificate or key, the text names it; `InvalidContext` (1001):
   *   not running, or certificate and key were given as texts
   */
  reload(): void {
    this.#ask((core) => core.reload(this.#handle));
  }

  /**
   * Drains and stops the server: it refuses new connections and streams and lets open streams finish until the
   * deadline, while handlers go on. A second call returns the same report.
   *
   * @param options `deadlineMs`: how long streams may take to finish, 0 to 3,600,000. Default: `drainTimeoutMs`
   * @returns the report of the drain, with the last statistics
   * @throws {AdapterError} `InvalidContext` (1001): not started, or attached to a server: see `detach`;
   *   `InvalidPointer` (1004): the server was stopped elsewhere
   */
  async stop(options?: { deadlineMs?: number }): Promise<DrainReport> {
    const { deadlineMs } = checkOptions("options", options, ["deadlineMs"]);
    if (deadlineMs !== undefined) checkInteger("deadlineMs", deadlineMs, 0, 3_600_000);
    this.#stop ??= wrapped(() => this.#drain(deadlineMs)).catch((error) => {
      this.#stop = null;
      throw error;
    });
    return await this.#stop;
  }

  /**
   * Ends this adapter's share of the server: closes its connections with `ConsumerGone`. The server goes on. No effect
   * after the adapter has ended.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter started its server itself: see `stop`
   */
  detach(): void {
    if (this.#parts.settings !== null) {
      throw new AdapterError(KrepisCode.InvalidContext, "the adapter owns its server; call stop()");
    }
    this.#session?.close();
    this.#end();
  }

  /** Stops an adapter that started its server; detaches an attached one. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "idle" || this.#state === "stopped") return;
    if (this.#parts.settings === null) return this.detach();
    await this.stop();
  }

  /** True from `start` until it is stopped or detached; also while it drains. */
  isRunning(): boolean {
    return this.#state === "running" || this.#state === "stopping";
  }

  /** True while its server refuses new work because it is stopping. */
  isDraining(): boolean {
    return this.#state === "stopping" || (this.#session?.isDraining ?? false);
  }

  // ---- Observation ----

  /** The UDP port. @throws {AdapterError} `InvalidContext` (1001): not running */
  get port(): number {
    return this.#ask((core) => core.port(this.#handle));
  }

  /** The server's handle, for `attach` in a Worker. @throws {AdapterError} `InvalidContext` (1001): not running */
  get handle(): number {
    this.#library();
    return this.#handle;
  }

  /**
   * Statistics; a call takes some 50 microseconds. After the server's stop it returns the last statistics, after `detach`
   * those of that moment, both without the figures of the channel.
   * @throws {AdapterError} `InvalidContext` (1001): not started; `InvalidPointer` (1004): the server was stopped
   *   elsewhere, and this adapter had no channel that reported it
   */
  getStats(): QuicStats {
    if (this.#state === "stopped" && this.#lastStats !== null) return { ...this.#lastStats };
    const library = this.#ask((core) => core.stats(this.#handle));
    return { ...this.#channelStats(), ...this.#withOwn(library) };
  }

  #withOwn(library: Record<string, number | string>): QuicStats {
    const requests = this.#session?.requests;
    return {
      ...camelCaseKeys(library),
      handlerErrors: this.#errors.handlerErrors,
      requestTimeouts: requests?.counters.timeouts ?? 0,
      payloadsTooLarge: requests?.counters.payloadsTooLarge ?? 0,
      requestsOverloaded: requests?.counters.overloaded ?? 0,
      datagramsRefused: this.#session?.datagramsRefused ?? 0,
      gatheredBytes: requests?.budget.held.used ?? 0,
      gatheredBytesWaiting: requests?.budget.waiting.used ?? 0,
    } as QuicStats;
  }

  /** @returns null: the server is gone */
  #statsNow(): QuicStats | null {
    try {
      return this.#withOwn(this.#core!.stats(this.#handle));
    } catch {
      return null;
    }
  }

  /** Statistics as OpenMetrics text. @throws {AdapterError} `InvalidContext` (1001): not running */
  metrics(): string {
    return this.#ask((core) => core.metrics(this.#handle));
  }

  /**
   * A page of the server's open connections, of all adapters. Blocks until the workers answer: some milliseconds for
   * 100,000 connections, at most a second. The workers go on serving their connections meanwhile.
   *
   * @param query which connections, in what order, and from where on; `sort` is a name of a row, such as "ageMs"
   * @throws {AdapterError} `InvalidRequest` (4001): a wrong query; `Timeout` (2000): a worker did not answer;
   *   `InvalidContext` (1001): not running
   */
  connections(query: ConnectionQuery = {}): ConnectionPage {
    const { sort, ...rest } = checkOptions("query", query, [
      "sort",
      "descending",
      "limit",
      "after",
      "peer",
      "alpn",
      "state",
    ]);
    const asked = typeof sort === "string" ? { ...rest, sort: snakeCase(sort) } : { ...rest, sort };
    const page = this.#ask((core) => core.connectionsPage(this.#handle, asked));
    return { ...page, connections: page.connections.map(camelCaseRow) };
  }

  /** The settings: the values that a running server uses, else the given ones. */
  getConfig(): AdapterConfig {
    const isKnown = this.#core !== null && this.isRunning();
    const settings = isKnown ? this.#ask((core) => core.info(this.#handle)).settings : this.#givenSettings();
    const { channel, ...serving } = this.#parts.serving;
    return { ...camelCaseKeys(settings), ...serving, channel: { ...channel } };
  }

  /**
   * Iterates over connections whose handshake completes from now on; ends with the adapter. After the loop has ended, an
   * adapter without handlers closes connections with `AdapterCode.NoConsumer` until another loop begins.
   * @throws {AdapterError} `InvalidContext` (1001): not running
   */
  [Symbol.asyncIterator](): AsyncIterator<QuicConnection, void, void> {
    this.#library();
    return (this.#session ?? (this.#session = this.#openSession(this.#handlers))).iterate();
  }

  // ---- Inside ----

  #register<K extends keyof Handlers>(kind: K, handler: NonNullable<Handlers[K]>): this {
    checkFunction("handler", handler);
    if (this.#state !== "idle") {
      throw new AdapterError(
        KrepisCode.InvalidContext,
        "the adapter was started; register handlers before start()",
      );
    }
    this.#handlers[kind] = handler as Handlers[K];
    return this;
  }

  #givenSettings(): Record<string, unknown> {
    const settings: Record<string, unknown> = {};
    for (const [name, { value }] of this.#parts.settings ?? []) {
      settings[name] = name === "key_pem" ? "(not shown)" : value; // as the library shows it
    }
    return settings;
  }

  #begin(): void {
    const core = loadLibrary(this.#parts.library);
    this.#core = core;
    if (this.#parts.settings !== null) this.#handle = startServer(core, this.#parts.settings);
    else checkServer(core, this.#handle);
    const { request, stream, datagram, connection, error } = this.#handlers;
    this.#errors = new ErrorReporter(error);
    if (!request && !stream && !datagram && !connection) return;
    try {
      this.#session = this.#openSession(this.#handlers);
    } catch (error) {
      if (this.#parts.settings !== null) core.stop(this.#handle, 0);
      throw error;
    }
  }

  /** @param previous the session that the new one replaces */
  #openSession(handlers: Handlers, previous: Session | null = null): Session {
    const core = this.#core!;
    const config = new DataView(new ArrayBuffer(FfiChannelConfig.size));
    const { arenaBytes, ringRecords, queueBytes, consumerTimeoutMs } = this.#parts.serving.channel;
    config.setBigUint64(FfiChannelConfig.arena_bytes, BigInt(arenaBytes), true);
    config.setUint32(FfiChannelConfig.ring_records, ringRecords, true);
    config.setUint32(FfiChannelConfig.queue_bytes, queueBytes, true);
    config.setUint32(FfiChannelConfig.wake, Wake.Socket, true);
    const timeout = consumerTimeoutMs === Infinity ? CONSUMER_TIMEOUT_NEVER : consumerTimeoutMs;
    config.setUint32(FfiChannelConfig.consumer_timeout_ms, timeout, true);
    const region = new ArrayBuffer(FfiChannelRegion.size);
    const code = core.channel.krepis_channel_open(BigInt(this.#handle), config.buffer, region);
    if (code !== KrepisCode.Success) throw core.error(code);
    const session = new Session(
      core,
      mapRegion(region),
      handlers,
      this.#parts.serving,
      this.#errors,
      previous,
    );
    session.ended.then((end) => this.#endSession(session, end));
    return session;
  }

  async #drain(deadlineMs: number | undefined): Promise<DrainReport> {
    if (this.#parts.settings === null) {
      throw new AdapterError(
        KrepisCode.InvalidContext,
        "an attached adapter does not own its server; call detach()",
      );
    }
    const core = this.#library();
    deadlineMs ??= core.info(this.#handle).settings.drain_timeout_ms as number;
    // The report arrives as an event. If no channel is open, one is opened for it.
    const isOpen = this.#session !== null && !this.#session.isOver;
    const session = isOpen ? this.#session! : this.#openSession({});
    const code = core.channel.krepis_quic_stop_begin(BigInt(this.#handle), BigInt(deadlineMs));
    if (code !== KrepisCode.Success) throw core.error(code);
    this.#state = "stopping";
    const end = await session.ended;
    if ("error" in end) throw end.error;
    const { stats: _, ...report } = JSON.parse(end.report);
    return { ...camelCaseKeys(report), stats: this.getStats() } as unknown as DrainReport;
  }

  // The server can outlive the channel. If this isolate was only busy, a new channel replaces the old one. If the
  // program has damaged the memory, the adapter takes no more connections, but the server runs until it is stopped.
  #endSession(session: Session, end: SessionEnd): void {
    if ("report" in end) this.#lastStats = this.#withOwn(JSON.parse(end.report).stats ?? {});
    if ("report" in end || this.#state !== "running") return this.#end();
    if (end.isResumable) {
      try {
        this.#session = this.#openSession(this.#handlers, session);
        return;
      } catch (error) {
        this.#errors.report(asAdapterError(error), { part: "adapter" });
        session.endIteration();
      }
    }
    if (this.#parts.settings === null) this.#end();
    else this.#keepAlive ??= setInterval(() => {}, 2 ** 30);
  }

  #end(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#lastStats ??= this.#statsNow();
    clearInterval(this.#keepAlive);
    this.#core?.close();
  }

  #channelStats(): Record<string, number> {
    const stats: Record<string, number> = {};
    if (!this.#session?.channel.isOpen) return stats;
    const info = this.#ask((core) => core.channelInfo(this.#session!.channel.id));
    for (const name in info) stats[camelCase(`channel_${name}`)] = info[name]!;
    return stats;
  }

  #ask<T>(question: (core: KrepisCore) => T): T {
    const core = this.#library();
    try {
      return question(core);
    } catch (error) {
      throw asAdapterError(error);
    }
  }

  #library(): KrepisCore {
    if (this.#core !== null && this.isRunning()) return this.#core;
    throw new AdapterError(KrepisCode.InvalidContext, "the adapter is not running");
  }
}

function loadLibrary(path: string | undefined): KrepisCore {
  try {
    return loadKrepisCore(path);
  } catch (error) {
    throw asAdapterError(error, path === undefined ? undefined : "library");
  }
}

/** @throws {AdapterError} `InvalidPointer` (1004): the handle does not name a server */
function checkServer(core: KrepisCore, handle: number): void {
  try {
    core.port(handle);
  } catch (error) {
    throw asAdapterError(error, "handle");
  }
}

async function wrapped<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw asAdapterError(error);
  }
}

/** Converts a KrepisError to an AdapterError with the same code and text. Returns any other value unchanged. */
function asAdapterError(error: unknown, option?: string): unknown {
  if (error instanceof AdapterError || !(error instanceof KrepisError)) return error;
  return new AdapterError(
    error.code,
    error.text,
    option === undefined ? { cause: error } : { cause: error, option },
  );
}

function camelCaseRow(row: Record<string, unknown>): ConnectionRow {
  const shares = camelCaseKeys(row.limited_shares as Record<string, number>);
  return { ...camelCaseKeys(row), limitedShares: shares } as ConnectionRow;
}
