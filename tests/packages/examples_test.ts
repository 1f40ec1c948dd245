// Each example of @krepis/knul runs and does what it says.
import { match, ok, strictEqual } from "node:assert/strict";
import { within } from "../interop/deadline.mjs";
import { DenoConnection } from "../interop/deno_client.ts";
import { exchange } from "../interop/exchange.mjs";
import { choose_seed, concat, Random, sha256 } from "../interop/payload.mjs";
import { development_identity, temp_folder } from "../interop/server.mjs";
import { deno_env, kPermissions } from "./program.mjs";

const { cert, key, pem } = development_identity();
const seed = choose_seed();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Example {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly output: string[] = [];
  port = 0;

  private constructor(name: string, args: string[], flags: string[]) {
    const folder = new URL("../../packages/krepis-knul/examples/", import.meta.url).pathname;
    const program = `${folder}${name}.ts`;
    const all = [
      "run",
      "--quiet",
      "--check",
      "--cached-only",
      ...kPermissions,
      ...flags,
      program,
      cert,
      key,
      "0",
    ];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...all, ...args],
      env: deno_env,
      stdout: "piped",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
  }

  static async run(
    name: string,
    body: (example: Example) => Promise<void>,
    args: string[] = [],
    flags: string[] = [],
  ) {
    const example = new Example(name, args, flags);
    try {
      const line = await within(example.line(), "start of the example", 30_000);
      example.port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
      await body(example);
    } finally {
      example.signal("SIGKILL");
      await example.#child.status;
      await example.#lines.return?.();
    }
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    ok(!done, "the example ended");
    this.output.push(value);
    return value;
  }

  connect(): Promise<DenoConnection> {
    return DenoConnection.connect({ host: "127.0.0.1", port: this.port, ca: pem, alpn: "knul" });
  }

  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: () => within(fn(), name, 60_000) });
}

test("echo sends streams and datagrams back", () =>
  Example.run("echo", async (example) => {
    const connection = await example.connect();
    const bytes = new Random(seed).bytes(100_000);
    strictEqual(sha256(await exchange(await connection.open_bidi(), bytes)), sha256(bytes));
    await connection.send_datagram(encoder.encode("ping"));
    strictEqual(decoder.decode(await within(connection.read_datagram(), "datagram")), "ping");
    connection.close();
  }));

test("file_upload stores a file, shows its progress, and refuses a name that leaves its folder", async () => {
  const folder = temp_folder("upload");
  await Example.run(
    "file_upload",
    async (example) => {
      const connection = await example.connect();
      const file = new Random(seed).bytes(3_000_000);
      const upload = concat([encoder.encode(`photo.raw ${file.length}\n`), file]);
      const answer = await exchange(await connection.open_bidi(), upload);
      strictEqual(decoder.decode(answer), `stored ${file.length} bytes of photo.raw\n`);
      strictEqual(sha256(Deno.readFileSync(`${folder}/photo.raw`)), sha256(file));
      while (await example.line() !== "photo.raw: 100 %");
      ok(example.output.length > 3, example.output.join());
      const refused = exchange(await connection.open_bidi(), encoder.encode("../photo.raw 5\nabcde"));
      await refused.then(() => ok(false, "a bad name was accepted"), () => {});
      connection.close();
    },
    [folder],
    [`--allow-write=${folder}`, `--allow-read=${folder}`],
  );
});

test("datagram_chat passes messages on to the others", () =>
  Example.run("datagram_chat", async (example) => {
    const first = await example.connect();
    // Known to the program: two connections may be on two workers, whose events have no common order.
    strictEqual(await example.line(), "guest 1 came");
    const second = await example.connect();
    const said = async () => decoder.decode(await within(first.read_datagram(), "message"));
    strictEqual(await said(), "guest 2 came");
    await second.send_datagram(encoder.encode("hello"));
    strictEqual(await said(), "guest 2: hello");
    second.close();
    strictEqual(await said(), "guest 2 left");
    first.close();
  }));

test("graceful_stop lets an answer under way finish at SIGTERM, then ends", () =>
  Example.run("graceful_stop", async (example) => {
    const connection = await example.connect();
    const stream = await connection.open_bidi();
    const answer = exchange(stream, new Uint8Array(1000));
    match(await example.line(), /thinking about 1000 bytes/);
    example.signal("SIGTERM");
    strictEqual(decoder.decode(await answer), "thought about 1000 bytes");
    match(await example.line(), /drained in \d+ ms: 1 finished, 0 cut, clean: true/);
    strictEqual((await example.status).code, 0);
    connection.close();
  }));
