// Compares streams with a model of RFC 9000 §3 for every order of data, FIN, reset and stop on both sides. Uses no
// library; tests/packages/directions_test.ts does the same with the library.
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { EventFlag, EventType, KrepisCode } from "@krepis/core";
import { AdapterCode } from "./adapter_codes.ts";
import { AdapterError } from "./adapter_error.ts";
import {
  chooseSeeds,
  Dice,
  makeStory,
  printStory,
  type Step,
  StreamModel,
} from "./_direction_model_for_tests.ts";
import { bytesOf, FakeLibrary, settle } from "./_fake_library_for_tests.ts";
import type { QuicRequest } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";
import { StreamError } from "./stream_error.ts";

const STORIES = 150;
const PIECE = "piece";
const HANDLES = 1 << 20;

/** What a program saw of its receiving side. */
interface Reading {
  pieces: number;
  end: string;
}

/** A way of using streams. */
interface Style {
  start(stream: QuicStream): Reading;
  act(stream: QuicStream, step: Step): Promise<unknown>;
}

function describeEnd(error: unknown): string {
  return error instanceof StreamError ? `${error.reason} ${error.applicationCode}` : String(error);
}

const light: Style = {
  start(stream) {
    const reading = { pieces: 0, end: "open" };
    (async () => {
      for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) reading.pieces++;
      reading.end = "fin";
    })().catch((error) => void (reading.end = describeEnd(error)));
    return reading;
  },
  async act(stream, { op, code }) {
    if (op === "data") return await stream.write(bytesOf(PIECE));
    if (op === "fin") return await stream.end();
    if (op === "reset") stream.reset(code);
    else stream.stopSending(code);
  },
};

const readers = new WeakMap<QuicStream, ReadableStreamDefaultReader>();
const writers = new WeakMap<QuicStream, WritableStreamDefaultWriter>();

const webStreams: Style = {
  start(stream) {
    const reading = { pieces: 0, end: "open" };
    const reader = stream.readable.getReader();
    readers.set(stream, reader);
    const writer = stream.writable.getWriter();
    writers.set(stream, writer);
    writer.closed.catch(() => {});
    writer.ready.catch(() => {});
    (async () => {
      while (!(await reader.read()).done) reading.pieces++;
      reading.end = "fin";
    })().catch((error) => void (reading.end = describeEnd(error)));
    return reading;
  },
  async act(stream, { op, code }) {
    const writer = writers.get(stream)!;
    if (op === "data") return await writer.write(bytesOf(PIECE));
    if (op === "fin") return await writer.close();
    if (op === "reset") return await writer.abort(code);
    return await readers.get(stream)!.cancel(code);
  },
};

/** The event of the peer's step. */
function eventsOf(fake: FakeLibrary, handle: number, { op, code }: Step, isFirst: boolean) {
  const flags = isFirst ? EventFlag.Opened : 0;
  const streamId = 4 * (handle % HANDLES);
  if (op === "data") return fake.data(handle, bytesOf(PIECE), flags, streamId);
  if (op === "fin") return fake.data(handle, new Uint8Array(0), flags | EventFlag.Fin, streamId);
  const type = op === "reset" ? EventType.StreamReset : EventType.StopSending;
  return { type, flags, connection: 1, stream: handle, streamId, code };
}

/** Checks the result of the program's write. */
function checkWrite(result: unknown, model: StreamModel, style: Style): void {
  const { end, code, isOver } = model.sent;
  if (!isOver) return strictEqual(result, "done");
  if (style === webStreams && end !== "stop") return ok(result !== "done");
  const error = result as AdapterError;
  // The fake library acknowledges no FIN, so a reset after it still has an effect.
  if (end === "fin") {
    return ok(error.code === KrepisCode.InvalidContext || describeEnd(error).startsWith("local"));
  }
  strictEqual(describeEnd(result), `${end === "stop" ? "stopped" : "local"} ${code}`);
}

function expectedReading({ received }: StreamModel, style: Style): string {
  const { end, code } = received;
  if (end === "stop") return style === webStreams ? "fin" : `local ${code}`;
  return end === "reset" ? `reset ${code}` : end;
}

