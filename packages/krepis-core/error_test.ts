import { strictEqual } from "node:assert/strict";
import { KrepisError } from "./error.ts";

Deno.test("an error carries code, name, text and whether to try again", () => {
  const error = new KrepisError(5000, "port: 4433 is in use");
  strictEqual(error.code, 5000);
  strictEqual(error.codeName, "NetworkError");
  strictEqual(error.text, "port: 4433 is in use");
  strictEqual(error.message, "NetworkError (5000): port: 4433 is in use");
  strictEqual(error.retryable, true);
  strictEqual(error instanceof Error, true);
});

Deno.test("an error without a text says what its code means", () => {
  const error = new KrepisError(1004);
  strictEqual(error.text, "invalid pointer, or unknown or stale handle");
  strictEqual(error.message, "InvalidPointer (1004): invalid pointer, or unknown or stale handle");
});
