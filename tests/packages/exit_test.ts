// How a program ends while its server runs: by itself after stop, at once otherwise, a hundred times each.
import { match, ok, strictEqual } from "node:assert/strict";
import { development_identity } from "../interop/server.mjs";
import { deno_env, kPermissions } from "./program.mjs";

const { cert, key } = development_identity();
const RUNS = 100;
const AT_ONCE = 2;
const LIMIT_MS = 20_000;

interface Ended {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
  lastedMs: number;
}

async function runOnce(how: string): Promise<Ended> {
  const program = new URL("./exit_program.ts", import.meta.url).pathname;
  const config = new URL("./deno.json", import.meta.url).pathname;
  const flags = ["run", "--quiet", "--no-check", "--cached-only", "--config", config, ...kPermissions];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...flags, program, how, cert, key],
    env: deno_env,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const ready = Number(/ready (\d+)/.exec(text(stdout))?.[1] ?? NaN);
  return { code, signal, stdout: text(stdout), stderr: text(stderr), lastedMs: Date.now() - ready };
}

async function repeat(how: string, check: (ended: Ended) => void): Promise<void> {
  let left = RUNS;
  const runner = async () => {
    while (left-- > 0) {
      const ended = await runOnce(how);
      strictEqual(ended.signal, null, `${how}: ended by a signal: ${ended.stderr}`);
      ok(ended.lastedMs < 2000, `${how}: took ${ended.lastedMs} ms to end: ${ended.stderr}`);
      check(ended);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
}

Deno.test("a program ends by itself after stop, a hundred times", async () => {
  await repeat("stop", ({ code, stdout, stderr }) => {
    strictEqual(code, 0, stderr);
    match(stdout, /stopped true/);
  });
});

Deno.test("a program ends at once on Deno.exit, a hundred times", async () => {
  await repeat("exit", ({ code, stderr }) => strictEqual(code, 7, stderr));
});

Deno.test("a program ends at once on an uncaught error, a hundred times", async () => {
  await repeat("throw", ({ code, stderr }) => {
    strictEqual(code, 1, stderr);
    match(stderr, /nobody catches this/);
  });
});
