// @ts-check
// Runs the `knul` binary under test (KNUL_BIN) for one test: start, wait for its listening line, SIGTERM,
// wait for its last line. Used by both clients, so it needs nothing but Node's own modules.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

// Sanitizer builds start and stop several times slower than release builds.
const kStartLimitMs = 60_000;
const kStopLimitMs = 60_000;
const kStderrKeptChars = 20_000;

/** @returns {string} */
function binary() {
  const path = process.env.KNUL_BIN;
  if (!path) throw new Error("KNUL_BIN must name the knul binary under test");
  return path;
}

/** @type {{ dir: string, cert: string, key: string, pem: string } | undefined} */
let identity;

/** @type {string[]} */
const temp_folders = [];
process.on("exit", () => {
  for (const dir of temp_folders) rmSync(dir, { recursive: true, force: true });
});

/** A temporary folder, removed when this process ends. @param {string} name */
export function temp_folder(name) {
  const dir = mkdtempSync(join(tmpdir(), `knul-${name}-`));
  temp_folders.push(dir);
  return dir;
}

/** A development certificate made by `knul cert`, once per process. */
export function development_identity() {
  if (!identity) {
    const dir = join(temp_folder("interop"), "certificate");
    execFileSync(binary(), ["cert", "--out", dir], { stdio: ["ignore", "ignore", "inherit"] });
    const cert = join(dir, "cert.pem");
    identity = { dir, cert, key: join(dir, "key.pem"), pem: readFileSync(cert, "utf8") };
  }
  return identity;
}

/**
 * A certificate for a client, and the authority that issued it, made by `knul cert`.
 * @param {string} name of the client @param {string} issuer name of the authority
 */
export function client_identity(name, issuer = "Clients") {
  const dir = temp_folder("client");
  const run = (/** @type {string[]} */ ...args) =>
    execFileSync(binary(), ["cert", ...args], { stdio: ["ignore", "ignore", "inherit"] });
  run("--authority", issuer, "--out", join(dir, "authority"));
  run("--client", name, "--issuer", join(dir, "authority"), "--out", join(dir, "client"));
  const text = (/** @type {string} */ file) => readFileSync(join(dir, "client", file), "utf8");
  return { ca_path: join(dir, "authority", "cert.pem"), cert: text("cert.pem"), key: text("key.pem") };
}

export class KnulServer {
  /**
   * @param {{ service: "echo" | "perf" | "hq", host?: string, root?: string, args?: string[] }} options
   * @returns {Promise<KnulServer>} once the server listens
   */
  static async start({ service, host = "127.0.0.1", root, args = [] }) {
    const { cert, key } = development_identity();
    const command = ["serve", "--host", host, "--port", "0", "--cert", cert, "--key", key];
    command.push("--service", service, "--json", ...(root ? ["--root", root] : []), ...args);
    const server = new KnulServer(command);
    await server.wait_until_listening_();
    return server;
  }

  /**
   * Another program that prints the same lines, "listening" first and "stopped" last.
   * @param {string} program @param {string[]} command @param {Record<string, string>} env
   * @returns {Promise<KnulServer>} once it listens
   */
  static async start_program(program, command, env = {}) {
    const server = new KnulServer(command, program, env);
    await server.wait_until_listening_();
    return server;
  }

