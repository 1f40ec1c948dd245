// Every TypeScript example of the documents is type-checked and runs as it stands; only its port is a free one.
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { within } from "../interop/deadline.mjs";
import { DenoConnection } from "../interop/deno_client.ts";
import { exchange } from "../interop/exchange.mjs";
import { development_identity, temp_folder } from "../interop/server.mjs";
import { deno_env, kPermissions } from "./program.mjs";

const { cert, key, pem } = development_identity();
const root = new URL("../../", import.meta.url);

/** The TypeScript examples of a document, in order. */
function examplesOf(document: string): string[] {
  const text = Deno.readTextFileSync(new URL(document, root));
  return [...text.matchAll(/^```(?:ts|typescript|js|javascript)\b[^\n]*\n([^]*?)^```/gm)].map((match) =>
    match[1]
  );
}

/** A folder with programs and the certificates that the examples name. */
function folderOf(programs: Record<string, string>): string {
  const folder = temp_folder("readme");
  Deno.mkdirSync(`${folder}/certs`);
  for (const [from, name] of [[cert, "cert.pem"], [key, "key.pem"]]) {
    Deno.copyFileSync(from, `${folder}/certs/${name}`);
    Deno.copyFileSync(from, `${folder}/${name}`);
  }
  for (const [name, text] of Object.entries(programs)) {
    Deno.writeTextFileSync(`${folder}/${name}`, text.replace(".port(4433)", ".port(0)"));
  }
  return folder;
}

/** Type-checks and runs `main.ts` of a folder. */
function spawn(folder: string, permissions: string[] = []): Deno.ChildProcess {
  const config = new URL("deno.json", import.meta.url).pathname;
  const flags = ["run", "--quiet", "--check", "--cached-only", "--config", config, ...kPermissions];
  const options = { cwd: folder, env: deno_env, stdout: "piped" } as const;
  return new Deno.Command(Deno.execPath(), { args: [...flags, ...permissions, "main.ts"], ...options })
    .spawn();
}

/** Runs a program until it has printed its port, then `use`. @returns what it printed, and its exit code */
async function serve(
  child: Deno.ChildProcess,
  use: (port: number) => Promise<void>,
): Promise<{ output: string; code: number }> {
  const kill = () => child.kill("SIGKILL");
  const timer = setTimeout(kill, 120_000); // type checks take seconds
  let output = "";
  let using: Promise<void> | undefined;
  try {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      const port = /port (\d+)\n/.exec(output)?.[1];
      if (port) await (using ??= use(Number(port)));
    }
  } catch (error) {
    kill();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  ok(using, `no port in: ${output}`);
  return { output, code: (await child.status).code };
}

/** The Markdown files of a folder. */
function documentsIn(folder: string): string[] {
  const names = [...Deno.readDirSync(new URL(folder, root))].map(({ name }) => folder + name);
  return names.filter((name) => name.endsWith(".md"));
}

Deno.test("every TypeScript example of the documents is one that runs below", () => {
  const folders = [
    "./",
    "docs/",
    "docs/decisions/",
    "bench/",
    "packages/krepis-core/",
    "packages/krepis-knul/",
  ];
  const found: Record<string, number> = {};
  for (const document of folders.flatMap(documentsIn)) {
    const { length } = examplesOf(document);
    if (length > 0) found[document] = length;
  }
  deepStrictEqual(found, {
    "./README.md": 1,
    "packages/krepis-core/README.md": 1,
    "packages/krepis-knul/README.md": 3,
  });
});

for (const readme of ["README.md", "packages/krepis-knul/README.md"]) {
  Deno.test({
    name: `the first example of ${readme} answers requests and stops at SIGINT`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const [example] = examplesOf(readme);
      const child = spawn(folderOf({ "main.ts": `${example}console.log(\`port \${adapter.port}\`);\n` }));
      const { output, code } = await serve(child, async (port) => {
        strictEqual(await ask(port), "hello");
        child.kill("SIGINT");
      });
      strictEqual(code, 0);
      match(output, /clean: true/);
    },
  });
}

Deno.test({
  name: "the Workers of packages/krepis-knul/README.md serve the program's connections",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const [, main, worker] = examplesOf("packages/krepis-knul/README.md");
    const programs = { "main.ts": `${main}console.log(\`port \${adapter.port}\`);\n`, "worker.ts": worker };
    const child = spawn(folderOf(programs), ["--allow-read"]);
    await serve(child, async (port) => {
      let answer = "";
      for (const end = performance.now() + 90_000; answer === "" && performance.now() < end;) {
        answer = await ask(port).catch(() => ""); // refused, until a Worker has started
        if (answer === "") await new Promise((resolve) => setTimeout(resolve, 50));
      }
      strictEqual(answer, "hello");
      child.kill("SIGKILL");
    });
  },
});

async function ask(port: number): Promise<string> {
  const connection = await DenoConnection.connect({ host: "127.0.0.1", port, ca: pem, alpn: "knul" });
  try {
    const stream = await connection.open_bidi();
    const answer = await within(exchange(stream, new TextEncoder().encode("hello")), "answer");
    return new TextDecoder().decode(answer);
  } finally {
    connection.close();
  }
}

Deno.test("the first example of packages/krepis-core/README.md starts and stops a server", async () => {
  const [example] = examplesOf("packages/krepis-core/README.md");
  const { code, stdout } = await spawn(folderOf({ "main.ts": example })).output();
  strictEqual(code, 0);
  match(new TextDecoder().decode(stdout), /^\d+\.\d+\.\d+ \d+ \{[^]*clean: true/);
});
