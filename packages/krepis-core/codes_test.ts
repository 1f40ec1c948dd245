import { strictEqual } from "node:assert/strict";
import { codeMeaning, codeName, isRetryable, KrepisCode } from "./codes.ts";
import { KrepisApplicationCode } from "./codes.ts";
import { readConstants } from "./_header_for_tests.ts";

const pascal = (name: string) =>
  name.toLowerCase().split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");

Deno.test("every code of the header has the same number and name here", () => {
  const codes: Record<string, number> = KrepisCode;
  const header = readConstants("krepis.h", /KREPIS_(\w+) = (\d+)/g);
  strictEqual(header.length, Object.keys(codes).length);
  for (const [name, value] of header) strictEqual(codes[pascal(name)], value, name);
});

Deno.test("every application code of the header has the same number here", () => {
  const codes: Record<string, number> = KrepisApplicationCode;
  const header = readConstants("channel.h", /#define KREPIS_CODE_(\w+) (0x[0-9a-f]+)u/g);
  strictEqual(header.length, Object.keys(codes).length);
  for (const [name, value] of header) strictEqual(codes[pascal(name)], value, name);
});

Deno.test("a number without a name is reserved and not retryable", () => {
  strictEqual(codeName(1005), "Reserved");
  strictEqual(codeMeaning(1005), "reserved");
  strictEqual(isRetryable(1005), false);
});

Deno.test("want of resources is retryable, a wrong value is not", () => {
  strictEqual(isRetryable(KrepisCode.QuotaExceeded), true);
  strictEqual(isRetryable(KrepisCode.InvalidRequest), false);
});
