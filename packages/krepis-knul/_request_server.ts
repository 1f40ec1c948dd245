// Gathers requests, calls the program's handler and sends its answers.
import { AdapterCode } from "./adapter_codes.ts";
import { invalidOption } from "./adapter_error.ts";
import type { ResolvedServingOptions } from "./adapter_options.ts";
import { bytesOf, codeOfFailure } from "./_conversions.ts";
import { Deadlines } from "./_deadlines.ts";
import { GatherBudget } from "./_gather_budget.ts";
import type { FairShares } from "./_fair_shares.ts";
import type { Firewall } from "./_firewall.ts";
import { PieceQueue } from "./_piece_queue.ts";
import { arenaBytes } from "./_region.ts";
import { type RequestHost, RequestState, type RequestStream } from "./_request_state.ts";
import { QuicRequest, type QuicResponse, type RequestHandler } from "./quic_request.ts";
import { StreamError } from "./stream_error.ts";

const EMPTY = new Uint8Array(0);

/** Requests that got no answer, by reason. */
export class RequestCounters {
  timeouts = 0;
  payloadsTooLarge = 0;
  /** There was no room for the payload. */
  overloaded = 0;
}

export class RequestServer implements RequestHost {
  readonly counters: RequestCounters;
  readonly budget: GatherBudget;
  readonly handler: RequestHandler;
  readonly firewall: Firewall;
  readonly #lent: FairShares;
  readonly #maxPayloadBytes: number;
  readonly #deadlines: Deadlines<RequestState>;

  /** @param waitingCapBytes the most bytes in the arena that may wait for room in the budget */
  constructor(
    handler: RequestHandler,
    options: ResolvedServingOptions,
    waitingCapBytes: number,
    { firewall, lent }: { firewall: Firewall; lent: FairShares },
    counters: RequestCounters,
  ) {
    this.handler = handler;
    this.counters = counters;
    this.budget = new GatherBudget(options.maxGatheredBytes, waitingCapBytes, {
      resume: (request) => {
        let isDone = true;
        firewall.protect(() => isDone = this.#resume(request as RequestState));
        return isDone;
      },
      evict: (request) => this.#refuse(request as RequestState, AdapterCode.Overloaded),
    });
    this.firewall = firewall;
    this.#lent = lent;
    this.#maxPayloadBytes = options.maxPayloadBytes;
    this.#deadlines = new Deadlines(
      options.requestTimeoutMs,
      (request) => void firewall.protect(() => this.#expire(request)),
    );
  }

  stop(): void {
    this.#deadlines.stop();
  }

  /** Bytes of a request's stream, the first or further ones. */
  handleData(stream: RequestStream, offset: number, length: number, isLast: boolean): void {
    const request = stream.request ??= new RequestState(stream, this);
    if (request.isOver) return release(stream, offset, length);
    if (request.payloadBytes + length > this.#maxPayloadBytes) {
      release(stream, offset, length);
      return this.#refuse(request, AdapterCode.PayloadTooLarge);
    }
    if (isLast && request.payloadBytes === 0 && this.#mayLend(stream, length)) {
      return this.#runLent(request, offset, length);
    }
    request.isWhole = isLast;
    if (length > 0) this.#gather(request, offset, length);
    if (request.isOver) return;
    if (isLast && request.waitingBytes === 0) this.#runGathered(request);
    else this.#deadlines.add(request, request.stream.channel.nowMs());
  }

  /** Bytes without room in the budget stay in the arena: the peer gets no credit for them (RFC 9000 §4.1). */
  #gather(request: RequestState, offset: number, length: number): void {
    if (request.waitingBytes === 0 && this.#copy(request, offset, length)) return;
    if (this.budget.wait(request, arenaBytes(length))) {
      (request.waiting ??= new PieceQueue()).push(offset, length);
    } else {
      request.stream.channel.release(offset);
      this.#refuse(request, AdapterCode.Overloaded);
    }
  }

  /** @returns false: the budget has no room */
  #copy(request: RequestState, offset: number, length: number): boolean {
    let growth = request.wantedGrowth(length, this.#maxPayloadBytes);
    if (growth > 0 && !this.budget.take(request, growth, false)) {
      growth = request.leastGrowth(length, this.#maxPayloadBytes);
      if (!this.budget.take(request, growth, true)) return false;
    }
    const { channel } = request.stream;
    request.append(channel.view(offset, length), growth);
    channel.release(offset);
    return true;
  }

  /** @returns true: no bytes wait any more */
  #resume(request: RequestState): boolean {
    const { waiting } = request;
    while (waiting !== null && !waiting.isEmpty && !request.isOver) {
      const { offset, length } = waiting;
      if (!this.#copy(request, offset, length)) return false;
      this.budget.stopWaiting(request, arenaBytes(length));
      waiting.drop();
    }
    if (request.isWhole && !request.isOver) this.#runGathered(request);
    return true;
  }

  #runGathered(request: RequestState): void {
    this.budget.complete(request);
    this.#run(request, request.payload);
  }

  /** The client reset the stream. If the request was not complete, its handler is not called. */
  handleReset(stream: RequestStream, code: number | bigint): void {
    if (!stream.handleReset(code)) return; // the request is complete
    stream.abandon(AdapterCode.RequestAborted);
    const { request } = stream;
    if (request !== null && !request.isOver) this.#conclude(request);
  }

  /** The connection has ended. The signal of a running handler aborts; a payload that is not complete is dropped. */
  handleConnectionEnd(request: RequestState, error: StreamError): void {
    request.abort(error);
    if (!request.isRunning) this.#conclude(request);
  }

  /**
   * The client does not want the answer. Its request is still handled, because the directions are independent
   * (RFC 9000 §3): the handler is called with an aborted signal.
   */
  handleStopSending(stream: RequestStream, code: number | bigint): void {
    stream.handleStopSending(code);
    const request = stream.request ??= new RequestState(stream, this);
    request.abort(stream.writeError!);
    if (!request.isOver) this.#deadlines.add(request, request.stream.channel.nowMs());
  }

  #mayLend(stream: RequestStream, length: number): boolean {
    return length === 0 || this.#lent.take(stream.connection.lent, 1);
  }

