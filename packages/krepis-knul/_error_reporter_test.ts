import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { ErrorReporter } from "./_error_reporter.ts";

/** What was logged meanwhile. */
function logged(run: () => void): unknown[][] {
  const lines: unknown[][] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => void lines.push(args);
  try {
    run();
  } finally {
    console.error = error;
  }
  return lines;
}

Deno.test("without a handler a flood of errors is one line, and all are counted", () => {
  const reporter = new ErrorReporter(undefined);
  const lines = logged(() => {
    for (let i = 0; i < 1000; i++) reporter.report(new Error(`error ${i}`));
  });
  strictEqual(lines.length, 1);
  strictEqual((lines[0][1] as Error).message, "error 0");
  strictEqual(reporter.handlerErrors, 1000);
});

Deno.test("a handler gets each error, and its own failure is logged", () => {
  const seen: unknown[] = [];
  const reporter = new ErrorReporter((error) => {
    seen.push(error);
    throw new Error("the handler's own");
  });
  const lines = logged(() => reporter.report("first"));
  deepStrictEqual(seen, ["first"]);
  strictEqual((lines[0][1] as Error).message, "the handler's own");
});
