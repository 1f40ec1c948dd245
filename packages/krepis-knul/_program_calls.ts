// The calls of the program's handlers that the firewall makes. Each is one object: a closure for each consequence would
// cost more than the call.
import { codeOfFailure } from "./_conversions.ts";
import type { Failure } from "./_error_reporter.ts";
import { type FateHandler, fateName } from "./_fates.ts";
import type { ProgramCall } from "./_firewall.ts";
import type { Owner } from "./_owner.ts";
import { type LogHandler, parseLogMessage } from "./log_message.ts";
import type { DatagramHandler, QuicConnection } from "./quic_connection.ts";
import type { QuicStream } from "./quic_stream.ts";

const EMPTY = new Uint8Array(0);

interface ClosableConnection extends Owner<QuicConnection> {
  close(code: bigint, reason: Uint8Array<ArrayBuffer>): void;
}

interface HandledStream extends Owner<QuicStream> {
  readonly connection: Owner<QuicConnection>;
  abandon(code: bigint): void;
  returnLent(): void;
  handlerDone(): void;
}

interface DatagramLender extends Owner<QuicConnection> {
  returnDatagram(length: number, offset: number): void;
}

/** Calls the handler of a connection. If the handler fails, the connection is closed. */
export class ConnectionCall implements ProgramCall {
  readonly #handler: (connection: QuicConnection) => unknown;
  readonly #connection: ClosableConnection;

  constructor(handler: (connection: QuicConnection) => unknown, connection: ClosableConnection) {
    this.#handler = handler;
    this.#connection = connection;
  }

  run(): unknown {
    const handler = this.#handler;
    return handler(this.#connection.facade);
  }

  succeeded(): void {}

  failure(): Failure {
    return { part: "connection", connection: this.#connection.facade };
  }

  failed(error: unknown): void {
    this.#connection.close(codeOfFailure(error), EMPTY);
  }

  settled(): void {}
}

/** Calls the handler of a stream. If the handler fails, the stream is reset and stopped. */
export class StreamCall implements ProgramCall {
  readonly #handler: (stream: QuicStream) => unknown;
  readonly #stream: HandledStream;

  constructor(handler: (stream: QuicStream) => unknown, stream: HandledStream) {
    this.#handler = handler;
    this.#stream = stream;
  }

  run(): unknown {
    const handler = this.#handler;
    return handler(this.#stream.facade);
  }

  succeeded(): void {}

  failure(): Failure {
    const { connection, facade } = this.#stream;
    return { part: "stream", connection: connection.facade, stream: facade };
  }

  failed(error: unknown): void {
    this.#stream.abandon(codeOfFailure(error));
    this.#stream.returnLent(); // the handler reads no further
  }

  settled(): void {
    this.#stream.handlerDone();
  }
}

/** Calls the handler of a datagram. The bytes of the datagram are returned when the handler has settled. */
export class DatagramCall implements ProgramCall {
  readonly #handler: DatagramHandler;
  readonly #connection: DatagramLender;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #length: number; // kept, because the handler may transfer a copy
  readonly #offset: number;

  /** @param offset of the bytes where they are lent, -1 for a copy */
  constructor(
    handler: DatagramHandler,
    connection: DatagramLender,
    bytes: Uint8Array<ArrayBuffer>,
    offset: number,
  ) {
    this.#handler = handler;
    this.#connection = connection;
    this.#bytes = bytes;
    this.#length = bytes.length;
    this.#offset = offset;
  }

  run(): unknown {
    const handler = this.#handler;
    return handler(this.#bytes, this.#connection.facade);
  }

  succeeded(): void {}

  failure(): Failure {
    return { part: "datagram", connection: this.#connection.facade };
  }

  failed(): void {}

  settled(): void {
    this.#connection.returnDatagram(this.#length, this.#offset);
  }
}

export class FateCall implements ProgramCall {
  readonly #handler: FateHandler;
  readonly #connection: Owner<QuicConnection>;
  readonly #fate: number;

  /** @param fate a KrepisDatagramFate */
  constructor(handler: FateHandler, connection: Owner<QuicConnection>, fate: number) {
    this.#handler = handler;
    this.#connection = connection;
    this.#fate = fate;
  }

  run(): unknown {
    const handler = this.#handler;
    return handler(fateName(this.#fate));
  }

  succeeded(): void {}

  failure(): Failure {
    return { part: "fate", connection: this.#connection.facade };
  }

  failed(): void {}

  settled(): void {}
}

/** Calls the handler of the library's log. */
export class LogCall implements ProgramCall {
  readonly #handler: LogHandler;
  readonly #json: string;

  constructor(handler: LogHandler, json: string) {
    this.#handler = handler;
    this.#json = json;
  }

  run(): unknown {
    const handler = this.#handler;
    return handler(parseLogMessage(this.#json));
  }

  succeeded(): void {}

  failure(): Failure {
    return { part: "log" };
  }

  failed(): void {}

  settled(): void {}
}
