/**
 * Loads Krepis KNUL's native library into a Deno program, checks that it fits, and describes what crosses
 * its boundary: codes, errors, layouts. Programs that serve QUIC want `@krepis/knul`, which is built on this.
 *
 * Permissions: `--allow-ffi`, and `--allow-env=KREPIS_LIBRARY` only where that variable is to be read.
 *
 * @module
 */
export * from "./codes.ts";
export * from "./core.ts";
export * from "./error.ts";
export * from "./events.ts";
export * from "./layout.ts";
export * from "./load.ts";
export { settingValue } from "./values.ts";
export type { ChannelSymbols, ServerSymbols } from "./symbols.ts";
