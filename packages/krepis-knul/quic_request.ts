import type { Owner } from "./_owner.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicStream } from "./quic_stream.ts";

/** The answer of a handler: bytes, text as UTF-8, a stream of bytes, or nothing for an empty answer. */
export type QuicResponse = Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array<ArrayBuffer>> | void;

/** Answers requests. A handler that returns its answer without a promise is the fastest. */
export type RequestHandler = (request: QuicRequest) => QuicResponse | Promise<QuicResponse>;

/** The internal state of a `QuicRequest`. */
export interface RequestMechanics {
  readonly stream: Owner<QuicStream> & { readonly connection: Owner<QuicConnection> };
  readonly signal: AbortSignal;
}

/** A whole bidirectional stream of a client, as one request. */
export class QuicRequest {
  /**
   * All bytes of the client. **Lent** until the handler has answered: copy bytes that you need longer (`slice()`). The
   * payload itself may be the answer.
   */
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly #state: RequestMechanics;

  /** Made by the adapter. */
  constructor(state: RequestMechanics, payload: Uint8Array<ArrayBuffer>) {
    this.#state = state;
    this.payload = payload;
  }

  get connection(): QuicConnection {
    return this.#state.stream.connection.facade;
  }

  /** Its receiving side has ended; bytes that are written to it precede the answer. */
  get stream(): QuicStream {
    return this.#state.stream.facade;
  }

  /**
   * Aborts when the client no longer waits for the answer: it stopped the stream (perhaps before the handler was called),
   * the connection ended, or the request took longer than `requestTimeoutMs`. The reason is a `StreamError`.
   */
  get signal(): AbortSignal {
    return this.#state.signal;
  }
}
