import { invalidOption } from "./adapter_error.ts";
import { checkInteger, checkOptions } from "./_conversions.ts";

/** Sizes of the memory between library and program (`FfiChannelConfig` in channel.h). */
export interface ChannelOptions {
  /** Memory of received bytes until their release, 1 MiB to 2 GiB. Default: 64 MiB. */
  arenaBytes?: number;
  /** Records of each event ring, a power of two from 64 to 1,048,576. Default: 4,096. */
  ringRecords?: number;
  /**
   * Bytes accepted for one stream before its connection's send buffer takes them, 4 KiB to 256 MiB. Default: 1 MiB. The
   * library accepts fewer while the connection holds 128 KiB, or eight congestion windows if that is more.
   */
  queueBytes?: number;
  /**
   * How long events may wait, in milliseconds, before the library considers this isolate dead and closes its connections
   * with `ConsumerGone`. An isolate that was only busy goes on with new connections. 500 to 3,600,000, or `Infinity`
   * for no timeout, for example with a debugger. Default: 10,000.
   */
  consumerTimeoutMs?: number;
}

/** Limits of an adapter's requests, and options of its channel. */
export interface ServingOptions {
  /** The longest payload of a request in bytes, 1 to 2^30. Default: 16 MiB. */
  maxPayloadBytes?: number;
  /**
   * Memory of all connections for payloads that arrive in parts, in bytes; at least 64 KiB and twice `maxPayloadBytes`.
   * One connection may hold half of what the others leave free; bytes without room wait, and their peer gets no
   * credit. Default: 64 MiB, or twice `maxPayloadBytes` if that is more.
   */
  maxGatheredBytes?: number;
  /** Longest time from a request's first byte to its answer in milliseconds, up to a day; 0: none. Default: 30,000. */
  requestTimeoutMs?: number;
  /** Memory of the channel. */
  channel?: ChannelOptions;
}

/** {@linkcode ServingOptions} with all defaults; 0 in `channel` means the library's default. */
export interface ResolvedServingOptions {
  maxPayloadBytes: number;
  maxGatheredBytes: number;
  requestTimeoutMs: number;
  channel: Required<ChannelOptions>;
}

const MEBIBYTE = 1 << 20;
const LEAST_GATHERED_BYTES = 64 << 10;

/**
 * Checks options and fills in the defaults.
 * @throws {AdapterError} `InvalidRequest` (4001): an option is invalid, the text names it
 */
export function resolveServingOptions(options: ServingOptions): ResolvedServingOptions {
  const { maxPayloadBytes = 16 * MEBIBYTE, maxGatheredBytes, requestTimeoutMs = 30_000, channel } =
    checkOptions(
      "options",
      options,
      ["maxPayloadBytes", "maxGatheredBytes", "requestTimeoutMs", "channel"],
    );
  checkInteger("maxPayloadBytes", maxPayloadBytes, 1, 1024 * MEBIBYTE);
  const leastGathered = Math.max(2 * maxPayloadBytes, LEAST_GATHERED_BYTES);
  const { arenaBytes = 0, ringRecords = 0, queueBytes = 0, consumerTimeoutMs = 0 } = checkOptions(
    "channel",
    channel,
    ["arenaBytes", "ringRecords", "queueBytes", "consumerTimeoutMs"],
  );
  if (arenaBytes !== 0) checkInteger("channel.arenaBytes", arenaBytes, MEBIBYTE, 2048 * MEBIBYTE);
  if (queueBytes !== 0) checkInteger("channel.queueBytes", queueBytes, 4096, 256 * MEBIBYTE);
  if (consumerTimeoutMs !== 0 && consumerTimeoutMs !== Infinity) {
    checkInteger("channel.consumerTimeoutMs", consumerTimeoutMs, 500, 3_600_000);
  }
  if (ringRecords !== 0) {
    checkInteger("channel.ringRecords", ringRecords, 64, MEBIBYTE);
    if ((ringRecords & (ringRecords - 1)) !== 0) {
      throw invalidOption("channel.ringRecords", ringRecords, "a power of two");
    }
  }
  return {
    maxPayloadBytes,
    maxGatheredBytes: checkInteger(
      "maxGatheredBytes",
      maxGatheredBytes ?? Math.max(leastGathered, 64 * MEBIBYTE),
      leastGathered,
      2 ** 40,
    ),
    requestTimeoutMs: checkInteger("requestTimeoutMs", requestTimeoutMs, 0, 86_400_000),
    channel: { arenaBytes, ringRecords, queueBytes, consumerTimeoutMs },
  };
}
