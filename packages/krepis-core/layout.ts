/** Sizes and offsets in bytes of the structs that cross the boundary (krepis.h, channel.h). */
export const FfiBuffer = { size: 32, data: 0, len: 8, cap: 16, reserved: 24 } as const;

export const FfiResponse = { size: 40, error_code: 0, reserved: 4, result_buffer: 8 } as const;

export const FfiQuicConfig = {
  size: 112,
  port: 0,
  reserved: 2,
  max_streams: 4,
  idle_timeout_ms: 8,
  host_addr: 16,
  cert_path: 48,
  key_path: 80,
} as const;

export const FfiChannelConfig = {
  size: 56,
  arena_bytes: 0,
  ring_records: 8,
  queue_bytes: 12,
  wake: 16,
  consumer_timeout_ms: 20,
  wake_path: 24,
} as const;

export const FfiChannelRegion = {
  size: 64,
  base: 0,
  bytes: 8,
  ring_offset: 16,
  ring_stride: 24,
  arena_offset: 32,
  arena_bytes: 40,
  channel: 48,
  rings: 52,
  ring_records: 56,
  wake_fd: 60,
} as const;

export const FfiEvent = {
  size: 64,
  type: 0,
  flags: 4,
  connection: 8,
  stream: 12,
  offset: 16,
  length: 20,
  sequence: 24,
  value: 28,
  timestamp_us: 32,
  stream_id: 40,
  code: 48,
  reserved: 56,
} as const;

/** An event ring: `tail` is written by the library, `head` by the program, `records` follow. */
export const EventRing = { tail: 0, head: 64, records: 256 } as const;
