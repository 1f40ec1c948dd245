// @ts-check
// The interface that every client offers to the cases, and what the cases do with it again and again.
import assert from "node:assert/strict";
import { DeadlinePassed, within } from "./deadline.mjs";
import { concat, sha256 } from "./payload.mjs";

/**
 * @typedef {import("./payload.mjs").Random} Random
 * @typedef {import("./server.mjs").KnulServer} KnulServer
 * @typedef {{ write(bytes: Uint8Array): Promise<void>, finish(bytes: Uint8Array): Promise<void> }} SendStream
 *   finish() sends its bytes and the FIN.
 * @typedef {{ read(): Promise<Uint8Array>, read_all(): Promise<Uint8Array> }} ReceiveStream
 *   read() waits for at least one byte; empty means FIN. read_all() waits for the FIN.
 * @typedef {SendStream & ReceiveStream & { abandon(): void }} BidiStream
 *   abandon() gives up both directions without a FIN from the program.
 * @typedef {{
 *   alpn: string,
 *   max_datagram_bytes: number,
 *   open_bidi(): Promise<BidiStream>,
 *   open_uni(): Promise<SendStream>,
 *   accept_uni(): Promise<ReceiveStream>,
 *   send_datagram(bytes: Uint8Array): Promise<void>,
 *   read_datagram(): Promise<Uint8Array>,
 *   close(): void,
 *   closed(): Promise<{ is_app: boolean, code: number, by_peer: boolean }>,
 * }} Connection open_*() waits for the credit of the server.
 * @typedef {{ host: string, port: number, ca: string | undefined, alpn: string, server_name?: string }} Target
 * @typedef {{
 *   connect(target: Target): Promise<Connection>,
 *   is_alpn_refusal(error: unknown): boolean,
 *   is_certificate_refusal(error: unknown): boolean,
 * }} Client
 * @typedef {{ name: string, run(client: Client, random: Random): Promise<void>, skip?: boolean }} Case
 */

export const kEchoAlpn = "knul";

/** @param {KnulServer} server @param {string} alpn @returns {Target} */
export const target_of = (server, alpn) => ({ host: server.host, port: server.port, ca: server.ca, alpn });

/**
 * @param {Client} client
 * @param {KnulServer} server
 * @param {string} alpn
 * @param {(connection: Connection) => Promise<void>} body
 */
export async function with_connection(client, server, alpn, body) {
  const connection = await within(client.connect(target_of(server, alpn)), "handshake");
  try {
    await body(connection);
  } finally {
    connection.close();
  }
}

/** Sends, ends and reads at the same time, as flow control demands. @param {BidiStream} stream @param {Uint8Array} bytes */
export async function exchange(stream, bytes) {
  const both = Promise.all([stream.read_all(), stream.finish(bytes)]);
  const [answer] = await within(both, "exchange", 120_000);
  return answer;
}

/** @param {Connection} connection @param {Uint8Array} bytes */
export async function expect_echo(connection, bytes) {
  const answer = await exchange(await connection.open_bidi(), bytes);
  assert.equal(answer.length, bytes.length);
  assert.equal(sha256(answer), sha256(bytes));
}

/** Datagrams that arrive meanwhile are passed over. @param {Connection} connection @param {Uint8Array} bytes */
export async function expect_datagram_echo(connection, bytes) {
  await connection.send_datagram(bytes);
  const wanted = sha256(bytes);
  const matching = async () => {
    while (sha256(await connection.read_datagram()) !== wanted);
  };
  await within(matching(), `datagram of ${bytes.length} bytes`);
}

/** A stream whose first half is echoed and whose second half is still to come. @param {Connection} connection @param {Uint8Array} half */
export async function begin_request(connection, half) {
  const stream = await connection.open_bidi();
  await stream.write(half);
  const parts = [];
  for (let length = 0; length < half.length;) {
    const part = await within(stream.read(), "first half of the echo");
    assert.notEqual(part.length, 0, "the echo ended before the request did");
    parts.push(part);
    length += part.length;
  }
  assert.equal(sha256(concat(parts)), sha256(half));
  return stream;
}

/** A refusal that the server sent, and not silence. @param {unknown} error */
export const is_answered = (error) => !(error instanceof DeadlinePassed);
