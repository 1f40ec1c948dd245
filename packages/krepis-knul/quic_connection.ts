import { type CloseSource, DatagramPolicy as PolicyNumber } from "@krepis/core";
import {
  bytesOf,
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkOptions,
  checkSignal,
  checkText,
  type QuicBytes,
} from "./_conversions.ts";
import { checkCode } from "./_application_code.ts";
import { invalidOption } from "./adapter_error.ts";
import type { DatagramFate } from "./adapter_reports.ts";
import type { FateHandler } from "./_fates.ts";
import type { Owner } from "./_owner.ts";
import type { QuicStream, StreamEnd } from "./quic_stream.ts";

/** Takes datagrams; see `QuicAdapter.onDatagram`. */
export type DatagramHandler = (bytes: Uint8Array<ArrayBuffer>, connection: QuicConnection) => unknown;

/** What ended a connection, such as "peerApplication": the names of `CloseSource` in @krepis/core. */
export type ConnectionEndSource = Uncapitalize<keyof typeof CloseSource>;

/** How a connection ended. */
export interface ConnectionEnd {
  source: ConnectionEndSource;
  /** Application or transport code (RFC 9000 §20). Exact up to 2^53 - 1. */
  code: number;
  reason: string;
}

/** The certificate that a client presented. The library has verified it: its chain, dates, purpose and key. */
export interface PeerCertificate {
  /** The distinguished name of the client as in RFC 4514, "CN=alice,O=Example"; at most 1,024 bytes. */
  subject: string;
  /** The distinguished name of the authority that issued it. */
  issuer: string;
  /** The serial number in hexadecimal. */
  serial: string;
  /** The SHA-256 fingerprint of the certificate in hexadecimal. */
  sha256: string;
  /** Unix time in seconds from which it is valid. */
  notBefore: number;
  /** Unix time in seconds to which it is valid. */
  notAfter: number;
  /** Alternative names (RFC 5280 §4.2.1.6): at most 64 and 2,048 bytes together, printable ASCII. */
  dnsNames: string[];
  uris: string[];
  ipAddresses: string[];
  emails: string[];
  /** There are more alternative names, or names with other bytes. */
  namesOmitted: boolean;
  /** Always true: the server refuses a client whose certificate is not valid. */
  verified: boolean;
}

/** A connection's figures, at most 100 ms old. */
export interface ConnectionInfo {
  id: number;
  /** The peer's address and port, "192.0.2.1:4433" or "[2001:db8::1]:4433". */
  peer: string;
  alpn: string;
  /** The server name that the client requested (SNI), or "". */
  serverName: string;
  smoothedRttUs: number;
  minRttUs: number;
  congestionWindowBytes: number;
  bytesInFlight: number;
  /** UDP payload. */
  bytesReceived: number;
  bytesSent: number;
  streamsActive: number;
  /** The largest datagram that fits now; 0: the peer does not accept datagrams. */
  maxDatagramBytes: number;
  /** Missing without one. */
  peerCertificate?: PeerCertificate;
}

/** Policy for a datagram when the queue of unsent datagrams is full: "block", "dropOldest" or "dropNewest". */
export type DatagramPolicy = Uncapitalize<keyof typeof PolicyNumber>;

/** How to send a datagram. */
export interface DatagramOptions {
  /** Default: "dropNewest". With "block", `sendDatagram` returns false and `datagramWritable` resolves when to retry. */
  policy?: DatagramPolicy;
  /** Time in milliseconds after which an unsent datagram is dropped, up to 2^32 - 1; 0, the default: never. */
  expiresMs?: number;
  /** Called once with the fate of an accepted datagram. */
  fate?: (fate: DatagramFate) => void;
}

const DATAGRAM_OPTIONS = ["policy", "expiresMs", "fate"];
const POLICIES: Record<DatagramPolicy, number> = {
  block: PolicyNumber.Block,
  dropOldest: PolicyNumber.DropOldest,
  dropNewest: PolicyNumber.DropNewest,
};

/** The figures that do not change while the connection lives. */
export type ConnectionIdentity = Pick<
  ConnectionInfo,
  "id" | "peer" | "alpn" | "serverName" | "peerCertificate"
>;

/** A stream that was opened here. */
export interface OpenedStream extends Owner<QuicStream> {
  readonly closed: Promise<StreamEnd>;
  abandon(code: number | bigint): void;
}

/** The internal state of a `QuicConnection`. */
export interface ConnectionMechanics {
  readonly isOpen: boolean;
  readonly incoming: AsyncIterable<QuicStream, void, void>;
  readonly closed: Promise<ConnectionEnd>;
  datagramHandler: DatagramHandler | null;
  identity(): ConnectionIdentity;
  info(): ConnectionInfo;
  openStream(isUnidirectional: boolean): OpenedStream;
  sendDatagram(
    bytes: Uint8Array<ArrayBuffer>,
    policy: number,
    expiresMs: number,
    fate: FateHandler | undefined,
  ): boolean;
  datagramWritable(): Promise<void>;
  close(code: bigint, reason: Uint8Array<ArrayBuffer>): void;
}

/**
 * A connection whose handshake is complete.
 *
 * @example
 * ```ts
 * import type { QuicConnection } from "@krepis/knul";
 *
 * async function greet(connection: QuicConnection) {
 *   const stream = connection.openStream({ unidirectional: true });
 *   await stream.end(new TextEncoder().encode(`hello, ${connection.remoteAddress.hostname}`));
 * }
 * console.assert(greet.length === 1);
 * ```
 */
export class QuicConnection {
  readonly #state: ConnectionMechanics;

