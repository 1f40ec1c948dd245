// Deno's built-in QUIC client (quinn and rustls) behind the interface of exchange.mjs.
import type { Client, Connection, SendStream, Target } from "./exchange.mjs";
import { concat } from "./payload.mjs";

const kIdleTimeoutMs = 20_000;

/** Reads whole or in parts; keeps one reader, because a stream lends only one. */
class DenoReceiveStream {
  private readonly reader_: ReadableStreamDefaultReader<Uint8Array>;

  constructor(readable: Deno.QuicReceiveStream) {
    this.reader_ = readable.getReader();
  }

  async read(): Promise<Uint8Array> {
    const { value } = await this.reader_.read();
    return value ?? new Uint8Array(0);
  }

  async read_all(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let part = await this.read(); part.length > 0; part = await this.read()) parts.push(part);
    return concat(parts);
  }

  /** STOP_SENDING with code 0: Deno gives a program no other code. */
  cancel(): void {
    this.reader_.cancel().catch(() => {}); // The server's reset arrives here as an error.
  }
}

class DenoSendStream implements SendStream {
  private readonly writer_: WritableStreamDefaultWriter<Uint8Array>;

  constructor(writable: Deno.QuicSendStream) {
    this.writer_ = writable.getWriter();
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.writer_.write(bytes);
  }

  async finish(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await this.writer_.write(bytes);
    await this.writer_.close();
  }

  /** Deno 2.9 has no RESET_STREAM: aborting drops the stream, which ends it with a FIN. */
  abort(): void {
    this.writer_.abort().catch(() => {});
  }
}

class DenoBidiStream {
  private readonly sender_: DenoSendStream;
  private readonly receiver_: DenoReceiveStream;

  constructor(stream: Deno.QuicBidirectionalStream) {
    this.sender_ = new DenoSendStream(stream.writable);
    this.receiver_ = new DenoReceiveStream(stream.readable);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.sender_.write(bytes);
  }

  finish(bytes: Uint8Array): Promise<void> {
    return this.sender_.finish(bytes);
  }

  read(): Promise<Uint8Array> {
    return this.receiver_.read();
  }

  read_all(): Promise<Uint8Array> {
    return this.receiver_.read_all();
  }

  abandon(): void {
    this.receiver_.cancel();
    this.sender_.abort();
  }
}

export class DenoConnection implements Connection {
  private readonly incoming_: ReadableStreamDefaultReader<Deno.QuicReceiveStream>;

  /** Owns the endpoint: one UDP socket for each connection. */
  constructor(private readonly conn_: Deno.QuicConn, private readonly endpoint_: Deno.QuicEndpoint) {
    this.incoming_ = conn_.incomingUnidirectionalStreams.getReader();
    this.incoming_.closed.catch(() => {}); // Ends with the connection, which closed() reports.
    conn_.closed.catch(() => {});
  }

  static async connect({ host, port, ca, alpn, server_name }: Target): Promise<DenoConnection> {
    const local = host.includes(":") ? "::1" : "127.0.0.1";
    const endpoint = new Deno.QuicEndpoint({ hostname: local, port: 0 });
    try {
      const conn = await Deno.connectQuic({
        endpoint,
        hostname: host,
        port,
        serverName: server_name,
        alpnProtocols: [alpn],
        caCerts: ca === undefined ? undefined : [ca],
        maxIdleTimeout: kIdleTimeoutMs,
      });
      return new DenoConnection(conn, endpoint);
    } catch (error) {
      endpoint.close();
      throw error;
    }
  }

  get alpn(): string {
    return this.conn_.protocol ?? "";
  }

  get max_datagram_bytes(): number {
    return this.conn_.maxDatagramSize;
  }

  async open_bidi(): Promise<DenoBidiStream> {
    return new DenoBidiStream(await this.conn_.createBidirectionalStream({ waitUntilAvailable: true }));
  }

  async open_uni(): Promise<DenoSendStream> {
    return new DenoSendStream(await this.conn_.createUnidirectionalStream({ waitUntilAvailable: true }));
  }

  async accept_uni(): Promise<DenoReceiveStream> {
    const { value } = await this.incoming_.read();
    if (!value) throw new Error("the connection ended before the server opened a stream");
    return new DenoReceiveStream(value);
  }

  async send_datagram(bytes: Uint8Array): Promise<void> {
    await this.conn_.sendDatagram(bytes);
  }

  read_datagram(): Promise<Uint8Array> {
    return this.conn_.readDatagram();
  }

  close(closeCode = 0): void {
    this.conn_.close({ closeCode, reason: "" });
    this.endpoint_.close();
  }

  /** Deno resolves only for an application close; every other end is a rejection with a text. */
  async closed(): Promise<{ is_app: boolean; code: number; by_peer: boolean }> {
    try {
      const { closeCode } = await this.conn_.closed;
      return { is_app: true, code: closeCode, by_peer: true };
    } catch (error) {
      console.error(`connection ended without an application close: ${error}`);
      return { is_app: false, code: -1, by_peer: false };
    }
  }
}

/** Deno reports TLS failures as texts only; 120 is the alert no_application_protocol. */
export const client: Client = {
  connect: (target) => DenoConnection.connect(target),
  is_alpn_refusal: (error) => /aborted by peer.*error 120/.test(String(error)),
  is_certificate_refusal: (error) => /invalid peer certificate/.test(String(error)),
};
