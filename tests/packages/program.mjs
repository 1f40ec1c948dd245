// @ts-check
// Starts the Deno program of these tests, with no more permissions than the adapter needs.
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { development_identity, KnulServer } from "../interop/server.mjs";
import { deno_executable } from "../interop/setup.mjs";

const folder = dirname(fileURLToPath(import.meta.url));

/** Where every Deno of these tests keeps its cache; beside the npm packages, which are not in git. */
export const deno_env = {
  DENO_DIR: join(folder, "..", "interop", "node_modules", ".deno"),
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
  RUST_BACKTRACE: "0",
};

/** The permissions that README.md promises to be enough. */
export const kPermissions = ["--no-prompt", "--allow-ffi", "--allow-env=KREPIS_LIBRARY"];

/**
 * @param {Record<string, unknown>} options of server_program.ts, without certificate and key
 * @returns {Promise<KnulServer>}
 */
export function start_program(options = {}) {
  if (!process.env.KREPIS_LIBRARY) throw new Error("KREPIS_LIBRARY must name the library under test");
  const { cert, key } = development_identity();
  const argument = JSON.stringify({ cert, key, mode: "streams", ...options });
  const flags = ["run", "--quiet", "--no-check", "--cached-only", "--config", join(folder, "deno.json")];
  const command = [...flags, ...kPermissions, join(folder, "server_program.ts"), argument];
  return KnulServer.start_program(deno_executable(), command, deno_env);
}

/**
 * Runs `body` against a fresh program, then drains it and checks that it ended well.
 * @param {Record<string, unknown>} options
 * @param {(server: KnulServer) => Promise<void>} body
 * @returns {Promise<Record<string, unknown>>} the "stopped" line
 */
export async function with_program(options, body) {
  const server = await start_program(options);
  try {
    await body(server);
    return await server.stop();
  } finally {
    server.kill();
  }
}
