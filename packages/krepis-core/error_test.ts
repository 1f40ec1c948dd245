import { strictEqual } from "node:assert/strict";
import { KrepisError } from "./error.ts";

Deno.test("an error carries code, name, text and whether to try again", () => {
  const error = new KrepisError(5000, "port: 4433 is in use");
  strictEqual(error.code, 5000);
  strictEqual(error.codeName, "NetworkError");
  strictEqual(error.message, "NetworkError (5000): port: 4433 is in use");
  strictEqual(error.retryable, true);
  strictEqual(error instanceof Error, true);
});

Deno.test("an error without a text says what its code means", () => {
  strictEqual(new KrepisError(1004).message, "InvalidPointer (1004): unknown or stale handle");
});
