import type { ConnectionQuery, DatagramFate as FateNumber } from "@krepis/core";

export type { ConnectionQuery };

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

/** The figures of a connection, under the names of docs/statistics.md in camelCase. */
export interface ConnectionRow {
  /** Unique in its server. */
  id: number;
  worker: number;
  /** "address:port". */
  peer: string;
  alpn: string;
  serverName: string;
  state: "handshaking" | "active" | "hibernating";
  ageMs: number;
  idleMs: number;
  smoothedRttUs: number;
  requests: number;
  requestP50Ms: number;
  requestP99Ms: number;
  packetsLost: number;
  /** What limits sending at present. */
  limitedBy: string;
  /** The share of the connection's time under each limit; their sum is 1. */
  limitedShares: Record<string, number>;
  /** The largest share in words. */
  verdict: string;
  [name: string]: unknown;
}

/** A page of open connections. */
export interface ConnectionPage {
  connections: ConnectionRow[];
  /** Connections that pass the filters, on all pages. */
  matches: number;
  /** `after` of the next page; null on the last page. */
  next: string | null;
}

/** Fate of a datagram: "acknowledged", "lost" or "dropped". A "lost" datagram may still have arrived. */
export type DatagramFate = Uncapitalize<keyof typeof FateNumber>;

/** The settings under the names of docs/settings.md in camelCase, and the options of this adapter. */
export type AdapterConfig = Record<string, unknown> & { maxPayloadBytes: number };
