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
    for (let i = 0; i < 1000; i++) reporter.report(new Error(`error ${i}`), { part: "stream" });
  });
  strictEqual(lines.length, 1);
  strictEqual((lines[0]![1] as Error).message, "error 0");
  strictEqual(reporter.handlerErrors, 1000);
});

Deno.test("a handler gets each error, and its own failure is logged", () => {
  const seen: unknown[] = [];
  const reporter = new ErrorReporter((error) => {
    seen.push(error);
    throw new Error("the handler's own");
  });
  const lines = logged(() => reporter.report("first", { part: "stream" }));
  deepStrictEqual(seen, ["first"]);
  strictEqual((lines[0]![1] as Error).message, "the handler's own");
});

Deno.test("a handler whose promise rejects, and an error that cannot be shown, do no harm", async () => {
  const reporter = new ErrorReporter(() => Promise.reject(new Error("later")));
  const lines: unknown[][] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => void lines.push(args);
  try {
    reporter.report("first", { part: "request" });
    for (let i = 0; i < 10; i++) await Promise.resolve();
  } finally {
    console.error = error;
  }
  strictEqual((lines[0]![1] as Error).message, "later");
  const unshowable = {
    [Symbol.for("Deno.customInspect")]() {
      throw new Error("not shown");
    },
  };
  new ErrorReporter(undefined).report(unshowable, { part: "request" });
  new ErrorReporter(() => ({
    get then() {
      throw new Error("no promise");
    },
  })).report("first", { part: "request" });
});
