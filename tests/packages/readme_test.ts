// The first example of each README runs as it stands; only its port is a free one.
import { match, strictEqual } from "node:assert/strict";
import { within } from "../interop/deadline.mjs";
import { DenoConnection } from "../interop/deno_client.ts";
import { exchange } from "../interop/exchange.mjs";
import { development_identity, temp_folder } from "../interop/server.mjs";
import { deno_env, kPermissions } from "./program.mjs";

const { cert, key, pem } = development_identity();
const root = new URL("../../", import.meta.url);

/** The example as a program in a folder that has the files that it names. */
function programOf(readme: string, more: string): { folder: string; path: string } {
  const example = /```ts[^\n]*\n([^]*?)```/.exec(Deno.readTextFileSync(new URL(readme, root)))![1];
  const folder = temp_folder("readme");
  Deno.mkdirSync(`${folder}/certs`);
  for (const [from, name] of [[cert, "cert.pem"], [key, "key.pem"]]) {
    Deno.copyFileSync(from, `${folder}/certs/${name}`);
    Deno.copyFileSync(from, `${folder}/${name}`);
  }
  Deno.writeTextFileSync(`${folder}/program.ts`, example.replace(".port(4433)", ".port(0)") + more);
  return { folder, path: `${folder}/program.ts` };
}

function spawn(readme: string, more = ""): Deno.ChildProcess {
  const { folder, path } = programOf(readme, more);
  const config = new URL("deno.json", import.meta.url).pathname;
  const flags = ["run", "--quiet", "--check", "--cached-only", "--config", config, ...kPermissions];
  const options = { cwd: folder, env: deno_env, stdout: "piped" } as const;
  return new Deno.Command(Deno.execPath(), { args: [...flags, path], ...options }).spawn();
}

for (const readme of ["README.md", "packages/krepis-knul/README.md"]) {
  Deno.test({
    name: `the first example of ${readme} answers requests and stops at SIGINT`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const child = spawn(readme, "console.log(`port ${adapter.port}`);\n");
      const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
      let output = "";
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
        output += text;
        const port = /port (\d+)\n/.exec(output)?.[1];
        if (!port || output.includes("asked")) continue;
        output += "asked";
        strictEqual(await ask(Number(port)), "hello");
        child.kill("SIGINT");
      }
      clearTimeout(timer);
      strictEqual((await child.status).code, 0);
      match(output, /clean: true/);
    },
  });
}

async function ask(port: number): Promise<string> {
  const connection = await DenoConnection.connect({ host: "127.0.0.1", port, ca: pem, alpn: "knul" });
  const answer = await within(
    exchange(await connection.open_bidi(), new TextEncoder().encode("hello")),
    "answer",
  );
  connection.close();
  return new TextDecoder().decode(answer);
}

Deno.test("the first example of packages/krepis-core/README.md starts and stops a server", async () => {
  const { code, stdout } = await spawn("packages/krepis-core/README.md").output();
  strictEqual(code, 0);
  match(new TextDecoder().decode(stdout), /^\d+\.\d+\.\d+ \d+ \{[^]*clean: true/);
});
