// What the C headers say, for the tests that hold this package against them.
const folder = new URL("../../include/krepis/", import.meta.url);

/** The text of a header without line continuations. */
export function readHeader(name: string): string {
  return Deno.readTextFileSync(new URL(name, folder)).replace(/\s*\\\n\s*/g, " ");
}

/** Names and values that a pattern with two groups finds in a header. */
export function readConstants(name: string, pattern: RegExp): [string, number][] {
  return [...readHeader(name).matchAll(pattern)].map((match) => [match[1]!, Number(match[2])]);
}
