// @ts-check
// Runs one client's test file against $KNUL_BIN and prints how many tests passed: node run.mjs deno|quiche
// Exits with 0 only if at least one test ran and none failed; ends everything it started after kLimitMs.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { deno_executable } from "./setup.mjs";

const kLimitMs = Number(process.env.KNUL_INTEROP_LIMIT_MS ?? 280_000);
const folder = dirname(fileURLToPath(import.meta.url));

/** Each runner with the lines in which it counts. */
const runners = {
  deno: {
    command: () => [
      deno_executable(),
      "test",
      ...["--unstable-net", "--no-check", "--cached-only", "--allow-all", "deno_client_test.ts"],
    ],
    passed: /(\d+) passed/,
    failed: /(\d+) failed/,
    skipped: /(\d+) ignored/,
  },
  quiche: {
    command: () => [process.execPath, "--test-reporter=spec", "quiche_client_test.mjs"],
    passed: /^\S+ pass (\d+)$/m,
    failed: /^\S+ fail (\d+)$/m,
    skipped: /^\S+ skipped (\d+)$/m,
  },
};

const name = process.argv[2];
if (name !== "deno" && name !== "quiche") throw new Error("usage: node run.mjs deno|quiche");
const runner = runners[name];

const [program, ...args] = runner.command();
const cache = join(folder, "node_modules", ".deno");
// `deno test` runs no exit handlers, so the temporary folders of the tests are removed from here.
const temp = mkdtempSync(join(tmpdir(), `knul-interop-${name}-`));
const env = {
  ...process.env,
  NO_COLOR: "1",
  DENO_NO_UPDATE_CHECK: "1",
  RUST_BACKTRACE: "0",
  DENO_DIR: cache,
  TMPDIR: temp,
};
// Its own process group, so that the servers which a hanging test leaves behind end with it.
const child = spawn(program, args, {
  cwd: folder,
  env,
  stdio: ["ignore", "pipe", "inherit"],
  detached: true,
});

let output = "";
child.stdout.setEncoding("utf8").on("data", (text) => {
  output += text;
  process.stdout.write(text);
});

function end_group() {
  try {
    process.kill(-(/** @type {number} */ (child.pid)), "SIGKILL");
  } catch {
    // The group has ended.
  }
}
const timer = setTimeout(() => {
  console.error(`${name}: not finished after ${kLimitMs} ms`);
  end_group();
}, kLimitMs);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end_group);

child.on("close", (code) => {
  clearTimeout(timer);
  end_group();
  rmSync(temp, { recursive: true, force: true });
  /** @param {RegExp} pattern */
  const count = (pattern) => Number(pattern.exec(output)?.[1] ?? 0);
  const [passed, failed, skipped] = [runner.passed, runner.failed, runner.skipped].map(count);
  console.log(`interop ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = code === 0 && passed > 0 && failed === 0 ? 0 : 1;
});
