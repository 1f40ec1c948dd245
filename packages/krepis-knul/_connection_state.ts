// The mechanics of one connection: its streams, its datagrams, and how it ended. The program sees
// QuicConnection, which is made on first use.
import { DATAGRAM_REPORT_FATE, DatagramFate, KrepisCode, type KrepisCore, KrepisError } from "@krepis/core";
import { AdapterError } from "./adapter_error.ts";
import { AsyncQueue } from "./_async_queue.ts";
import { camelCaseKeys } from "./_camel_case.ts";
import type { Channel } from "./_channel.ts";
import type { Holder } from "./_fair_shares.ts";
import { type FateHandler, Fates } from "./_fates.ts";
import type { Firewall } from "./_firewall.ts";
import type { Share } from "./_gather_budget.ts";
import { observedResolvers } from "./_observed.ts";
import type { Owner } from "./_owner.ts";
import { FateCall } from "./_program_calls.ts";
import { AdapterCode } from "./adapter_codes.ts";
import {
  type ConnectionEnd,
  type ConnectionIdentity,
  type ConnectionInfo,
  type ConnectionMechanics,
  type DatagramHandler,
  type OpenedStream,
  QuicConnection,
} from "./quic_connection.ts";
import type { QuicStream } from "./quic_stream.ts";
import { printedCode, StreamError } from "./stream_error.ts";

/** What a connection needs of the session that it belongs to. */
export interface ConnectionHost {
  readonly core: Pick<KrepisCore, "connectionInfo" | "lastError">;
  readonly channel: Channel;
  readonly firewall: Firewall;
  openStream(connection: ConnectionState, isUnidirectional: boolean): OpenedStream;
  /** The stream's handle is no longer valid. */
  forgetStream(stream: ListedStream): void;
  /** A datagram's handler has settled. @param offset of the bytes where they were lent, -1 for a copy */
  returnDatagram(connection: ConnectionState, length: number, offset: number): void;
}

/** A stream in the list of its connection. */
export interface ListedStream {
  readonly handle: number;
  previous: ListedStream | null;
  next: ListedStream | null;
  handleConnectionEnd(error: StreamError): void;
}

export class ConnectionState implements ConnectionMechanics, Owner<QuicConnection> {
  readonly host: ConnectionHost;
  readonly channel: Channel;
  readonly handle: number;
  datagramHandler: DatagramHandler | null = null;
  /** Memory that its requests hold. */
  share: Share | null = null;
  /** Its payloads and datagrams that are lent to handlers. */
  readonly lent: Holder = { used: 0 };
  /** Bytes of its datagrams that were copied for handlers. */
  readonly copied: Holder = { used: 0 };
  #firstStream: ListedStream | null = null;
  #identity: ConnectionIdentity | string; // JSON until it is needed; "": the arena had no room for it
  #info: ConnectionInfo | null = null;
  #end: ConnectionEnd | null = null;
  #closed: PromiseWithResolvers<ConnectionEnd> | null = null;
  #writable: PromiseWithResolvers<void> | null = null;
  #incoming: AsyncQueue<QuicStream> | null = null;
  #fates: Fates | null = null;
  #facade: QuicConnection | null = null;

  /** @param identity the text of the event ConnectionOpened */
  constructor(host: ConnectionHost, handle: number, identity: string) {
    this.#identity = identity;
    this.host = host;
    this.channel = host.channel;
    this.handle = handle;
  }

  get facade(): QuicConnection {
    return this.#facade ??= new QuicConnection(this);
  }

  get isOpen(): boolean {
    return this.#end === null;
  }

