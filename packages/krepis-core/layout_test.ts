import { strictEqual } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as layout from "./layout.ts";
import { readHeader } from "./_header_for_tests.ts";

const structs = [
  "FfiBuffer",
  "FfiResponse",
  "FfiQuicConfig",
  "FfiChannelConfig",
  "FfiChannelRegion",
  "FfiEvent",
];

/** Prints "struct field offset" for every field, and "struct size bytes", as the C compiler sees them. */
function program(): string {
  const lines = structs.flatMap((name) => {
    const fields = Object.keys(layout[name as keyof typeof layout]).filter((field) => field !== "size");
    return [
      `printf("${name} size %zu\\n", sizeof(${name}));`,
      ...fields.map((field) => `printf("${name} ${field} %zu\\n", offsetof(${name}, ${field}));`),
    ];
  });
  return `#include <krepis/krepis.h>\n#include <stdio.h>\nint main(void) {\n${
    lines.join("\n")
  }\nreturn 0;\n}\n`;
}

function compiled(): string[] {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/layout.c`, program());
    const include = new URL("../../include", import.meta.url).pathname;
    execFileSync("cc", ["-std=c11", "-I", include, `${folder}/layout.c`, "-o", `${folder}/layout`]);
    return execFileSync(`${folder}/layout`, { encoding: "utf8" }).trim().split("\n");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("every size and offset is the one that the C compiler computes", () => {
  const lines = compiled();
  for (const line of lines) {
    const [name = "", field = "", value] = line.split(" ");
    const here: Record<string, number> = layout[name as keyof typeof layout];
    strictEqual(here[field], Number(value), `${name}.${field}`);
  }
  strictEqual(
    lines.length,
    structs.reduce((n, s) => n + Object.keys(layout[s as keyof typeof layout]).length, 0),
  );
});

Deno.test("every field of a struct in the headers has its offset here", () => {
  const text = readHeader("krepis.h") + readHeader("channel.h");
  for (const name of structs) {
    const body = new RegExp(`typedef struct ${name} \\{([^}]*)\\}`).exec(text)![1]!;
    const fields = [...body.replace(/\/\*[^]*?\*\//g, "").matchAll(/(\w+);/g)].map((match) => match[1]);
    const here = Object.keys(layout[name as keyof typeof layout]).filter((field) => field !== "size");
    strictEqual(fields.join(), here.join(), name);
  }
});

Deno.test("the event ring is laid out as the header says", () => {
  const text = readHeader("channel.h").replace(/\s+\*\s+/g, " ");
  strictEqual(/u32 tail @(\d+)/.exec(text)?.[1], String(layout.EventRing.tail));
  strictEqual(/u32 head @(\d+)/.exec(text)?.[1], String(layout.EventRing.head));
  strictEqual(/\(FfiEvent\) from @(\d+)/.exec(text)?.[1], String(layout.EventRing.records));
});