  /** The usual case: the payload came with one event, and the handler gets a view of the arena. */
  #runLent(request: RequestState, offset: number, length: number): void {
    if (length > 0) request.lentOffset = offset;
    this.#run(request, length > 0 ? request.stream.channel.view(offset, length) : EMPTY);
  }

  #run(request: RequestState, payload: Uint8Array<ArrayBuffer>): void {
    request.stream.handleData(0, 0, true);
    request.isRunning = true;
    request.facade = new QuicRequest(request, payload);
    const isWaiting = this.firewall.call(request);
    if (isWaiting && !request.isOver) this.#deadlines.add(request, request.stream.channel.nowMs());
  }

  /** Sends the answer of the handler. @throws {AdapterError} it cannot be sent */
  answer(request: RequestState, answer: QuicResponse): void {
    const { stream } = request;
    if (request.isAborted) { // it took too long, or the client no longer waits
      discard(answer, request.signal.reason);
    } else if (answer === undefined) {
      stream.finishIfOpen();
    } else if (isBody(answer)) {
      if (answer.locked) {
        throw invalidOption("answer", "a locked ReadableStream", "an unlocked ReadableStream");
      }
      pipe(answer, stream).catch((error) => this.#failBody(request, error));
    } else {
      const bytes = bytesOf("answer", answer);
      stream.finish(bytes, bytes.buffer === stream.channel.buffer);
    }
    this.#conclude(request);
  }

  #failBody(request: RequestState, error: unknown): void {
    this.firewall.protect(() => this.firewall.report(error, request));
    this.firewall.protect(() => request.stream.abandon(codeOfFailure(error)));
  }

  /** The handler has failed. */
  fail(request: RequestState, error: unknown): void {
    request.stream.abandon(codeOfFailure(error));
    this.#conclude(request);
  }

  /** The handler has settled: it no longer reads the payload. */
  settle(request: RequestState): void {
    request.isRunning = false;
    this.#returnPayload(request);
  }

  #refuse(request: RequestState, code: number): void {
    if (code === AdapterCode.PayloadTooLarge) this.counters.payloadsTooLarge++;
    else this.counters.overloaded++;
    request.stream.abandon(code);
    this.#conclude(request);
  }

  #expire(request: RequestState): void {
    this.counters.timeouts++;
    request.abort(new StreamError("timeout", AdapterCode.RequestTimeout, "the request took too long"));
    request.stream.abandon(AdapterCode.RequestTimeout);
    this.#conclude(request);
  }

  /** The request needs no answer any more. Its payload stays charged until its handler has settled. */
  #conclude(request: RequestState): void {
    request.isOver = true;
    this.#deadlines.remove(request);
    if (!request.isRunning) this.#returnPayload(request);
  }

  #returnPayload(request: RequestState): void {
    const { channel } = request.stream;
    if (request.lentOffset >= 0) {
      channel.release(request.lentOffset);
      request.lentOffset = -1;
      this.#lent.give(request.stream.connection.lent, 1);
    }
    if (request.heldBytes === 0 && request.waitingBytes === 0) return;
    request.waiting?.release(channel);
    request.dropPayload();
    this.budget.returnBytes(request);
  }
}

function release(stream: RequestStream, offset: number, length: number): void {
  if (length > 0) stream.channel.release(offset);
}

/** Tests `ReadableStream` last, because this global is a slow getter of the runtime. */
function isBody(answer: QuicResponse): answer is ReadableStream<Uint8Array<ArrayBuffer>> {
  return typeof answer === "object" && !ArrayBuffer.isView(answer) && answer instanceof ReadableStream;
}

/** Cancels an answer that is not sent: a stream that nobody reads would keep its source open. */
function discard(answer: QuicResponse, reason: unknown): void {
  if (isBody(answer)) answer.cancel(reason).catch(() => {});
}

/** Sends a stream of bytes as fast as the peer accepts them; cancels it when the peer stops reading. */
async function pipe(body: ReadableStream<Uint8Array<ArrayBuffer>>, stream: RequestStream): Promise<void> {
  const reader = body.getReader();
  const { writeSignal } = stream;
  const cancel = () => void reader.cancel(writeSignal.reason).catch(() => {});
  writeSignal.addEventListener("abort", cancel);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      await stream.write(bytesOf("chunk", part.value), false);
    }
    writeSignal.removeEventListener("abort", cancel);
    if (!writeSignal.aborted) stream.finishIfOpen();
  } catch (error) {
    cancel();
    throw error;
  }
}
