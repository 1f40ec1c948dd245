import { match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { KrepisCode } from "./codes.ts";
import { KrepisError } from "./error.ts";
import { KREPIS_ABI_VERSION, loadKrepisCore } from "./load.ts";
import { readConstants } from "./_header_for_tests.ts";

/** A library whose ABI version is `version`, with every other function missing. */
function withLibrary(version: number, run: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    const source = `unsigned krepis_abi_version(void) { return ${version}u; }\n`;
    Deno.writeTextFileSync(`${folder}/other.c`, source);
    execFileSync("cc", ["-shared", "-fPIC", `${folder}/other.c`, "-o", `${folder}/other.so`]);
    run(`${folder}/other.so`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What a program of its own prints; `flags` are its permissions. */
function runProgram(flags: string[], env: Record<string, string>): string {
  const load = new URL("./load.ts", import.meta.url).href;
  const program = `import { loadKrepisCore } from "${load}";
    try { console.log("loaded", loadKrepisCore().path); } catch (error) { console.log(error.message); }`;
  const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-config",
      ...flags,
      "data:text/javascript," + encodeURIComponent(program),
    ],
    env: { ...env, NO_COLOR: "1" },
  }).outputSync();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("the ABI version here is that of the header", () => {
  const [found] = readConstants("krepis.h", /#define (KREPIS_ABI_VERSION) (0x\w+)u/g);
  strictEqual(KREPIS_ABI_VERSION, found?.[1]);
});

Deno.test("the library that KREPIS_LIBRARY names is loaded and says its version", () => {
  using core = loadKrepisCore();
  strictEqual(core.path, Deno.env.get("KREPIS_LIBRARY"));
  strictEqual(core.abiVersion >>> 16, 1);
  match(core.version, /^\d+\.\d+\.\d+$/);
});

Deno.test("a path that is given is the only one tried", () => {
  throws(() => loadKrepisCore("/nowhere/libknul.so.1"), (error: KrepisError) => {
    strictEqual(error.code, KrepisCode.InvalidContext);
    match(error.message, /tried the given path \(\/nowhere\/libknul\.so\.1\): .*No such file/);
    return !error.message.includes("system's loader");
  });
});

Deno.test("a library of another major version is refused with AbiMismatch", () => {
  for (const version of [0x00020000, 0x00000900, 0x00010100]) {
    withLibrary(version, (path) => {
      throws(() => loadKrepisCore(path), { code: KrepisCode.AbiMismatch, message: /needed is 1\.2\.0/ });
    });
  }
});

Deno.test("a library that is not ours is refused with the function that it lacks", () => {
  throws(() => loadKrepisCore("libc.so.6"), { message: /libc\.so\.6.*krepis_abi_version/ });
});

Deno.test("a missing library names every place that was tried", () => {
  const text = runProgram(["--allow-ffi"], { LD_LIBRARY_PATH: "/nowhere" });
  match(
    text,
    /beside the package \(\/.*\/krepis-core\/libknul\.so\.1\): .*the system's loader \(libknul\.so\.1\): /,
  );
});

Deno.test("without permission to read it the variable is passed over, without a prompt, and the error says so", () => {
  const text = runProgram(["--allow-ffi"], {
    KREPIS_LIBRARY: "/elsewhere/x.so",
    LD_LIBRARY_PATH: "/nowhere",
  });
  ok(!text.includes("/elsewhere"), text);
  match(text, /KREPIS_LIBRARY was not read, because --allow-env=KREPIS_LIBRARY is missing/);
  const allowed = runProgram(["--allow-ffi", "--allow-env=KREPIS_LIBRARY"], {
    KREPIS_LIBRARY: "/elsewhere/x.so",
  });
  match(allowed, /KREPIS_LIBRARY \(\/elsewhere\/x\.so\)/);
  ok(!allowed.includes("was not read"), allowed);
});

Deno.test("without permission for FFI the error says which flag is missing", () => {
  match(runProgram([], {}), /--allow-ffi/);
});

Deno.test("a core that was closed refuses further calls", async () => {
  const core = loadKrepisCore();
  core.close();
  core.close();
  await rejects(() => Promise.try(() => core.list()), { code: KrepisCode.InvalidContext });
});
