// @ts-check
// A QUIC client on quiche, driven directly: the addon of @matrixai/quic exports quiche's sans-I/O
// connection, and this file gives it a UDP socket and a timer. The package's own QUICClient is not used: it
// has no datagrams, moves about 1 MB/s, and turns an idle timeout into an endless series of errors.
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { Buffer } from "node:buffer";
import { native } from "@matrixai/quic";
import { within } from "./deadline.mjs";
import { client_config, ConnectionEnded, kPacketBytes } from "./quiche_config.mjs";
import { QuicheStream, stream_ended } from "./quiche_stream.mjs";

const { quiche } = native;
const kReadBytes = 64 * 1024;
const kSocketBufferBytes = 4 << 20;

/** @typedef {import("./quiche_config.mjs").CloseInfo} CloseInfo */

export class QuicheConnection {
  /**
   * @param {{ host: string, port: number, ca: string | undefined, alpn: string, server_name?: string,
   *   idle_timeout_ms?: number, identity?: { cert: string, key: string } }} options without `ca` the certificates of the system are trusted. quiche
   *   compares the certificate with host names only, so `server_name` is never an address.
   * @returns {Promise<QuicheConnection>} after the handshake
   */
  static async connect(
    { host, port, ca, alpn, server_name = "localhost", idle_timeout_ms = 20_000, identity },
  ) {
    const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4" });
    await new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ port: 0, address: host.includes(":") ? "::1" : "127.0.0.1" }, () => resolve(undefined));
    });
    socket.setRecvBufferSize(kSocketBufferBytes);
    socket.setSendBufferSize(kSocketBufferBytes);
    const config = client_config(ca, alpn, idle_timeout_ms, identity);
    const connection = new QuicheConnection(socket, config, { host, port }, server_name);
    await within(connection.until(() => connection.conn_.isEstablished()), "quiche handshake");
    return connection;
  }

  /**
   * @param {import("node:dgram").Socket} socket bound
   * @param {import("@matrixai/quic").native.Config} config
   * @param {{ host: string, port: number }} peer
   * @param {string} server_name
   */
  constructor(socket, config, peer, server_name) {
    const { address, port } = socket.address();
    this.socket_ = socket;
    this.peer_ = peer;
    this.local_ = { host: address, port };
    const source_id = new Uint8Array(randomBytes(quiche.MAX_CONN_ID_LEN));
    this.conn_ = quiche.Connection.connect(server_name, source_id, this.local_, peer, config);
    /** @type {Map<number, QuicheStream>} */
    this.streams_ = new Map();
    this.next_id_ = { bidi: 0, uni: 2 };
    /** @type {QuicheStream[]} opened by the server, not yet accepted by the test */
    this.incoming_ = [];
    /** @type {Uint8Array[]} */
    this.datagrams_ = [];
    /** @type {Set<() => void>} */
    this.waiters_ = new Set();
    /** @type {CloseInfo | undefined} */
    this.end = undefined;
    this.read_buffer_ = new Uint8Array(kReadBytes);
    this.send_buffer_ = new Uint8Array(kPacketBytes);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer_ = undefined;
    this.pump_scheduled_ = false;
    socket.on("message", (bytes, from) => this.handle_datagram_(bytes, from));
    this.pump();
  }

  get alpn() {
    return Buffer.from(this.conn_.applicationProto()).toString();
  }

  get stats() {
    return this.conn_.stats();
  }

  open_bidi() {
    return this.open_stream("bidi");
  }

  open_uni() {
    return this.open_stream("uni");
  }

  /** Opens a stream as soon as the server allows one more. @param {"bidi" | "uni"} kind */
  async open_stream(kind) {
    const left = () => kind === "bidi" ? this.conn_.peerStreamsLeftBidi() : this.conn_.peerStreamsLeftUni();
    // Several callers may be woken by the same credit.
    while (left() === 0) await this.until(() => left() > 0);
    if (this.end) throw new ConnectionEnded(this.end);
    const id = this.next_id_[kind];
    this.next_id_[kind] += 4;
    // quiche counts a stream as opened by its first send, which must therefore happen now.
    this.conn_.streamSend(id, new Uint8Array(0), false);
    const stream = new QuicheStream(this, id);
    if (kind === "uni") stream.fin_received_ = true;
    this.streams_.set(id, stream);
    return stream;
  }

  /** The next stream that the server opened; KNUL's services open only unidirectional ones. */
  async accept_uni() {
    await this.until(() => this.incoming_.length > 0);
    return /** @type {QuicheStream} */ (this.incoming_.shift());
  }

  /** Bytes that one datagram may carry. */
  get max_datagram_bytes() {
    return this.conn_.dgramMaxWritableLen() ?? 0;
  }

  /** @param {Uint8Array} bytes */
  async send_datagram(bytes) {
    this.conn_.dgramSend(bytes);
    this.pump();
    await Promise.resolve();
  }

  async read_datagram() {
    await this.until(() => this.datagrams_.length > 0);
    return /** @type {Uint8Array} */ (this.datagrams_.shift());
  }

  /** Closes with an application code; the socket is closed at once. @param {number} code */
  close(code = 0) {
    if (this.end) return;
    this.conn_.close(true, code, new Uint8Array(0));
    this.flush_packets_();
    this.finish_({ is_app: true, code, reason: "", by_peer: false });
  }

  /** @returns {Promise<CloseInfo>} when either side ended the connection */
  async closed() {
    await this.until(() => this.end !== undefined).catch(() => {});
    return /** @type {CloseInfo} */ (this.end);
  }

  /**
   * Resolves once `condition` holds; checked after everything that can change it.
   * @param {() => boolean} condition
   * @returns {Promise<void>} rejects with ConnectionEnded
   */
  until(condition) {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (condition()) resolve();
        else if (this.end) reject(new ConnectionEnded(this.end));
        else return;
        this.waiters_.delete(check);
      };
      this.waiters_.add(check);
      check();
    });
  }

  /** @param {number} id @param {number} direction @param {number} code */
  shutdown_stream(id, direction, code) {
    this.conn_.streamShutdown(id, direction, code);
    this.pump();
  }

  /** Moves everything that can move; repeated calls in one turn of the event loop cost one. */
  pump() {
    if (this.pump_scheduled_ || this.end) return;
    this.pump_scheduled_ = true;
    setImmediate(() => {
      this.pump_scheduled_ = false;
      if (!this.end) this.pump_now_();
    });
  }

  pump_now_() {
    this.read_streams_();
    this.write_streams_();
    this.read_datagrams_();
    this.flush_packets_();
    this.notice_end_();
    if (!this.end) this.arm_timer_();
    for (const check of [...this.waiters_]) check();
  }

  /** @param {Uint8Array} bytes @param {{ address: string, port: number }} from */
  handle_datagram_(bytes, from) {
    if (this.end) return;
    try {
      this.conn_.recv(bytes, { from: { host: from.address, port: from.port }, to: this.local_ });
    } catch (error) {
      // quiche has noted it as its local error and will send the close; anything else is a bug here.
      if (this.conn_.localError() === null) throw error;
    }
    this.pump();
  }

  read_streams_() {
    for (const id of this.conn_.readable()) {
      let stream = this.streams_.get(id);
      if (!stream) {
        stream = new QuicheStream(this, id);
        this.streams_.set(id, stream);
        this.incoming_.push(stream);
      }
      this.read_stream_(stream);
    }
  }

  /** @param {QuicheStream} stream */
  read_stream_(stream) {
    try {
      for (;;) {
        const result = this.conn_.streamRecv(stream.id, this.read_buffer_);
        if (result === null) return;
        const [length, fin] = result;
        if (length > 0) stream.received_.push(this.read_buffer_.slice(0, length));
        stream.fin_received_ ||= fin;
        if (fin) return;
      }
    } catch (error) {
      stream.read_error = stream_ended(error);
      if (!stream.read_error) throw error;
    }
  }

  write_streams_() {
    for (const stream of this.streams_.values()) {
      try {
        this.write_stream_(stream);
      } catch (error) {
        stream.write_error = stream_ended(error);
        if (!stream.write_error) throw error;
        stream.unsent_ = [];
        stream.fin_given_ = true;
      }
    }
  }

  /** @param {QuicheStream} stream */
  write_stream_(stream) {
    while (stream.unsent_.length > 0) {
      const bytes = stream.unsent_[0];
      // The FIN goes with the last bytes: quiche 0.18 does not repeat a lost frame that has only a FIN.
      const fin = stream.fin_wanted_ && stream.unsent_.length === 1;
      const accepted = this.conn_.streamSend(stream.id, bytes, fin);
      if (accepted === null || accepted < bytes.length) {
        stream.unsent_[0] = bytes.subarray(accepted ?? 0);
        return;
      }
      stream.unsent_.shift();
      stream.fin_given_ ||= fin;
    }
  }

  read_datagrams_() {
    while (this.conn_.dgramRecvQueueLen() > 0) {
      const bytes = this.conn_.dgramRecvVec();
      if (bytes === null) return;
      this.datagrams_.push(bytes);
    }
  }

  flush_packets_() {
    for (;;) {
      const sent = this.conn_.send(this.send_buffer_);
      if (sent === null) return;
      this.socket_.send(
        Buffer.from(this.send_buffer_.subarray(0, sent[0])),
        this.peer_.port,
        this.peer_.host,
      );
    }
  }

  notice_end_() {
    const peer = this.conn_.peerError();
    const local = this.conn_.localError();
    const error = peer ?? local;
    if (error) {
      const { isApp: is_app, errorCode: code, reason } = error;
      this.finish_({ is_app, code, reason: Buffer.from(reason).toString(), by_peer: peer !== null });
    } else if (this.conn_.isTimedOut()) {
      this.finish_({ is_app: false, code: 0, reason: "idle timeout", by_peer: false });
    }
  }

  arm_timer_() {
    clearTimeout(this.timer_);
    const timeout_ms = this.conn_.timeout();
    if (timeout_ms === null) return;
    // One more millisecond: quiche's clock is finer than the timer's.
    this.timer_ = setTimeout(() => {
      this.conn_.onTimeout();
      this.pump();
    }, timeout_ms + 1);
  }

  /** @param {CloseInfo} info */
  finish_(info) {
    this.end = info;
    clearTimeout(this.timer_);
    // Invariant: packets handed to the socket before close() still leave.
    setImmediate(() => this.socket_.close());
    for (const check of [...this.waiters_]) check();
  }
}
