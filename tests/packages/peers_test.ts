// Peers that open, close, reset, stop and vanish at every step, against each kind of handler on the real library. The
// scripts are made from a seed, which is printed. KNUL_SEED=n runs one seed again, KNUL_SEEDS=n so many. Oracle: the
// program lives, nothing reaches its runtime, and a well-behaved client is served by each server after each seed.
import { ok, strictEqual } from "node:assert/strict";
import { within } from "../interop/deadline.mjs";
import { DenoConnection } from "../interop/deno_client.ts";
import { exchange } from "../interop/exchange.mjs";
import { choose_seed, Random } from "../interop/payload.mjs";
import { development_identity, temp_folder } from "../interop/server.mjs";
import { deno_env, kPermissions } from "./program.mjs";

const SEEDS = Number(Deno.env.get("KNUL_SEEDS") ?? 3);
const SCRIPTS_PER_KIND = 30;
const ONE_SEED = Deno.env.has("KNUL_SEED");
const peer = Deno.env.get("KNUL_SCRIPT_PEER");
const { cert, key, pem } = development_identity();

/** Steps that a peer takes, with what the streams opened so far allow. */
function scriptOf(random: Random): string {
  const steps: string[] = [];
  const streams: string[] = [];
  const pick = <T>(...from: T[]): T => from[random.between(0, from.length - 1)];
  const code = () => pick(0, 1, 77, 0x4b4e5504, 2 ** 40);
  const bytes = () => pick(0, 1, 7, 100, 1200, 1200, 5000, 70_000);
  if (random.between(0, 2) === 0) steps.push(`g${pick("hold", "stop", "reset")}`);
  const count = random.between(0, 9);
  for (let i = 0; i < count; i++) {
    if (streams.length === 0 || random.between(0, 3) === 0) {
      streams.push(pick("b", "b", "u"));
      steps.push(streams.at(-1)!);
    }
    const stream = random.between(0, streams.length - 1);
    steps.push(pick(
      `w${stream}:${bytes()}`,
      `w${stream}:${bytes()}`,
      `f${stream}`,
      `f${stream}`,
      `r${stream}:${code()}`,
      `s${stream}:${code()}`,
      `d:${pick(1, 100, 1000)}`,
      `p${random.between(0, 3)}`,
      "a",
    ));
  }
  steps.push(pick(`c:${code()}`, `c:${code()}`, `p1,c:${code()}`, "a", "p20", "v"));
  return steps.join(",");
}

/** The process under test. */
class Program {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #errors: Promise<string>;
  ports: Record<string, number> = {};