  /** The connection's current figures; after its end the last known ones. */
  info(): ConnectionInfo {
    if (this.#end === null) this.#look();
    if (this.#info === null) throw hasEnded();
    return this.#info;
  }

  /** The figures that never change. The first event carries them, so they are known after the end, too. */
  identity(): ConnectionIdentity {
    if (this.#identity === "") return this.#info ?? this.info();
    if (typeof this.#identity === "string") {
      this.#identity = readFacts<ConnectionIdentity>(JSON.parse(this.#identity));
    }
    return this.#identity;
  }

  /** Reads the figures from the library, which has them until this channel has read ConnectionClosed. */
  #look(): void {
    if (!this.channel.isOpen) return;
    try {
      this.#info = readFacts<ConnectionInfo>(this.host.core.connectionInfo(this.channel.id, this.handle));
    } catch (error) {
      if (!(error instanceof KrepisError) || error.code !== KrepisCode.InvalidPointer) throw error;
    }
  }

  /** Streams that no handler takes. */
  get incoming(): AsyncQueue<QuicStream> {
    if (this.#incoming === null) {
      this.#incoming = new AsyncQueue((stream) => {
        stream.reset(AdapterCode.NoConsumer);
        stream.stopSending(AdapterCode.NoConsumer);
      });
      if (this.#end !== null) this.#incoming.close();
    }
    return this.#incoming;
  }

  openStream(isUnidirectional: boolean): OpenedStream {
    return this.host.openStream(this, isUnidirectional);
  }

  addStream(stream: ListedStream): void {
    stream.next = this.#firstStream;
    if (this.#firstStream !== null) this.#firstStream.previous = stream;
    this.#firstStream = stream;
  }

  removeStream(stream: ListedStream): void {
    if (stream.previous === null) this.#firstStream = stream.next;
    else stream.previous.next = stream.next;
    if (stream.next !== null) stream.next.previous = stream.previous;
    stream.previous = stream.next = null;
  }

  /** @returns whether it was taken; see krepis_datagram_send */
  sendDatagram(
    bytes: Uint8Array<ArrayBuffer>,
    policy: number,
    expiresMs: number,
    fate: FateHandler | undefined,
  ): boolean {
    this.requireOpen();
    const { channel, host } = this;
    const context = fate ? (this.#fates ??= new Fates()).expect(fate) : 0;
    const flags = fate ? policy | DATAGRAM_REPORT_FATE : policy;
    const call = channel.calls.krepis_datagram_send;
    const taken = call(channel.id, this.handle, bytes, bytes.length, flags, expiresMs, context);
    if (taken !== 1) this.#fates?.take(context);
    if (taken < 0) throw refusedDatagram(-taken, host.core.lastError());
    return taken === 1;
  }

  handleFate(context: number, fate: number): void {
    const handler = this.#fates?.take(context);
    if (handler) this.#tellFate(handler, fate);
  }

  #tellFate(handler: FateHandler, fate: number): void {
    this.host.firewall.call(new FateCall(handler, this, fate));
  }

  /** A datagram's handler has settled. @param offset of the bytes where they were lent, -1 for a copy */
  returnDatagram(length: number, offset: number): void {
    this.host.returnDatagram(this, length, offset);
  }

  datagramWritable(): Promise<void> {
    this.requireOpen();
    this.#writable ??= observedResolvers();
    return this.#writable.promise;
  }

  handleDatagramWritable(): void {
    this.#writable?.resolve();
    this.#writable = null;
  }

  close(code: bigint, reason: Uint8Array<ArrayBuffer>): void {
    if (this.#end !== null || !this.channel.isOpen) return;
    const call = this.channel.calls.krepis_connection_close;
    const answer = call(this.channel.id, this.handle, code, reason, reason.length);
    if (answer === KrepisCode.InvalidPointer) return; // it has ended; the event is not read yet
    if (answer !== KrepisCode.Success) throw new AdapterError(answer, this.host.core.lastError());
  }

  requireOpen(): void {
    if (this.#end === null && this.channel.isOpen) return;
    throw hasEnded();
  }

  /** The handles of the connection and its streams are no longer valid. */
  handleClosed(end: ConnectionEnd, exactCode: number | bigint = end.code): void {
    if (this.#end !== null) return;
    // The library forgets the connection after this event, so the last figures are read now.
    if (this.#facade !== null) this.host.firewall.protect(() => this.#look());
    this.#end = end;
    const text = end.reason
      ? `the connection ended (${end.source}): ${end.reason}`
      : `the connection ended (${end.source})`;
    if (this.#firstStream !== null) this.#endStreams(new StreamError("connection", exactCode, text));
    this.#incoming?.close();
    if (this.#writable !== null) {
      const why = `${text} (code ${printedCode(exactCode)})`;
      this.#writable.reject(new AdapterError(KrepisCode.ConnectionFailed, why));
    }
    this.#closed?.resolve(end);
    for (const handler of this.#fates?.takeAll() ?? []) this.#tellFate(handler, DatagramFate.Lost);
  }

  #endStreams(error: StreamError): void {
    const { host } = this;
    for (let stream = this.#firstStream; stream !== null; stream = this.#firstStream) {
      this.removeStream(stream);
      host.forgetStream(stream);
      host.firewall.protect(() => stream.handleConnectionEnd(error));
    }
  }

  get closed(): Promise<ConnectionEnd> {
    this.#closed ??= Promise.withResolvers();
    if (this.#end !== null) this.#closed.resolve(this.#end);
    return this.#closed.promise;
  }
}

/** The library's object with names in camelCase, also those of the certificate in it. */
function readFacts<Facts>(json: Record<string, unknown>): Facts {
  const facts = camelCaseKeys(json);
  const { peerCertificate } = facts;
  if (peerCertificate) facts.peerCertificate = camelCaseKeys(peerCertificate as Record<string, unknown>);
  return facts as Facts;
}

/** Also used before ConnectionClosed is read, because the library already refuses calls then. */
export function hasEnded(): AdapterError {
  return new AdapterError(KrepisCode.InvalidContext, "the connection has ended");
}

/** The adapter has checked everything but the length, so `InvalidRequest` is about the length. */
function refusedDatagram(code: number, text: string): AdapterError {
  if (code === KrepisCode.InvalidPointer) return hasEnded();
  const options = code === KrepisCode.InvalidRequest ? { option: "bytes" } : {};
  return new AdapterError(code, text, options);
}
