// @ts-check
// What quiche_client.mjs asks of quiche, and how it tells that a connection ended.
import { native } from "@matrixai/quic";

const { quiche } = native;
export const kPacketBytes = 1350; // payload of a UDP datagram that quiche sends
const kWindowBytes = 16 << 20;

/** @typedef {{ is_app: boolean, code: number, reason: string, by_peer: boolean }} CloseInfo */

/** The connection ended, or never began. */
export class ConnectionEnded extends Error {
  /** @param {CloseInfo} info */
  constructor(info) {
    const who = info.by_peer ? "peer" : "client";
    const layer = info.is_app ? "application" : "transport";
    super(`closed by the ${who} with ${layer} code 0x${info.code.toString(16)} "${info.reason}"`);
    this.info = info;
  }
}

/**
 * @param {string | undefined} ca @param {string} alpn @param {number} idle_timeout_ms
 * @param {{ cert: string, key: string }} [identity] of the client, as PEM
 */
export function client_config(ca, alpn, idle_timeout_ms, identity) {
  /** @param {string | undefined} text */
  const bytes = (text) => text === undefined ? undefined : new TextEncoder().encode(text);
  const [cert, key] = [bytes(identity?.cert), bytes(identity?.key)];
  const config = quiche.Config.withBoringSslCtx(
    true,
    false,
    bytes(ca),
    key && [key],
    cert && [cert],
    undefined,
  );
  config.setApplicationProtos([alpn]);
  config.setMaxIdleTimeout(idle_timeout_ms);
  config.setMaxRecvUdpPayloadSize(65_527);
  config.setMaxSendUdpPayloadSize(kPacketBytes);
  config.setInitialMaxData(kWindowBytes);
  config.setInitialMaxStreamDataBidiLocal(kWindowBytes);
  config.setInitialMaxStreamDataBidiRemote(kWindowBytes);
  config.setInitialMaxStreamDataUni(kWindowBytes);
  config.setInitialMaxStreamsBidi(100);
  config.setInitialMaxStreamsUni(100);
  config.setDisableActiveMigration(true);
  config.enableDgram(true, 1024, 1024);
  return config;
}
