import { FfiChannelConfig, FfiChannelRegion, KrepisCode, type KrepisCore, KrepisError } from "@krepis/core";
import { loadKrepisCore, Wake } from "@krepis/core";
import { AdapterError } from "./adapter_error.ts";
import { checkFunction, checkInteger, checkOptions, checkText } from "./_conversions.ts";
import { type ResolvedServingOptions, resolveServingOptions } from "./adapter_options.ts";
import type { ServingOptions } from "./adapter_options.ts";
import type { AdapterConfig, DrainReport, QuicStats } from "./adapter_reports.ts";
import { camelCase, camelCaseKeys } from "./_camel_case.ts";
import { type ErrorHandler, ErrorReporter } from "./_error_reporter.ts";
import { mapRegion } from "./_region.ts";
import { type GivenSettings, startServer } from "./_server_settings.ts";
import { type Handlers, Session, type SessionEnd } from "./_session.ts";
import type { DatagramHandler, QuicConnection } from "./quic_connection.ts";
import type { RequestHandler } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";

export type { ErrorHandler, FailedPart, Failure } from "./_error_reporter.ts";

/** What an adapter is made of: a server of its own, or one that was started elsewhere. */
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
 * A QUIC server in this program, or this isolate's share of one.
 *
 * Register handlers, then `start`. If `onRequest` is there, it takes clients' bidirectional streams; `onStream`
 * takes the rest, or all without it. Streams that no handler takes can be iterated on their connection when
 * connections are taken by `onConnection` or `for await`, and are refused with `NoConsumer` otherwise.
 *
 * While it runs, the process does not end by itself; after `stop` it does.
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
   * An adapter for a server that runs already, so that a Worker of this process serves a share of its
   * connections: each adapter gets its turn. It is started as any other; `detach` ends its share.
   *
   * @param handle of the server: `handle` of the adapter that started it
   * @param options limits of this adapter's requests, and its memory. Default: as `AdapterBuilder`
   * @throws {AdapterError} `InvalidRequest` (4001) names the option
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
   * Takes each bidirectional stream of a client as one request. A handler that throws costs its stream, with
   * `AdapterCode.HandlerFailed`.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter was started
   */
  onRequest(handler: RequestHandler): this {
    return this.#register("request", handler);
  }

  /**
   * Takes streams that clients open; unidirectional ones only where `onRequest` takes the others.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter was started
   */
  onStream(handler: (stream: QuicStream) => unknown): this {
    return this.#register("stream", handler);
  }

  /**
   * Takes datagrams. The bytes are lent until the handler has returned, or its promise is settled.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter was started
   */
  onDatagram(handler: DatagramHandler): this {
    return this.#register("datagram", handler);
  }

  /**
   * Told of each connection whose handshake is complete; one whose handler fails is closed.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter was started
   */
  onConnection(handler: (connection: QuicConnection) => unknown): this {
    return this.#register("connection", handler);
  }

  /**
   * Called for each failure of a handler, with what the handler was called for. If it throws itself, that is logged.
   * Default: console.error, at most once per second.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter was started
   */
  onError(handler: ErrorHandler): this {
    return this.#register("error", handler);
  }

  // ---- Life ----

  /**
   * Starts the server and takes its connections. An adapter without handlers leaves them to others that attach,
   * until it is iterated. Blocks the isolate for file reads, key checks and thread starts, well under a second.
   *
   * @throws {AdapterError} with the library's code and text: `InvalidRequest` (4001) an unknown or refused
   *   setting, `Internal` (1000) an unusable certificate or key, `NetworkError` (5000) the port is in use; these have
   *   an `option`. `InvalidContext` (1001): it was started before, or the library was not found. `InvalidPointer`
   *   (1004): the server that it was attached to does not run
   */
  async start(): Promise<void> {
    if (this.#state !== "idle") {
      throw new AdapterError(KrepisCode.InvalidContext, "the adapter was started before");
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
   * Stops the server: new connections and streams are refused, open streams may finish until the deadline.
   * Handlers go on meanwhile. Stopping again gives the same report.
   *
   * @param options `deadlineMs`: milliseconds that streams may take, 0 to 3,600,000. Default: `drainTimeoutMs`
   * @returns what the drain did, and the statistics at its end
   * @throws {AdapterError} `InvalidContext` (1001): not started, or attached to another's server: see
   *   `detach`; `InvalidPointer` (1004): the server was stopped elsewhere
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
   * Gives up this adapter's share of the server's connections; those it has are closed with `ConsumerGone`.
   * The server runs on. No effect when it is over.
   * @throws {AdapterError} `InvalidContext` (1001): the adapter started its server itself: see `stop`
   */
  detach(): void {
    if (this.#parts.settings !== null) {
      throw new AdapterError(KrepisCode.InvalidContext, "the adapter owns its server: use stop()");
    }
    this.#session?.close();
    this.#end();
  }

  /** Stops an adapter with a server of its own, detaches another. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "idle" || this.#state === "stopped") return;
    if (this.#parts.settings === null) return this.detach();
    await this.stop();
  }

  /** Whether it was started and neither stopped nor detached. A draining adapter still runs. */
  isRunning(): boolean {
    return this.#state === "running" || this.#state === "stopping";
  }

  /** Whether its server refuses new work because it stops. */
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
   * Statistics; reading them costs some 50 microseconds. After the stop of the server they are its last ones, after
   * `detach` those at that moment; both without the figures of the channel.
   * @throws {AdapterError} `InvalidContext` (1001): not started; `InvalidPointer` (1004): the server was stopped
   *   elsewhere, and this adapter had no channel through which it would have been told
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

  /** The settings: while it runs those in force, else those that were given. */
  getConfig(): AdapterConfig {
    const isKnown = this.#core !== null && this.isRunning();
    const settings = isKnown ? this.#ask((core) => core.info(this.#handle)).settings : this.#givenSettings();
    const { channel, ...serving } = this.#parts.serving;
    return { ...camelCaseKeys(settings), ...serving, channel: { ...channel } };
  }

  /**
   * Iterates over connections whose handshake completes from now on; ends with the adapter. If the loop is left and no
   * handler is registered, connections are closed with `AdapterCode.NoConsumer` until another loop begins.
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
        "handlers are registered before the adapter is started",
      );
    }
    this.#handlers[kind] = handler as Handlers[K];
    return this;
  }

  #givenSettings(): Record<string, unknown> {
    const settings: Record<string, unknown> = {};
    for (const [name, { value }] of this.#parts.settings ?? []) settings[name] = value;
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
        "an attached adapter does not own its server: use detach()",
      );
    }
    const core = this.#library();
    deadlineMs ??= core.info(this.#handle).settings.drain_timeout_ms as number;
    // The report comes as an event. If there is no open channel, one is opened for it.
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

/** @throws {AdapterError} `InvalidPointer` (1004) for the handle of no server */
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

/** The library's errors as the adapter's, with code and text. */
function asAdapterError(error: unknown, option?: string): unknown {
  if (error instanceof AdapterError || !(error instanceof KrepisError)) return error;
  return new AdapterError(
    error.code,
    error.text,
    option === undefined ? { cause: error } : { cause: error, option },
  );
}
