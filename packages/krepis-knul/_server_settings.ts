// Converts the settings that a program gives to those of the library: names in either spelling, values that JSON can
// carry. Errors name the option as the program wrote it.
import { KrepisCode, type KrepisCore, KrepisError, settingValue } from "@krepis/core";
import { AdapterError, invalidOption } from "./adapter_error.ts";
import { camelCase, snakeCase } from "./_camel_case.ts";
import { checkOptions, nearest } from "./_conversions.ts";

/** A value, with the name that the program used. */
export interface GivenSetting {
  option: string;
  value: unknown;
}

/** By the library's names. */
export type GivenSettings = Map<string, GivenSetting>;

/** Methods of the builder, by the names of the settings. The last six are not settings of the library. */
const METHODS = new Map([
  "host",
  "port",
  "certPath",
  "keyPath",
  "certPem",
  "keyPem",
  "clientAuth",
  "maxConnections",
  "maxStreams",
  "idleTimeoutMs",
  "drainTimeoutMs",
  "alpn",
  "workers",
  "maxPayloadBytes",
  "maxGatheredBytes",
  "requestTimeoutMs",
  "channel",
  "library",
  "protocol",
].map((method) => [snakeCase(method), method])).set("client_ca_path", "caPath").set("client_ca_pem", "caPem");

/** The method of the builder for a setting, which errors name. */
export function methodOf(setting: string): string {
  return METHODS.get(setting) ?? camelCase(setting);
}

/**
 * Reads settings that have no method of the builder. Names are those of docs/settings.md, in snake_case or camelCase.
 * @throws {AdapterError} `InvalidRequest` (4001) names the setting as it was given
 */
export function readExtra(settings: Record<string, unknown>): GivenSettings {
  const given: GivenSettings = new Map();
  for (const [name, value] of Object.entries(checkOptions("extra", settings))) {
    const option = `extra.${name}`;
    const setting = snakeCase(name);
    const method = METHODS.get(setting);
    if (method !== undefined) throw invalidOption(option, value, `the method ${method}()`);
    const twin = given.get(setting);
    if (twin !== undefined) throw invalidOption(option, value, `one spelling; ${twin.option} is also given`);
    const carried = settingValue(value);
    if (carried === undefined) {
      throw invalidOption(option, value, "a number, a string, true or false, or a list of strings");
    }
    given.set(setting, { option, value: carried });
  }
  return given;
}

/**
 * Starts a server.
 * @returns its handle
 * @throws {AdapterError} the library's error, with the `option` that was refused
 */
export function startServer(core: KrepisCore, given: GivenSettings): number {
  const known = core.settings().map(({ name }) => name);
  for (const [setting, { option }] of given) {
    if (!known.includes(setting)) throw unknownSetting(option, known);
  }
  const json: Record<string, unknown> = {};
  for (const [setting, { value }] of given) json[setting] = value;
  try {
    return core.startJson(json);
  } catch (error) {
    throw error instanceof KrepisError ? withOption(error, given, known) : error;
  }
}

function unknownSetting(option: string, known: string[]): AdapterError {
  const name = option.replace(/^extra\./, "");
  const names = [...known, ...METHODS.keys()];
  const near = nearest(name, name.includes("_") ? names : names.map(camelCase));
  const method = near === null ? undefined : METHODS.get(snakeCase(near));
  const hint = near === null
    ? "docs/settings.md lists the settings"
    : `did you mean ${method === undefined ? near : `the method ${method}()`}?`;
  return new AdapterError(KrepisCode.InvalidRequest, `${option}: unknown setting; ${hint}`, { option });
}

/** Adds the option to an error of the library, whose text begins with the name of the setting (docs/abi.md). */
function withOption(error: KrepisError, given: GivenSettings, known: string[]): AdapterError {
  const setting = /^\w+/.exec(error.text)?.[0] ?? "";
  const option = given.get(setting)?.option ?? METHODS.get(setting) ?? `extra.${camelCase(setting)}`;
  const options = known.includes(setting) ? { cause: error, option } : { cause: error };
  return new AdapterError(error.code, error.text, options);
}