async function checkStream(
  fake: FakeLibrary,
  streams: QuicStream[],
  handle: number,
  style: Style,
  story: Step[],
) {
  const model = new StreamModel();
  let stream: QuicStream | undefined;
  let reading: Reading | undefined;
  for (const [i, step] of story.entries()) {
    if (step.side === "peer") {
      fake.deliver(eventsOf(fake, handle, step, i === 0));
      if (i === 0) reading = style.start(stream = streams.pop()!);
    } else {
      const result = await style.act(stream!, step).then(() => "done", (error) => error);
      if (step.op === "data" || (step.op === "fin" && style === light)) checkWrite(result, model, style);
    }
    model.apply(step);
    if (!step.isJoined) await settle();
  }
  await settle();
  const { sent, received } = model;
  const wire = fake.of(handle);
  strictEqual(wire.bytes.length, sent.pieces * PIECE.length);
  strictEqual(wire.isFinished, sent.end === "fin");
  if (sent.end !== "fin") strictEqual(wire.resetCode, sent.end === "reset" ? BigInt(sent.code) : undefined);
  strictEqual(wire.stopCode, received.end === "stop" ? BigInt(received.code) : undefined);
  strictEqual(reading!.end, expectedReading(model, style));
  if (received.end !== "stop") strictEqual(reading!.pieces, received.pieces);
  fake.deliver({ type: EventType.StreamClosed, connection: 1, stream: handle });
  await settle();
  strictEqual(fake.held.size, 0);
}

for (const [name, style] of Object.entries({ light, webStreams })) {
  Deno.test(`each direction of a stream ends by itself, in every order (${name})`, async () => {
    for (const seed of chooseSeeds()) {
      const dice = new Dice(seed);
      const streams: QuicStream[] = [];
      const fake = FakeLibrary.open({ stream: (stream) => void streams.push(stream) });
      fake.connect();
      for (let i = 0; i < STORIES; i++) {
        const story = makeStory(dice);
        await explained(seed, story, () => checkStream(fake, streams, HANDLES * (i + 1) + 5, style, story));
      }
      strictEqual(streams.length, 0);
    }
  });
}

async function explained(seed: number, story: Step[], run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    (error as Error).message += `\nseed ${seed}: ${printStory(story)}`;
    throw error;
  }
}

/** One request, and what its handler was told. */
interface Asked {
  request: QuicRequest;
  payload: string;
  isUnwanted: boolean;
  answer: PromiseWithResolvers<string>;
}

async function checkRequest(fake: FakeLibrary, asked: Asked[], handle: number, story: Step[]): Promise<void> {
  const model = new StreamModel();
  for (const [i, step] of story.entries()) {
    if (step.side === "peer") {
      fake.deliver(eventsOf(fake, handle, step, i === 0));
      model.apply(step);
      if (model.received.end === "fin" && step.op === "fin") {
        strictEqual(asked.length, 1); // whatever the client thinks of the answer
        strictEqual(asked[0]!.payload, PIECE.repeat(model.received.pieces));
        strictEqual(asked[0]!.isUnwanted, model.sent.end === "stop");
      }
      // A request that is reset before its end has no answer.
      if (step.op === "reset") model.sent.apply("reset", AdapterCode.RequestAborted);
    } else if (asked.length > 0 && (step.op === "fin" || step.op === "reset")) {
      const { answer } = asked[0]!;
      if (step.op === "fin") answer.resolve(PIECE);
      else answer.reject(new StreamError("local", step.code, "no"));
      await settle();
      if (step.op === "fin") model.sent.apply("data", 0);
      model.apply(step);
      asked.length = 0;
    }
    await settle();
  }
  const { sent, received } = model;
  const wire = fake.of(handle);
  strictEqual(wire.bytes.length, sent.pieces * PIECE.length);
  strictEqual(wire.isFinished, sent.end === "fin");
  strictEqual(wire.resetCode, sent.end === "reset" ? BigInt(sent.code) : undefined);
  strictEqual(wire.stopCode, undefined);
  if (asked.length > 0) {
    deepStrictEqual([received.end, asked[0]!.request.signal.aborted], ["fin", sent.end === "stop"]);
    asked.pop()!.answer.resolve("");
    await settle();
  }
  strictEqual(fake.held.size, 0);
  fake.deliver({ type: EventType.ConnectionClosed, connection: 1, flags: 0 }); // requests that never end
  fake.connect();
}

Deno.test("a request is heard of when it is whole, in every order of what its client does", async () => {
  for (const seed of chooseSeeds()) {
    const dice = new Dice(seed);
    const asked: Asked[] = [];
    const request = (request: QuicRequest) => {
      const answer = Promise.withResolvers<string>();
      const payload = new TextDecoder().decode(request.payload);
      asked.push({ request, payload, isUnwanted: request.signal.aborted, answer });
      return answer.promise;
    };
    const fake = FakeLibrary.open({ request, error: (error) => fail(error) });
    fake.connect();
    for (let i = 0; i < STORIES; i++) {
      const story = makeStory(dice);
      await explained(seed, story, () => checkRequest(fake, asked, HANDLES * (i + 1) + 5, story));
    }
    fake.session.close();
  }
});

function fail(error: unknown): never {
  throw error;
}
