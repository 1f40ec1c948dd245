// The functions of krepis.h and channel.h as Deno's FFI calls them. Hot functions have no 64-bit integer
// among their parameters, because those are slow to pass; u64 handles of servers are on cold paths only.

/** krepis.h without the data plane. */
export const serverDefinitions = {
  krepis_abi_version: { parameters: [], result: "u32" },
  krepis_version: { parameters: [], result: "pointer" },
  krepis_last_error: { parameters: [], result: "pointer" },
  krepis_settings_into: { parameters: ["buffer"], result: "u32" },
  krepis_quic_start_json_into: { parameters: ["buffer", "usize", "buffer"], result: "u32" },
  krepis_quic_reload_into: { parameters: ["u64", "buffer"], result: "u32" },
  krepis_quic_stop_report_into: { parameters: ["u64", "u64", "buffer"], result: "u32" },
  krepis_quic_get_stats_into: { parameters: ["u64", "buffer"], result: "u32" },
  krepis_quic_get_metrics_into: { parameters: ["u64", "buffer"], result: "u32" },
  krepis_quic_port: { parameters: ["u64"], result: "u16" },
  krepis_quic_info_into: { parameters: ["u64", "buffer"], result: "u32" },
  krepis_quic_list_into: { parameters: ["buffer"], result: "u32" },
  krepis_quic_connections_into: { parameters: ["u64", "buffer"], result: "u32" },
  krepis_quic_connections_json_into: { parameters: ["u64", "buffer", "usize", "buffer"], result: "u32" },
} as const;

/** channel.h, the data plane. */
export const channelDefinitions = {
  krepis_channel_open: { parameters: ["u64", "buffer", "buffer"], result: "u32" },
  krepis_channel_arm: { parameters: ["u32"], result: "i32" },
  krepis_channel_release: { parameters: ["u32", "buffer", "u32"], result: "u32" },
  krepis_channel_flush: { parameters: ["u32"], result: "u32" },
  krepis_channel_info_into: { parameters: ["u32", "buffer"], result: "u32" },
  krepis_channel_log: { parameters: ["u32", "u32"], result: "u32" },
  krepis_channel_close: { parameters: ["u32"], result: "u32" },
  krepis_channel_unmap: { parameters: ["u32"], result: "u32" },
  krepis_stream_write: { parameters: ["u32", "u32", "buffer", "u32", "u32"], result: "i32" },
  krepis_stream_open: { parameters: ["u32", "u32", "u32"], result: "i32" },
  krepis_stream_reset: { parameters: ["u32", "u32", "u64"], result: "u32" },
  krepis_stream_stop_sending: { parameters: ["u32", "u32", "u64"], result: "u32" },
  krepis_stream_priority: { parameters: ["u32", "u32", "u32", "u32"], result: "u32" },
  krepis_stream_info_into: { parameters: ["u32", "u32", "buffer"], result: "u32" },
  krepis_datagram_send: { parameters: ["u32", "u32", "buffer", "u32", "u32", "u32", "u32"], result: "i32" },
  krepis_connection_close: { parameters: ["u32", "u32", "u64", "buffer", "u32"], result: "u32" },
  krepis_connection_info_into: { parameters: ["u32", "u32", "buffer"], result: "u32" },
  krepis_quic_stop_begin: { parameters: ["u64", "u64"], result: "u32" },
} as const;

/** The functions of krepis.h that this package calls. */
export type ServerSymbols = Deno.StaticForeignLibraryInterface<typeof serverDefinitions>;

/** The functions of channel.h, for consumers of the data plane. */
export type ChannelSymbols = Deno.StaticForeignLibraryInterface<typeof channelDefinitions>;
