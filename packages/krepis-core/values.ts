// Checks of the values that a program passes to the library.
import { KrepisCode } from "./codes.ts";
import { KrepisError } from "./error.ts";

/**
 * Converts a setting's value to a JSON value. Returns undefined for a value that no setting can have. The library checks
 * whether the type fits the setting.
 *
 * @example
 * ```ts
 * import { settingValue } from "@krepis/core";
 * console.assert(settingValue(7n) === 7 && settingValue(NaN) === undefined);
 * ```
 */
export function settingValue(value: unknown): string | boolean | number | string[] | undefined {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "bigint" && value >= 0n && value <= Number.MAX_SAFE_INTEGER) return Number(value);
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return [...value];
  return undefined;
}

/** @throws {KrepisError} `InvalidRequest` (4001), with `name` in its text, unless it is a whole number from 0 to `max` */
export function wholeNumber(name: string, value: unknown, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw refused(name, value, `a whole number from 0 to ${max}`);
}

/** Settings as JSON. @throws {KrepisError} `InvalidRequest` (4001): a setting has no JSON value, the text names it */
export function settingsJson(settings: unknown): string {
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    throw refused("settings", settings, "an object");
  }
  const members = Object.entries(settings).map(([name, given]) => {
    const value = settingValue(given);
    if (value === undefined) {
      throw refused(name, given, "a number, a string, true or false, or a list of strings");
    }
    return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  });
  return `{${members.join(",")}}`;
}

function refused(name: string, value: unknown, expected: string): KrepisError {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : typeof value;
  const number = typeof value === "number" || typeof value === "bigint" ? String(value).slice(0, 80) : shown;
  return new KrepisError(
    KrepisCode.InvalidRequest,
    `${name}: ${number} is invalid; expected ${expected}`,
  );
}
