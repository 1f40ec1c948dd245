// Gathers requests, calls the program's handler and sends its answers.
import { AdapterCode } from "./adapter_codes.ts";
import { StreamError } from "./adapter_error.ts";
import type { ResolvedServingOptions } from "./adapter_options.ts";
import { Deadlines } from "./_deadlines.ts";
import type { ErrorReporter } from "./_error_reporter.ts";
import { RequestState } from "./_request_state.ts";
import type { StreamState } from "./_stream_state.ts";
import { QuicRequest, type QuicResponse, type RequestHandler } from "./quic_request.ts";

const encoder = new TextEncoder();
const EMPTY = new Uint8Array(0);

export class RequestServer {
  timeouts = 0;
  payloadsTooLarge = 0;
  readonly #handler: RequestHandler;
  readonly #errors: ErrorReporter;
  readonly #maxPayloadBytes: number;
  readonly #deadlines: Deadlines<RequestState>;

  constructor(handler: RequestHandler, options: ResolvedServingOptions, errors: ErrorReporter) {
    this.#handler = handler;
    this.#errors = errors;
    this.#maxPayloadBytes = options.maxPayloadBytes;
    this.#deadlines = new Deadlines(options.requestTimeoutMs, (request) => this.#expire(request));
  }

  stop(): void {
    this.#deadlines.stop();
  }

  /** Bytes of a request's stream, the first or further ones. */
  handleData(stream: StreamState, offset: number, length: number, isLast: boolean): void {
    const request = stream.request ??= new RequestState(stream);
    if (request.isOver) return release(stream, offset, length);
    if (request.payloadBytes + length > this.#maxPayloadBytes) {
      release(stream, offset, length);
      return this.#refuse(request);
    }
    if (isLast && request.payloadBytes === 0) return this.#runLent(request, offset, length);
    if (length > 0) {
      request.append(stream.channel.view(offset, length));
      stream.channel.release(offset);
    }
    if (isLast) this.#run(request, request.payload);
    else this.#deadlines.add(request);
  }

  /** The peer gave up before the request was complete, or no longer wants its answer. */
  handleAbort(request: RequestState, error: StreamError): void {
    if (request.isOver) return;
    request.abort(error);
    request.stream.abandon(AdapterCode.RequestAborted);
    this.#conclude(request);
  }

  /** The usual case: all of it came with one event, and the handler sees it where it lies. */
  #runLent(request: RequestState, offset: number, length: number): void {
    if (length > 0) request.lentOffset = offset;
    this.#run(request, length > 0 ? request.stream.channel.view(offset, length) : EMPTY);
  }

  #run(request: RequestState, payload: Uint8Array<ArrayBuffer>): void {
    request.stream.handleData(0, 0, true);
    let answer;
    try {
      answer = this.#handler(new QuicRequest(request, payload));
    } catch (error) {
      return this.#fail(request, error);
    }
    if (!isPromise(answer)) return this.#settle(request, answer);
    this.#deadlines.add(request);
    answer.then((value) => this.#settle(request, value), (error) => this.#fail(request, error));
  }

  #settle(request: RequestState, answer: QuicResponse): void {
    try {
      this.#answer(request, answer);
    } catch (error) {
      return this.#fail(request, error);
    }
    this.#returnPayload(request);
  }

  #answer(request: RequestState, answer: QuicResponse): void {
    if (request.isOver) return discard(answer, request.signal.reason); // timed out or aborted meanwhile
    const { stream } = request;
    if (answer instanceof Uint8Array) {
      stream.finish(answer, answer.buffer === stream.channel.buffer);
    } else if (typeof answer === "string") {
      stream.finish(encoder.encode(answer));
    } else if (answer === undefined) {
      stream.finishIfOpen();
    } else if (answer instanceof ReadableStream) {
      pipe(answer, stream).catch((error) => this.#failAnswer(stream, error));
    } else {
      throw new TypeError("a handler must answer with Uint8Array, string, ReadableStream or nothing");
    }
    this.#conclude(request);
  }

  #fail(request: RequestState, error: unknown): void {
    const isItsAbort = request.isOver && error === request.signal.reason; // the handler passed it on
    if (!isItsAbort) this.#failAnswer(request.stream, error);
    this.#conclude(request);
    this.#returnPayload(request);
  }

  #failAnswer(stream: StreamState, error: unknown): void {
    if (error instanceof StreamError) return stream.abandon(AdapterCode.RequestAborted); // the peer's doing
    stream.abandon(AdapterCode.HandlerFailed);
    this.#errors.report(error);
  }

  #refuse(request: RequestState): void {
    this.payloadsTooLarge++;
    request.dropPayload();
    request.stream.abandon(AdapterCode.PayloadTooLarge);
    this.#conclude(request);
  }

  #expire(request: RequestState): void {
    this.timeouts++;
    request.dropPayload();
    request.abort(new StreamError("timeout", AdapterCode.RequestTimeout, "the request took too long"));
    request.stream.abandon(AdapterCode.RequestTimeout);
    this.#conclude(request);
  }

  #conclude(request: RequestState): void {
    request.isOver = true;
    this.#deadlines.remove(request);
  }

  #returnPayload(request: RequestState): void {
    if (request.lentOffset < 0) return;
    request.stream.channel.release(request.lentOffset);
    request.lentOffset = -1;
  }
}

function release(stream: StreamState, offset: number, length: number): void {
  if (length > 0) stream.channel.release(offset);
}

/** A stream that nobody reads holds what it was made from. */
function discard(answer: QuicResponse, reason: unknown): void {
  if (answer instanceof ReadableStream) answer.cancel(reason).catch(() => {});
}

function isPromise(answer: QuicResponse | Promise<QuicResponse>): answer is Promise<QuicResponse> {
  return typeof (answer as Promise<QuicResponse> | undefined)?.then === "function";
}

/** Sends a stream of bytes, as fast as the peer takes them; cancels it when the peer gives up. */
async function pipe(body: ReadableStream<Uint8Array<ArrayBuffer>>, stream: StreamState): Promise<void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel(stream.signal.reason).catch(() => {});
  stream.signal.addEventListener("abort", cancel);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (!(part.value instanceof Uint8Array)) throw new TypeError("an answer's stream must give Uint8Array");
      await stream.write(part.value, false);
    }
    stream.signal.removeEventListener("abort", cancel);
    if (!stream.signal.aborted) stream.finishIfOpen();
  } catch (error) {
    cancel();
    throw error;
  }
}
