// @ts-check
// Installs the pinned packages of a folder when they are missing or of another version: node setup.mjs [FOLDER]
// Without FOLDER: this folder.
// Lifecycle scripts stay off: both packages ship their binaries, and the tests call Deno's binary directly.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const modules = join(folder, "node_modules");

/** @param {string} path */
const read_json = (path) => JSON.parse(readFileSync(path, "utf8"));

/** @param {string} where */
function is_installed(where) {
  const wanted = Object.entries(read_json(join(where, "package.json")).dependencies);
  return wanted.every(([name, version]) => {
    const manifest = join(where, "node_modules", name, "package.json");
    return existsSync(manifest) && read_json(manifest).version === version;
  });
}

/** @returns {string} the path of Deno's executable for this platform */
export function deno_executable() {
  const platforms = existsSync(join(modules, "@deno")) ? readdirSync(join(modules, "@deno")) : [];
  const found = platforms.map((name) => join(modules, "@deno", name, "deno")).find((path) =>
    existsSync(path)
  );
  if (!found) throw new Error(`no Deno in ${modules}: run "node ${join(folder, "setup.mjs")}" first`);
  return found;
}

export function install(where = folder) {
  if (!is_installed(where)) {
    const options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", options, { cwd: where, stdio: "inherit" });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2]) {
  install(process.argv[2]);
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  install();
  const deno = execFileSync(deno_executable(), ["--version"], { encoding: "utf8" }).split("\n")[0];
  const quiche = read_json(join(modules, "@matrixai", "quic", "package.json")).version;
  console.log(`interop clients: ${deno}; quiche of @matrixai/quic ${quiche}`);
}
