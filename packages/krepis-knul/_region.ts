// The memory that library and program share, as typed views.
import { FfiChannelRegion } from "@krepis/core";

/** Offsets and sizes of the region's parts: FfiChannelRegion without its pointer. */
export interface RegionLayout {
  channel: number;
  rings: number;
  ringRecords: number;
  ringOffset: number;
  ringStride: number;
  arenaOffset: number;
  arenaBytes: number;
  wakeFd: number;
}

export interface MappedRegion extends RegionLayout {
  /** Maps the library's memory: never copied, never freed from here. */
  buffer: ArrayBuffer;
}

/** Every piece in the arena begins at a multiple of this. */
const GRANULE_BYTES = 64;

/** Arena bytes that a piece of `length` bytes occupies. */
export function arenaBytes(length: number): number {
  return Math.ceil(length / GRANULE_BYTES) * GRANULE_BYTES;
}

/** Reads the answer of krepis_channel_open and maps the region. */
export function mapRegion(answer: ArrayBuffer): MappedRegion {
  const view = new DataView(answer);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const u64 = (offset: number) => Number(view.getBigUint64(offset, true));
  const base = Deno.UnsafePointer.create(view.getBigUint64(FfiChannelRegion.base, true));
  return {
    buffer: new Deno.UnsafePointerView(base!).getArrayBuffer(u64(FfiChannelRegion.bytes)),
    channel: u32(FfiChannelRegion.channel),
    rings: u32(FfiChannelRegion.rings),
    ringRecords: u32(FfiChannelRegion.ring_records),
    ringOffset: u64(FfiChannelRegion.ring_offset),
    ringStride: u64(FfiChannelRegion.ring_stride),
    arenaOffset: u64(FfiChannelRegion.arena_offset),
    arenaBytes: u64(FfiChannelRegion.arena_bytes),
    wakeFd: view.getInt32(FfiChannelRegion.wake_fd, true),
  };
}
