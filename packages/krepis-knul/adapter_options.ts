import { AdapterError, invalidOption } from "./adapter_error.ts";
import { KrepisCode } from "@krepis/core";

/** Sizes of the memory between library and program (`FfiChannelConfig` in channel.h). */
export interface ChannelOptions {
  /** Received bytes that are not yet released, 1 MiB to 2 GiB. Default: 64 MiB. */
  arenaBytes?: number;
  /** Records of each event ring, a power of two from 64 to 1,048,576. Default: 4,096. */
  ringRecords?: number;
  /** Bytes accepted for one stream and not yet taken by its connection, 4 KiB to 256 MiB. Default: 1 MiB. */
  queueBytes?: number;
}

/** What an adapter enforces on requests and asks of its channel. */
export interface ServingOptions {
  /** The longest payload of a request in bytes, 1 to 2^30. Default: 16 MiB. */
  maxPayloadBytes?: number;
  /** From a request's first byte to its answer, in milliseconds, up to a day; 0: no limit. Default: 30,000. */
  requestTimeoutMs?: number;
  /** Memory of the channel. */
  channel?: ChannelOptions;
}

/** {@linkcode ServingOptions} with every value decided; 0 in `channel` means the library's default. */
export interface ResolvedServingOptions {
  maxPayloadBytes: number;
  requestTimeoutMs: number;
  channel: Required<ChannelOptions>;
}

const MEBIBYTE = 1 << 20;

/**
 * Checks options and fills in the defaults.
 * @throws {AdapterError} `InvalidRequest` (4001) names the option
 */
export function resolveServingOptions(options: ServingOptions): ResolvedServingOptions {
  refuseUnknown(options, ["maxPayloadBytes", "requestTimeoutMs", "channel"], "");
  const { maxPayloadBytes = 16 * MEBIBYTE, requestTimeoutMs = 30_000, channel = {} } = options;
  refuseUnknown(channel, ["arenaBytes", "ringRecords", "queueBytes"], "channel.");
  const { arenaBytes = 0, ringRecords = 0, queueBytes = 0 } = channel;
  if (arenaBytes !== 0) checkInteger("channel.arenaBytes", arenaBytes, MEBIBYTE, 2048 * MEBIBYTE);
  if (queueBytes !== 0) checkInteger("channel.queueBytes", queueBytes, 4096, 256 * MEBIBYTE);
  if (ringRecords !== 0) {
    checkInteger("channel.ringRecords", ringRecords, 64, MEBIBYTE);
    if ((ringRecords & (ringRecords - 1)) !== 0) {
      throw invalidOption("channel.ringRecords", ringRecords, "a power of two");
    }
  }
  return {
    maxPayloadBytes: checkInteger("maxPayloadBytes", maxPayloadBytes, 1, 1024 * MEBIBYTE),
    requestTimeoutMs: checkInteger("requestTimeoutMs", requestTimeoutMs, 0, 86_400_000),
    channel: { arenaBytes, ringRecords, queueBytes },
  };
}

/** @throws {AdapterError} `InvalidRequest` (4001) unless it is a whole number from `low` to `high` */
export function checkInteger(option: string, value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw invalidOption(option, value, `a whole number from ${low} to ${high}`);
  }
  return value;
}

/** @throws {AdapterError} `InvalidRequest` (4001) for an application code that QUIC cannot carry */
export function checkCode(option: string, value: number | bigint): bigint {
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isWhole || value < 0 || value >= 2n ** 62n) {
    throw invalidOption(option, value, "a whole number from 0 to 2^62 - 1");
  }
  return BigInt(value);
}

function refuseUnknown(options: object, known: string[], prefix: string): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const text = `${prefix}${name}: unknown option; known are ${known.join(", ")}`;
    throw new AdapterError(KrepisCode.InvalidRequest, text, { option: prefix + name });
  }
}
