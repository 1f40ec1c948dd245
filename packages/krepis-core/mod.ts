/**
 * Loads Krepis KNUL's native library into a Deno program, checks its ABI version, and describes its codes, errors
 * and layouts. To serve QUIC, use `@krepis/knul`, which is built on this package.
 *
 * Permissions: `--allow-ffi`, and `--allow-env=KREPIS_LIBRARY` to read that variable.
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
