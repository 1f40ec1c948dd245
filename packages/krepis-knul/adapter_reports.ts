import type { DatagramFate as FateNumber } from "@krepis/core";
import type { ResolvedServingOptions } from "./adapter_options.ts";

/** What a drain did. */
export interface DrainReport {
  /** Nothing was cut. */
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
 * Statistics of the server under the names of docs/statistics.md in camelCase, and those of this adapter. An adapter
 * with a channel has the figures of `krepis_channel_info_into`, too, with "channel" in front: `channelArenaBlocksUsed`
 * for bytes that the program holds, `channelQueuedBytes` for those that wait to be sent.
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
  /** Handlers of this adapter that threw, or whose promise rejected. */
  handlerErrors: number;
  /** Requests of this adapter that took longer than `requestTimeoutMs`. */
  requestTimeouts: number;
  /** Requests of this adapter longer than `maxPayloadBytes`. */
  payloadsTooLarge: number;
  /** Requests of this adapter that were refused because the memory for payloads was short. */
  requestsOverloaded: number;
  /** Datagrams of this adapter that were dropped because too many earlier ones were still with their handlers. */
  datagramsRefused: number;
  /** Memory of payloads that came in parts, until their handler has answered; at most `maxGatheredBytes`. */
  gatheredBytes: number;
  /** Memory of the channel that such payloads take while they wait for room; their peers get no credit. */
  gatheredBytesWaiting: number;
  [name: string]: number | string;
}

/** What became of a datagram: "acknowledged", "lost" or "dropped"; one that is "lost" may still have arrived. */
export type DatagramFate = Uncapitalize<keyof typeof FateNumber>;

/** The settings in force under the names of docs/settings.md in camelCase, and those of this adapter. */
export type AdapterConfig = Record<string, unknown> & Pick<ResolvedServingOptions, "maxPayloadBytes">;