  /** @param {string[]} command @param {string} program @param {Record<string, string>} env beside that of this process */
  constructor(command, program = binary(), env = {}) {
    this.host = "";
    this.port = 0;
    /** The certificate to trust, PEM. */
    this.ca = development_identity().pem;
    /** @type {Record<string, unknown>[]} every JSON line, in order */
    this.lines = [];
    this.stderr_ = "";
    this.partial_line_ = "";
    /** @type {(() => void) | undefined} */
    this.on_line_ = undefined;
    const options = { env: { ...process.env, ...env } };
    this.child_ = spawn(program, command, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.child_.stdout.setEncoding("utf8").on("data", (text) => this.handle_stdout_(text));
    this.child_.stderr.setEncoding("utf8").on("data", (text) => {
      this.stderr_ = (this.stderr_ + text).slice(-kStderrKeptChars);
    });
    /** @type {Promise<{ code: number | null, signal: string | null }>} */
    this.exited = new Promise((resolve, reject) => {
      this.child_.on("error", reject);
      this.child_.on("close", (code, signal) => resolve({ code, signal }));
    });
    this.exited.catch(() => {}); // Reported by whoever waits for it.
  }

  /** Sends SIGTERM without waiting: the drain begins. */
  begin_drain() {
    // Not child.kill(): Deno then reports the signal as the way the process ended.
    process.kill(/** @type {number} */ (this.child_.pid), "SIGTERM");
  }

  /**
   * Drains and ends the server. Fails unless it says so in its last line and exits with 0.
   * @returns {Promise<Record<string, unknown>>} the "stopped" line
   */
  async stop() {
    this.begin_drain();
    return await this.wait_until_stopped();
  }

  /** @returns {Promise<Record<string, unknown>>} the "stopped" line */
  async wait_until_stopped() {
    const { code, signal } = await this.deadline_(this.exited, kStopLimitMs, "did not stop after SIGTERM");
    assert.equal(signal, null, this.explain_(`ended by ${signal}`));
    assert.equal(code, 0, this.explain_(`exit code ${code}`));
    const last = this.lines.at(-1);
    assert.equal(last?.event, "stopped", this.explain_("its last line is not the stopped event"));
    return /** @type {Record<string, unknown>} */ (last);
  }

  /** For cleaning up after a failed test; harmless when the server has ended. */
  kill() {
    this.child_.kill("SIGKILL");
  }

  async wait_until_listening_() {
    const listening = new Promise((resolve) => {
      this.on_line_ = () => {
        const line = this.lines.find((candidate) => candidate.event === "listening");
        if (line) resolve(line);
      };
    });
    const ended = this.exited.then(({ code }) => {
      throw new Error(this.explain_(`ended with ${code} before it listened`));
    });
    const line = await this.deadline_(Promise.race([listening, ended]), kStartLimitMs, "did not listen");
    ended.catch(() => {});
    this.host = String(line.host);
    this.port = Number(line.port);
    assert.ok(this.port > 0 && this.port < 65536, this.explain_(`listening line has port ${line.port}`));
  }

  /** @param {string} text */
  handle_stdout_(text) {
    const parts = (this.partial_line_ + text).split("\n");
    this.partial_line_ = parts.pop() ?? "";
    for (const part of parts) {
      if (part.trim() === "") continue;
      this.lines.push(JSON.parse(part));
      this.on_line_?.();
    }
  }

  /**
   * @template T
   * @param {Promise<T>} promise
   * @param {number} limit_ms
   * @param {string} failure
   * @returns {Promise<T>}
   */
  async deadline_(promise, limit_ms, failure) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const expired = new Promise((_, reject) => {
      timer = setTimeout(() => {
        this.kill();
        reject(new Error(this.explain_(`${failure} within ${limit_ms} ms`)));
      }, limit_ms);
    });
    try {
      return /** @type {T} */ (await Promise.race([promise, expired]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {string} what */
  explain_(what) {
    return `the server ${what}; its standard error:\n${this.stderr_ || "(empty)"}`;
  }
}

/**
 * Runs `body` against a fresh server, then drains it and checks that it ended well.
 * @param {{ service: "echo" | "perf" | "hq", host?: string, root?: string, args?: string[] }} options
 * @param {(server: KnulServer) => Promise<void>} body
 * @returns {Promise<Record<string, unknown>>} the "stopped" line
 */
export async function with_server(options, body) {
  const server = await KnulServer.start(options);
  try {
    await body(server);
    return await server.stop();
  } finally {
    server.kill();
  }
}

/**
 * A statistic of the "stopped" line.
 * @param {Record<string, unknown>} report
 * @param {string} name
 * @returns {number}
 */
export function figure(report, name) {
  const statistics = /** @type {Record<string, unknown> | undefined} */ (report.stats);
  const value = statistics?.[name];
  assert.equal(typeof value, "number", `"${name}" is not in the stopped line ${JSON.stringify(report)}`);
  return /** @type {number} */ (value);
}