  /** @param flags permissions beside those of every program */
  constructor(program: string, flags: string[], programArgs: string[]) {
    const args = ["run", "--quiet", "--no-check", "--cached-only", "--config", file("deno.json")];
    args.push("--v8-flags=--expose-gc", ...kPermissions, ...flags, file(program), ...programArgs);
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#child = new Deno.Command(Deno.execPath(), { args, env: deno_env, ...pipes }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#child.stdin.getWriter();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** peers_program.ts, which must also end well. */
  static async run(workers: number, body: (program: Program) => Promise<void>): Promise<void> {
    const flags = workers > 0 ? [`--allow-read=${file("../..")}`] : [];
    const program = new Program("peers_program.ts", flags, [JSON.stringify({ cert, key, workers })]);
    try {
      program.ports = JSON.parse(await program.line()).ports;
      await body(program);
      await program.#stdin.close();
      strictEqual(JSON.parse(await program.line()).stopped, Object.keys(program.ports).length);
      strictEqual((await within(program.#child.status, "the program's end", 20_000)).code, 0);
    } finally {
      await program.kill();
    }
  }

  async stats(): Promise<[string, Record<string, number>][]> {
    await this.#stdin.write(new Uint8Array(1));
    return JSON.parse(await this.line()).stats;
  }

  /** What a server says of itself, as far as it may explain why it does not answer. */
  async explain(kind: string): Promise<string> {
    const wanted = /^(channel|gathered|active|requests|datagramsRefused|streams|handlerErrors|sendBuffer)/;
    const all = Object.entries(Object.fromEntries(await this.stats())[kind] ?? {});
    return JSON.stringify(Object.fromEntries(all.filter(([name]) => wanted.test(name))));
  }

  /** Nothing is left of the peers once their connections have ended, at the latest by the idle timeout. */
  async requireEmpty(): Promise<void> {
    const isEmpty = ([_, stats]: [string, Record<string, number>]) =>
      stats.activeConnections === 0 && stats.gatheredBytes === 0 && (stats.channelArenaBlocksUsed ?? 0) <= 1;
    const end = performance.now() + 40_000;
    for (let stats = await this.stats(); !stats.every(isEmpty); stats = await this.stats()) {
      if (performance.now() > end) {
        const [kind] = stats.find((one) => !isEmpty(one))!;
        throw new Error(`${kind} still has something: ${await this.explain(kind)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
  }

  /** A pipe brings a long line in pieces. */
  async line(): Promise<string> {
    let line = "";
    while (!line.endsWith("\n")) {
      const { value } = await within(this.#lines.read(), "a line of the program", 40_000);
      if (value === undefined) throw new Error(`the program ended: ${await this.#errors}`);
      line += value;
    }
    return line;
  }

  /** @throws {Error} with what the program said when it has ended */
  async requireAlive(): Promise<void> {
    const alive = Symbol();
    const state = await Promise.race([this.#child.status, new Promise((go) => setTimeout(go, 0, alive))]);
    if (state !== alive) throw new Error(`the program ended: ${await this.#errors}`);
  }
}

function file(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** Scripts for each of the ports, in turn. */
function scriptsFor(ports: number[], random: Random): string[] {
  return Array.from({ length: SCRIPTS_PER_KIND }, () => ports.map((port) => `${port} ${scriptOf(random)}`))
    .flat();
}

/** Runs scripts, each on a connection, all at once. */
async function runScripts(lines: string[]): Promise<void> {
  const pipes = { stdin: "piped", stdout: "piped", stderr: "inherit" } as const;
  const child = new Deno.Command(peer!, pipes).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(lines.join("\n") + "\n"));
  await stdin.close();
  const { code, stdout } = await within(child.output(), "the peer's end", 40_000);
  strictEqual(code, 0, new TextDecoder().decode(stdout));
}

/** A stream of a well-behaved client is answered; one that sends nothing gets its connection. */
async function requireService(kind: string, port: number, sent?: string, answer?: string): Promise<void> {
  const target = { host: "127.0.0.1", port, ca: pem, alpn: "knul" };
  const connection = await within(DenoConnection.connect(target), `a connection to ${kind}`);
  if (sent !== undefined) {
    const bytes = new TextEncoder().encode(sent);
    const got = exchange(await connection.open_bidi(), bytes).catch(async (error) => {
      const ended = await Promise.race([connection.closed(), new Promise((go) => setTimeout(go, 100))]);
      throw new Error(`${kind} did not answer; connection: ${JSON.stringify(ended)}`, { cause: error });
    });
    strictEqual(new TextDecoder().decode(await within(got, `an answer of ${kind}`)), answer, kind);
  }
  connection.close();
}

function seedsOf(): number[] {
  const first = choose_seed();
  return ONE_SEED ? [first] : Array.from({ length: SEEDS }, (_, i) => (first + i * 7919) % 2 ** 32);
}

for (const [where, workers] of [["in one isolate", 0], ["in two Workers", 2]] as const) {
  Deno.test({
    name: `no peer ends a program, whatever it does to each kind of handler, ${where}`,
    ignore: peer === undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const seeds = seedsOf();
      console.log(`seeds ${seeds.join(" ")} (run one again with KNUL_SEED=n, many with KNUL_SEEDS=n)`);
      await Program.run(workers, async (program) => {
        const kinds = Object.entries(program.ports);
        ok(kinds.length > 8);
        for (const seed of seeds) {
          const random = new Random(seed);
          const lines = Array.from(
            { length: SCRIPTS_PER_KIND },
            () => kinds.map(([, port]) => `${port} ${scriptOf(random)}`),
          ).flat();
          const serve = async ([kind, port]: [string, number]) => {
            try {
              await requireService(kind, port, "here", "here");
            } catch (error) {
              throw new Error(`${error}; ${await program.explain(kind)}`, { cause: error });
            }
          };
          try {
            await runScripts(lines);
            await program.requireAlive();
            await Promise.all(kinds.map(serve));
          } catch (error) {
            await program.requireAlive();
            throw new Error(`not with seed ${seed}`, { cause: error });
          }
        }
        await program.requireEmpty();
      });
    },
  });
}

const uploads = temp_folder("peers");
/** The shipped examples: permissions, further arguments, and what a good client's "here" brings back, if anything. */
const examples: Record<string, { flags?: string[]; args?: string[]; sent?: string; answer?: string }> = {
  echo: { sent: "here", answer: "here" },
  datagram_chat: {},
  graceful_stop: { sent: "here", answer: "thought about 4 bytes" },
  file_upload: {
    flags: [`--allow-read=${uploads}`, `--allow-write=${uploads}`],
    args: [uploads],
    sent: "name 4\nhere",
    answer: "stored 4 bytes of name\n",
  },
};
for (const [name, { flags = [], args = [], sent, answer }] of Object.entries(examples)) {
  Deno.test({
    name: `no peer ends the example ${name}`,
    ignore: peer === undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const path = `../../packages/krepis-knul/examples/${name}.ts`;
      const program = new Program(path, flags, [cert, key, "0", ...args]);
      try {
        const port = Number(/:(\d+)/.exec(await program.line())![1]);
        for (const seed of seedsOf()) {
          await runScripts(scriptsFor([port], new Random(seed)));
          await program.requireAlive();
          await requireService(name, port, sent, answer);
        }
        await program.requireAlive();
      } finally {
        await program.kill();
      }
    },
  });
}
