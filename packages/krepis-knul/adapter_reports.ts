import type { DatagramFate as FateNumber } from "@krepis/core";

/** Report of a drain. */
export interface DrainReport {
  /** True if no stream was cut. */
  clean: boolean;
  connectionsClosed: number;
  streamsCompleted: number;
  streamsCut: number;
  bytesUnsent: number;
  elapsedMs: number;
  /** The last statistics. */
  stats: QuicStats;
}

/**
 * Statistics of the server under the names of docs/statistics.md in camelCase, and of this adapter. An adapter with a
 * channel adds the figures of `krepis_channel_info_into` with the prefix "channel": `channelArenaBlocksUsed` for bytes
 * that the program holds, `channelQueuedBytes` for bytes that wait to be sent.
 */
export interface QuicStats {
  /** Bidirectional streams that clients opened. */
  totalRequests: number;
  activeConnections: number;
  /** UDP payload. */
  totalBytesIn: number;
  totalBytesOut: number;
  avgLatencyMs: number;
  errorCount: number;
  uptimeMs: number;
  /** Calls of this adapter's handlers that threw or whose promise rejected. */
  handlerErrors: number;
  /** Requests of this adapter that took longer than `requestTimeoutMs`. */
  requestTimeouts: number;
  /** Requests of this adapter longer than `maxPayloadBytes`. */
  payloadsTooLarge: number;
  /** Requests of this adapter refused because the memory for payloads was short. */
  requestsOverloaded: number;
  /** Datagrams of this adapter dropped because handlers held too many earlier ones. */
  datagramsRefused: number;
  /** Memory of payloads that arrived in parts, until their handler has answered; at most `maxGatheredBytes`. */
  gatheredBytes: number;
  /** Channel memory of such payloads that wait for room; their peers get no flow-control credit. */
  gatheredBytesWaiting: number;
  [name: string]: number | string;
}

/** Fate of a datagram: "acknowledged", "lost" or "dropped". A "lost" datagram may still have arrived. */
export type DatagramFate = Uncapitalize<keyof typeof FateNumber>;

/** The settings under the names of docs/settings.md in camelCase, and the options of this adapter. */
export type AdapterConfig = Record<string, unknown> & { maxPayloadBytes: number };