  /** Made by the adapter. */
  constructor(state: ConnectionMechanics) {
    this.#state = state;
  }

  /** The peer's address at the end of the handshake. */
  get remoteAddress(): { hostname: string; port: number } {
    const { peer } = this.#state.identity();
    const colon = peer.lastIndexOf(":");
    return { hostname: peer.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(peer.slice(colon + 1)) };
  }

  /** The negotiated application protocol (ALPN). */
  get alpn(): string {
    return this.#state.identity().alpn;
  }

  /** The server name that the client requested (SNI), or "". */
  get serverName(): string {
    return this.#state.identity().serverName;
  }

  /** The client's certificate (`AdapterBuilder.clientAuth`); null without one. */
  get peerCertificate(): PeerCertificate | null {
    return this.#state.identity().peerCertificate ?? null;
  }

  /** Smoothed round-trip time in milliseconds. */
  get rtt(): number {
    return this.info().smoothedRttUs / 1000;
  }

  get isOpen(): boolean {
    return this.#state.isOpen;
  }

  /** All figures; after the connection's end the last ones. @throws {AdapterError} 1001: there are none */
  info(): ConnectionInfo {
    return { ...this.#state.info() };
  }

  /**
   * Opens a stream. The program may write at once; the library sends when the peer's stream limit allows.
   *
   * @param options `unidirectional`: only this side sends. Default: false. `signal`: aborting it resets the
   *   stream with code 0
   * @throws {AdapterError} `InvalidContext` (1001): the connection has ended;
   *   `ConcurrencyLimitExceeded` (3003): 1,024 streams wait for the peer's limit
   */
  openStream(options: { unidirectional?: boolean; signal?: AbortSignal } = {}): QuicStream {
    const { unidirectional = false, signal } = checkOptions("options", options, ["unidirectional", "signal"]);
    checkBoolean("unidirectional", unidirectional);
    checkSignal("signal", signal)?.throwIfAborted();
    const stream = this.#state.openStream(unidirectional);
    if (signal) {
      const abandon = () => stream.abandon(0);
      signal.addEventListener("abort", abandon, { once: true });
      stream.closed.then(() => signal.removeEventListener("abort", abandon));
    }
    return stream.facade;
  }

  /**
   * Streams of the peer without a handler of the adapter; ends with the connection. After the loop has ended, the adapter
   * refuses streams with `AdapterCode.NoConsumer` until another loop begins.
   */
  get incomingStreams(): AsyncIterable<QuicStream> {
    return this.#state.incoming;
  }

  /** As `incomingStreams`. */
  [Symbol.asyncIterator](): AsyncIterator<QuicStream, void, void> {
    return this.#state.incoming[Symbol.asyncIterator]();
  }

  /**
   * Handles this connection's datagrams instead of the adapter's handler. The bytes are lent until the handler has
   * returned, or its promise is settled.
   */
  onDatagram(handler: DatagramHandler): void {
    this.#state.datagramHandler = checkFunction("handler", handler);
  }

  /**
   * Sends a datagram (RFC 9221): unreliable, unordered, copied at once.
   *
   * @param bytes a view, a buffer, or text (sent as UTF-8); 1 to `info().maxDatagramBytes` bytes
   * @param options policy for a full queue, expiry, and a callback for its fate
   * @returns true if it was accepted; false if the policy dropped it or the queue is full
   * @throws {AdapterError} `InvalidRequest` (4001): too long, empty, or the peer does not accept datagrams;
   *   `InvalidContext` (1001): the connection has ended
   */
  sendDatagram(bytes: QuicBytes, options?: DatagramOptions): boolean {
    const exact = bytesOf("bytes", bytes);
    if (exact.length === 0) throw invalidOption("bytes", "empty", "a datagram of at least one byte");
    const { policy, expiresMs, fate } = options === undefined ? DEFAULT_SENDING : checkSending(options);
    return this.#state.sendDatagram(exact, policy, expiresMs, fate);
  }

  /** Resolves when the queue has room again. @throws {AdapterError} 5001, 1001: the connection ended */
  datagramWritable(): Promise<void> {
    return this.#state.datagramWritable();
  }

  /**
   * Closes the connection (RFC 9000 §10.2) and discards buffered data. No effect after its end.
   *
   * @param code application error code, 0 to 2^62 - 1. Default: 0
   * @param reason at most 1,024 bytes for the peer's log. Default: ""
   * @throws {AdapterError} `InvalidRequest` (4001): invalid code or reason
   */
  close(code: number | bigint = 0, reason = ""): void {
    const exact = checkCode("code", code);
    this.#state.close(exact, bytesOf("reason", checkText("reason", reason, 0, 1024)));
  }

  /** Resolves when the connection has ended; never rejects. */
  get closed(): Promise<ConnectionEnd> {
    return this.#state.closed;
  }
}

/** `DatagramOptions` in the library's form. */
interface Sending {
  policy: number;
  expiresMs: number;
  fate: DatagramOptions["fate"];
}

const DEFAULT_SENDING: Sending = { policy: PolicyNumber.DropNewest, expiresMs: 0, fate: undefined };

function checkSending(options: DatagramOptions): Sending {
  const { policy = "dropNewest", expiresMs = 0, fate } = checkOptions("options", options, DATAGRAM_OPTIONS);
  if (fate !== undefined) checkFunction("fate", fate);
  return {
    policy: checkChoice("policy", policy, POLICIES),
    expiresMs: checkInteger("expiresMs", expiresMs, 0, 2 ** 32 - 1),
    fate,
  };
}
