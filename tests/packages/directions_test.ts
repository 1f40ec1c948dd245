// Every order of data, FIN, reset and stop on both sides of a stream, against a model of RFC 9000 §3, with the library
// and quiche. packages/krepis-knul/_directions_test.ts does the same with events that the test writes.
//
// All stories of a seed run at once, in rounds: each takes one step, and the next round begins when both sides have
// seen it. KNUL_SEEDS=100 is the long form.
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AdapterBuilder, AdapterCode, type QuicAdapter, type QuicStream, StreamError } from "@krepis/knul";
import {
  chooseSeeds,
  Dice,
  makeStory,
  printStory,
  type Step,
  StreamModel,
} from "../../packages/krepis-knul/_direction_model_for_tests.ts";
import { within } from "../interop/deadline.mjs";
import { concat } from "../interop/payload.mjs";
import { QuicheConnection } from "../interop/quiche_client.mjs";
import { type QuicheStream, stream_ended } from "../interop/quiche_stream.mjs";
import { development_identity } from "../interop/server.mjs";

const STORIES = 80;
const PIECE = new TextEncoder().encode("piece");
const LIMIT_MS = 120_000;
const { cert, key, pem } = development_identity();

/** What the program does with its end of one stream. */
interface ProgramEnd {
  act(step: Step): unknown;
  /** Bytes and end of its receiving side. */
  bytes: number;
  end: string;
  /** Of a request. */
  signal?: AbortSignal;
  /** Ends its handler, which has the payload until then. */
  settle?(): void;
}

/** A way to write a program: registers its handler, which puts its end of each stream into `ends`. */
interface Style {
  register(adapter: QuicAdapter, ends: Map<number, ProgramEnd>, isBarrier: (id: number) => boolean): void;
  /** What follows from a step by itself. */
  follow(model: StreamModel, step: Step): void;
  /** Whether its handler must have put its end into `ends`. */
  hearsOf(model: StreamModel): boolean;
  /** The end of the program's reading when it stopped it itself. */
  stoppedEnd: (code: number) => string;
}

function describeEnd(error: unknown): string {
  return error instanceof StreamError ? `${error.reason} ${error.applicationCode}` : String(error);
}

async function echo(stream: QuicStream): Promise<void> {
  for await (const bytes of stream) await stream.write(bytes);
  await stream.end();
}

function lightEnd(stream: QuicStream): ProgramEnd {
  const program: ProgramEnd = {
    bytes: 0,
    end: "open",
    act({ op, code }) {
      if (op === "data") stream.write(PIECE);
      else if (op === "fin") stream.end();
      else if (op === "reset") stream.reset(code);
      else stream.stopSending(code);
    },
  };
  (async () => {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      program.bytes += bytes.length;
    }
    program.end = "fin";
  })().catch((error) => void (program.end = describeEnd(error)));
  return program;
}

function webEnd(stream: QuicStream): ProgramEnd {
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  writer.ready.catch(() => {});
  const program: ProgramEnd = {
    bytes: 0,
    end: "open",
    act({ op, code }) {
      const done = op === "data"
        ? writer.write(PIECE)
        : op === "fin"
        ? writer.close()
        : op === "reset"
        ? writer.abort(code)
        : reader.cancel(code);
      done.catch(() => {}); // the model knows which of them fail
    },
  };
  (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      program.bytes += part.value.length;
    }
    program.end = "fin";
  })().catch((error) => void (program.end = describeEnd(error)));
  return program;
}

function onStreams(makeEnd: (stream: QuicStream) => ProgramEnd): Style["register"] {
  return (adapter, ends, isBarrier) =>
    void adapter.onStream((stream) => {
      if (isBarrier(stream.id!)) return echo(stream);
      ends.set(stream.id!, makeEnd(stream));
    });
}

const nothing = () => {};

const styles: Record<string, Style> = {
  light: {
    register: onStreams(lightEnd),
    follow: nothing,
    hearsOf: () => true,
    stoppedEnd: (code) => `local ${code}`,
  },
  webStreams: { register: onStreams(webEnd), follow: nothing, hearsOf: () => true, stoppedEnd: () => "fin" },
  /** An echo of one line, which has to pass on the end of either direction. */
  pipe: {
    register: (adapter, _, isBarrier) =>
      void adapter.onStream((stream) =>
        isBarrier(stream.id!) ? echo(stream) : stream.readable.pipeTo(stream.writable)
      ),
    follow(model, { op, code }) {
      if (op === "stop") model.received.apply("stop", code);
      else model.sent.apply(op, code);
    },
    hearsOf: () => false,
    stoppedEnd: String,
  },
  requests: {
    register: (adapter, ends, isBarrier) =>
      void adapter.onRequest((request) => {
        if (isBarrier(request.stream.id!)) return request.payload;
        const answer = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
        const { payload, signal } = request;
        ends.set(request.stream.id!, {
          bytes: payload.length,
          end: "fin",
          signal,
          settle: () => answer.resolve(PIECE),
          act({ op, code }) {
            if (op === "fin") answer.resolve(PIECE);
            else if (op === "reset") answer.reject(new StreamError("local", code, "not today"));
          },
        });
        return answer.promise;
      }),
    follow(model, { op }) {
      if (op === "reset") model.sent.apply("reset", AdapterCode.RequestAborted);
    },
    hearsOf: ({ received }) => received.end === "fin",
    stoppedEnd: String,
  },
};

/** One stream with its story, on both sides. */
class Play {
  readonly model = new StreamModel();
  readonly story: Step[];
  stream!: QuicheStream;
  #next = 0;

  constructor(dice: Dice) {
    this.story = makeStory(dice);
  }

  get isDone(): boolean {
    return this.#next === this.story.length;
  }

