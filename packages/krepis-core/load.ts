import { KrepisCode } from "./codes.ts";
import { KrepisCore } from "./core.ts";
import { KrepisError } from "./error.ts";

/** The ABI version of this package, 1.2.0. The library must have the same major and at least this minor version. */
export const KREPIS_ABI_VERSION = 0x00010200;

/** The name that the system's loader resolves, and of the file beside this package. */
export const KREPIS_LIBRARY_NAME = "libknul.so.1";

interface Place {
  what: string;
  path: string;
}

/**
 * Loads the native library from the first of these places that has it:
 * 1. `path`, if given; then no other place is searched;
 * 2. the environment variable `KREPIS_LIBRARY`, if it is set; then no other place is searched. It is read only with
 *    `--allow-env=KREPIS_LIBRARY`, without a prompt. If the library is not found, the error says that the variable was
 *    not read;
 * 3. `libknul.so.1` beside this package;
 * 4. `libknul.so.1` as the system's loader finds it.
 *
 * Needs `--allow-ffi`. Loading several times is cheap: the process has the library once.
 *
 * @param path of the library. Default: the order above
 * @throws {KrepisError} `InvalidContext` (1001): no place has a library that can be loaded; the text names each place
 *   and the reason. `AbiMismatch` (1002): the library has an incompatible ABI version.
 *
 * @example
 * ```ts
 * import { loadKrepisCore } from "@krepis/core";
 *
 * using core = loadKrepisCore();
 * console.log(core.version, core.list());
 * ```
 */
export function loadKrepisCore(path?: string): KrepisCore {
  const failures: string[] = [];
  for (const place of places(path)) {
    try {
      return openChecked(place.path);
    } catch (error) {
      if (error instanceof KrepisError) throw error;
      failures.push(`${place.what} (${place.path}): ${reason(error)}`);
    }
  }
  if (path === undefined && !mayReadEnvironment("KREPIS_LIBRARY")) {
    failures.push(
      "the environment variable KREPIS_LIBRARY was not read, because --allow-env=KREPIS_LIBRARY is missing",
    );
  }
  const text = `the native library cannot be loaded; tried ${failures.join("; ")}`;
  throw new KrepisError(KrepisCode.InvalidContext, text);
}

function places(path: string | undefined): Place[] {
  if (path !== undefined) return [{ what: "the given path", path }];
  const fromEnvironment = readEnvironment("KREPIS_LIBRARY");
  if (fromEnvironment) return [{ what: "KREPIS_LIBRARY", path: fromEnvironment }];
  const system = { what: "the system's loader", path: KREPIS_LIBRARY_NAME };
  const beside = new URL(KREPIS_LIBRARY_NAME, import.meta.url);
  if (beside.protocol !== "file:") return [system];
  return [{ what: "beside the package", path: decodeURIComponent(beside.pathname) }, system];
}

function readEnvironment(variable: string): string | undefined {
  return mayReadEnvironment(variable) ? Deno.env.get(variable) : undefined;
}

/** Queries the state of the permission, so that no prompt appears. */
function mayReadEnvironment(variable: string): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

/** The version is read through a handle of its own: another ABI may lack the other functions. */
function openChecked(path: string): KrepisCore {
  const probe = Deno.dlopen(path, { krepis_abi_version: { parameters: [], result: "u32" } });
  const found = probe.symbols.krepis_abi_version();
  probe.close();
  if (found >>> 16 !== KREPIS_ABI_VERSION >>> 16 || found < KREPIS_ABI_VERSION) {
    const text = `${path} has ABI ${dotted(found)}, needed is ${
      dotted(KREPIS_ABI_VERSION)
    } or a later minor version`;
    throw new KrepisError(KrepisCode.AbiMismatch, text);
  }
  return new KrepisCore(path);
}

function dotted(version: number): string {
  return `${version >>> 16}.${(version >>> 8) & 0xff}.${version & 0xff}`;
}

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^(Could not open library: )+/, "");
}
