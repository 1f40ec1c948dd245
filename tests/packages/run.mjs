// @ts-check
// Runs one suite of the packages' tests and prints how many passed: node run.mjs SUITE
// Exits with 0 only if at least one test ran and none failed or was left out; ends everything it started after
// kLimitMs.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { deno_executable } from "../interop/setup.mjs";
import { deno_env } from "./program.mjs";

const kLimitMs = Number(process.env.KNUL_PACKAGES_LIMIT_MS ?? 280_000);
const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "..", "..", "packages");

// What the tests beside the code may do: load the library, read the headers, compile a C program.
const unit_permissions = [
  "--no-prompt",
  "--allow-ffi",
  "--allow-env",
  "--allow-read",
  "--allow-write=/tmp," + tmpdir(),
  "--allow-run",
];

/** @param {string} folder @param {string[]} args */
const deno_test = (folder, ...args) => ({
  folder,
  command: [deno_executable(), "test", "--no-check", "--cached-only", ...args],
  passed: /(\d+) passed/,
  failed: /(\d+) failed/,
});

/** @type {Record<string, () => { folder: string, command: string[], passed: RegExp, failed: RegExp }>} */
const suites = {
  core: () => deno_test(packages, ...unit_permissions, "--doc", "krepis-core"),
  knul: () => deno_test(packages, ...unit_permissions, "--doc", "krepis-knul"),
  deno: () => deno_test(here, "--allow-all", "deno_client_test.ts"),
  lifecycle: () => deno_test(here, "--allow-all", "lifecycle_test.ts", "values_test.ts", "worker_test.ts"),
  directions: () => deno_test(here, "--allow-all", "directions_test.ts"),
  peers: () => {
    if (!process.env.KNUL_SCRIPT_PEER) {
      throw new Error("peers needs KNUL_SCRIPT_PEER, the path of the program knul_script_peer");
    }
    return deno_test(here, "--allow-all", "peers_test.ts");
  },
  events: () => deno_test(here, "--allow-all", "events_test.ts"),
  examples: () => deno_test(here, "--allow-all", "examples_test.ts", "readme_test.ts"),
  exits: () => deno_test(here, "--allow-all", "exit_test.ts"),
  quiche: () => ({
    folder: here,
    command: [process.execPath, "--test-reporter=spec", "quiche_client_test.mjs"],
    passed: /^\S+ pass (\d+)$/m,
    failed: /^\S+ fail (\d+)$/m,
  }),
};

const env = { ...process.env, ...deno_env };

// Deno finds npm packages in the folder of its configuration only.
if (!existsSync(join(here, "node_modules"))) {
  symlinkSync("../interop/node_modules", join(here, "node_modules"));
}

/** @param {string} folder @param {string[]} args */
function run_deno(folder, ...args) {
  const { status } = spawnSync(deno_executable(), args, { cwd: folder, env, stdio: "inherit" });
  if (status !== 0) throw new Error(`deno ${args[0]} failed in ${folder}`);
}

/** Layout, lint rules, types and what a registry demands of the packages, by Deno's own tools. */
function lint() {
  const targets = [[packages, "krepis-core", "krepis-knul"], [here, "."], [
    join(here, "../../bench/deno"),
    ".",
  ]];
  for (const [folder, ...names] of targets) {
    for (const check of [["fmt", "--check"], ["lint"], ["check"]]) {
      run_deno(folder, ...check, "--quiet", ...names);
    }
  }
  run_deno(packages, "publish", "--dry-run", "--allow-dirty", "--quiet"); // it asks no server
  console.log("layout, rules and types are good");
}

/** @param {string} name */
function run_suite(name) {
  const suite = suites[name]?.();
  if (!suite) throw new Error(`usage: node run.mjs lint|${Object.keys(suites).join("|")}`);
  const [program, ...args] = suite.command;
  // `deno test` runs no exit handlers, so the temporary folders of the tests are removed from here.
  const temp = mkdtempSync(join(tmpdir(), `knul-packages-${name}-`));
  // Its own process group, so that the servers which a hanging test leaves behind end with it.
  const child = spawn(program, args, {
    cwd: suite.folder,
    env: { ...env, TMPDIR: temp },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
    process.stdout.write(text);
  });
  const end_group = () => {
    try {
      process.kill(-(/** @type {number} */ (child.pid)), "SIGKILL");
    } catch {
      // The group has ended.
    }
  };
  const timer = setTimeout(() => {
    console.error(`${name}: not finished after ${kLimitMs} ms`);
    end_group();
  }, kLimitMs);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end_group);
  child.on("close", (code) => {
    clearTimeout(timer);
    end_group();
    rmSync(temp, { recursive: true, force: true });
    const passed = Number(suite.passed.exec(output)?.[1] ?? 0);
    const failed = Number(suite.failed.exec(output)?.[1] ?? 0);
    const left_out = Number(/(\d+) ignored/.exec(output)?.[1] ?? 0);
    console.log(`packages ${name}: ${passed} passed, ${failed} failed, ${left_out} left out`);
    process.exitCode = code === 0 && passed > 0 && failed === 0 && left_out === 0 ? 0 : 1;
  });
}

const suite = process.argv[2];
if (suite === "lint") lint();
else run_suite(suite);
