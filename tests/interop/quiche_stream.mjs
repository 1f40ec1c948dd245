// @ts-check
// One stream of quiche_client.mjs: what waits to be sent, what has arrived, and how it ended.
import { concat } from "./payload.mjs";

const kShutdownRead = 0;
const kShutdownWrite = 1;

/** The peer reset or stopped one stream. */
export class StreamEnded extends Error {
  /** @param {"reset" | "stopped"} kind @param {number} code */
  constructor(kind, code) {
    super(`stream ${kind} by the peer with code 0x${code.toString(16)}`);
    this.kind = kind;
    this.code = code;
  }
}

/** quiche's errors arrive as texts such as "StreamReset(7)". @param {unknown} error */
export function stream_ended(error) {
  const text = error instanceof Error ? error.message : "";
  const match = /^Stream(Reset|Stopped)\((\d+)\)$/.exec(text);
  return match ? new StreamEnded(match[1] === "Reset" ? "reset" : "stopped", Number(match[2])) : undefined;
}

export class QuicheStream {
  /** @param {import("./quiche_client.mjs").QuicheConnection} connection @param {number} id */
  constructor(connection, id) {
    this.id = id;
    this.connection_ = connection;
    /** @type {Uint8Array[]} bytes that quiche has not accepted yet */
    this.unsent_ = [];
    this.fin_wanted_ = false;
    this.fin_given_ = false;
    /** @type {Uint8Array[]} */
    this.received_ = [];
    this.fin_received_ = false;
    /** @type {StreamEnded | undefined} */
    this.read_error = undefined;
    /** @type {StreamEnded | undefined} */
    this.write_error = undefined;
  }

  /** @param {Uint8Array} bytes @returns {Promise<void>} when quiche has accepted all of them */
  async write(bytes) {
    if (bytes.length > 0) this.unsent_.push(bytes);
    await this.accepted_(() => this.unsent_.length === 0);
  }

  /** The last bytes and the FIN. @param {Uint8Array} bytes @returns {Promise<void>} when both are accepted */
  async finish(bytes) {
    this.unsent_.push(bytes);
    this.fin_wanted_ = true;
    await this.accepted_(() => this.fin_given_);
  }

  /** @param {() => boolean} condition */
  async accepted_(condition) {
    this.connection_.pump();
    await this.connection_.until(() => condition() || this.write_error !== undefined);
    if (this.write_error) throw this.write_error;
  }

  /** @returns {Promise<Uint8Array>} what has arrived, at least one byte; empty at the end of the stream */
  async read() {
    await this.connection_.until(() => this.received_.length > 0 || this.is_read_over_());
    const bytes = concat(this.received_.splice(0));
    if (bytes.length === 0 && this.read_error) throw this.read_error;
    return bytes;
  }

  /** @returns {Promise<Uint8Array>} everything up to the FIN */
  async read_all() {
    await this.connection_.until(() => this.is_read_over_());
    if (this.read_error) throw this.read_error;
    return concat(this.received_.splice(0));
  }

  /** RESET_STREAM: the bytes written so far may be lost. @param {number} code */
  reset(code) {
    this.unsent_ = [];
    this.fin_given_ = true;
    this.connection_.shutdown_stream(this.id, kShutdownWrite, code);
  }

  /** STOP_SENDING. @param {number} code */
  stop_reading(code) {
    this.fin_received_ = true;
    this.connection_.shutdown_stream(this.id, kShutdownRead, code);
  }

  /** Both of the above. @param {number} code */
  abandon(code = 0) {
    this.reset(code);
    this.stop_reading(code);
  }

  is_read_over_() {
    return this.fin_received_ || this.read_error !== undefined;
  }
}
