/**
 * Serves QUIC streams and datagrams from a Deno program with Krepis KNUL's native library.
 *
 * ```ts
 * import { AdapterBuilder, AdapterProtocol } from "@krepis/knul";
 *
 * const adapter = new AdapterBuilder().protocol(AdapterProtocol.QUIC).port(4433)
 *   .certPath("./certs/cert.pem").keyPath("./certs/key.pem").build();
 * adapter.onRequest((request) => request.payload); // an echo
 * ```
 *
 * Permissions: `--allow-ffi`, and `--allow-env=KREPIS_LIBRARY` if that variable names the library.
 *
 * @module
 */
export * from "./adapter_builder.ts";
export * from "./adapter_codes.ts";
export { AdapterError } from "./adapter_error.ts";
export type { ChannelOptions, ServingOptions } from "./adapter_options.ts";
export * from "./adapter_reports.ts";
export type { LogHandler, LogLevelName, LogMessage } from "./log_message.ts";
export * from "./quic_adapter.ts";
// By name, because these files also export what only the other files of this package use.
export {
  type ConnectionEnd,
  type ConnectionEndSource,
  type ConnectionInfo,
  type DatagramHandler,
  type DatagramOptions,
  type DatagramPolicy,
  type PeerCertificate,
  QuicConnection,
} from "./quic_connection.ts";
export { QuicRequest, type QuicResponse, type RequestHandler } from "./quic_request.ts";
export { type QuicBytes, QuicStream, type StreamEnd, type StreamPriority } from "./quic_stream.ts";
export { type StreamEndReason, StreamError } from "./stream_error.ts";
