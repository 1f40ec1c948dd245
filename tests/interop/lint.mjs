// @ts-check
// Layout, lint rules and types of a folder, by Deno's own tools and without the network: node lint.mjs [FOLDER]
// Without FOLDER: this folder.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { deno_executable } from "./setup.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? here;
const files = readdirSync(folder).filter((name) => /\.(ts|mjs|json)$/.test(name));
const sources = files.filter((name) => !name.endsWith(".json"));
const env = {
  ...process.env,
  DENO_DIR: join(here, "node_modules", ".deno"),
  DENO_NO_UPDATE_CHECK: "1",
  RUST_BACKTRACE: "0",
};

const checks = [
  ["fmt", "--quiet", "--check", ...files.filter((name) => name !== "package-lock.json")],
  ["lint", "--quiet", ...sources],
  ["check", "--quiet", ...sources],
];
for (const check of checks) {
  const { status } = spawnSync(deno_executable(), check, { cwd: folder, env, stdio: "inherit" });
  if (status !== 0) {
    console.error(`deno ${check[0]} failed`);
    process.exit(1);
  }
}
console.log(`${sources.length} files: layout, rules and types are good`);