  /** Takes the next step, and those that are joined to it. */
  takeSteps(style: Style, program: ProgramEnd | undefined): void {
    for (let isJoined = true; isJoined && !this.isDone;) {
      const step = this.story[this.#next++];
      isJoined = step.isJoined;
      if (step.side === "peer") this.#takePeerStep(style, step);
      else if (program !== undefined) this.#takeProgramStep(program, step);
    }
  }

  // What has no effect quiche refuses.
  #takePeerStep(style: Style, step: Step): void {
    const { op, code } = step;
    if (this.model.of("peer", op).isOver) return;
    if (op === "data") this.stream.write(PIECE).catch(nothing); // it may be stopped in this round
    else if (op === "fin") this.stream.finish(new Uint8Array(0)).catch(nothing);
    else if (op === "reset") this.stream.reset(code);
    else this.stream.stop_reading(code);
    this.model.apply(step);
    style.follow(this.model, step);
  }

  #takeProgramStep(program: ProgramEnd, step: Step): void {
    program.act(step);
    if (program.signal === undefined) return this.model.apply(step);
    if (step.op === "fin") this.model.sent.apply("data", 0);
    if (step.op === "fin" || step.op === "reset") this.model.apply(step);
  }

  checkProgram(style: Style, program: ProgramEnd): void {
    const { received, sent } = this.model;
    const ends = {
      open: "open",
      fin: "fin",
      reset: `reset ${received.code}`,
      stop: style.stoppedEnd(received.code),
    };
    strictEqual(program.end, ends[received.end], "the end of the program's reading");
    if (received.end !== "stop") strictEqual(program.bytes, received.pieces * PIECE.length);
    if (program.signal) strictEqual(program.signal.aborted, sent.end === "stop", "whether nobody waits");
  }

  checkPeer(connection: QuicheConnection): void {
    const { received, sent } = this.model;
    const { stream } = this;
    if (sent.end === "reset") {
      deepStrictEqual([stream.read_error?.kind, stream.read_error?.code], ["reset", sent.code]);
    } else if (sent.end !== "stop") {
      strictEqual(concat(stream.received_).length, sent.pieces * PIECE.length);
      strictEqual(stream.fin_received_, sent.end === "fin");
      strictEqual(stream.read_error, undefined);
    }
    if (received.end !== "stop") return;
    try {
      connection.conn_.streamSend(stream.id, PIECE, false);
      throw new Error("the stop did not arrive");
    } catch (error) {
      const ended = stream_ended(error);
      // quiche forgets a stream of which both sides are over.
      if (ended || !sent.isOver) {
        deepStrictEqual([ended?.kind, ended?.code], ["stopped", received.code], String(error));
      }
    }
  }

  /** The peer gives up whatever is left. */
  finish(): void {
    const { received, sent } = this.model;
    if (!received.isOver) this.stream.reset(1);
    if (!sent.isOver) this.stream.stop_reading(2);
  }
}

async function waitFor(what: string, condition: () => boolean): Promise<void> {
  const waiting = async () => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  await within(waiting(), what, 20_000);
}

async function runSeed(seed: number, style: Style): Promise<void> {
  const dice = new Dice(seed);
  const ends = new Map<number, ProgramEnd>();
  const barriers = new Set<number>();
  const builder = new AdapterBuilder().certPath(cert).keyPath(key).workers(1).maxStreams(4 * STORIES);
  await using adapter = builder.build().onError((error) => console.error("reported", error));
  style.register(adapter, ends, (id) => barriers.has(id));
  await adapter.start();
  const peer = { host: "127.0.0.1", port: adapter.port, ca: pem, alpn: "knul" };
  const connection = await QuicheConnection.connect(peer);

  /** When its echo is there, both sides have seen all that was sent before. */
  const barrier = async () => {
    const stream = await connection.open_bidi();
    barriers.add(stream.id);
    await within(Promise.all([stream.finish(PIECE), stream.read_all()]), "a barrier");
  };
  const openStreams = () => Number(adapter.getStats().channelStreams);

  const plays = Array.from({ length: STORIES }, () => new Play(dice));
  for (const play of plays) {
    play.stream = await connection.open_bidi();
    play.takeSteps(style, undefined);
  }
  for (let round = 0; round < 3 || plays.some((play) => !play.isDone); round++) {
    await barrier();
    await barrier(); // packets carry the frames of several streams in an order of their own
    for (const play of plays) play.takeSteps(style, ends.get(play.stream.id));
  }
  await barrier();
  await barrier();
  for (const play of plays) {
    try {
      const program = ends.get(play.stream.id);
      if (program) play.checkProgram(style, program);
      else ok(!style.hearsOf(play.model), "the program did not hear of it");
      play.checkPeer(connection);
    } catch (error) {
      (error as Error).message += `\nseed ${seed}: ${printStory(play.story)}`;
      throw error;
    }
  }
  // A stream whose two directions are over takes nothing of the peer's limit any more.
  const left = plays.filter((play) => !play.model.isOver);
  for (const play of plays) if (play.model.isOver) ends.get(play.stream.id)?.settle?.();
  await waitFor(
    `only ${left.length} streams open, not ${openStreams()}`,
    () => openStreams() === left.length,
  );
  for (const play of left) {
    play.finish();
    ends.get(play.stream.id)?.settle?.();
  }
  await waitFor("no stream open", () => openStreams() === 0);
  strictEqual(adapter.getStats().handlerErrors, 0);
  connection.close();
}

for (const [name, style] of Object.entries(styles)) {
  Deno.test({
    name: `directions end by themselves, in every order (${name})`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      for (const seed of chooseSeeds(2)) await within(runSeed(seed, style), `seed ${seed}`, LIMIT_MS);
    },
  });
}
