/** `type` of an `FfiEvent` (`KrepisEventType` in channel.h). */
export const EventType = {
  ConnectionOpened: 1,
  ConnectionClosed: 2,
  StreamData: 3,
  StreamReset: 4,
  StopSending: 5,
  StreamWritable: 6,
  StreamOpened: 7,
  StreamClosed: 8,
  Datagram: 9,
  DatagramWritable: 10,
  DatagramFate: 11,
  Draining: 12,
  ServerStopped: 13,
  ChannelClosed: 14,
  Log: 15,
} as const;

/** `flags` of a stream event (`KREPIS_FLAG_*`). */
export const EventFlag = { Opened: 1, Fin: 2, Clean: 4 } as const;

/** Who ended a connection: `flags` of `ConnectionClosed` (`KrepisCloseSource`). */
export const CloseSource = {
  PeerApplication: 0,
  PeerTransport: 1,
  LocalApplication: 2,
  LocalTransport: 3,
  IdleTimeout: 4,
  HandshakeTimeout: 5,
  StatelessReset: 6,
  Drain: 7,
} as const;

/** `flags` of `Log` (`KrepisLogLevel`). */
export const LogLevel = { Trace: 0, Debug: 1, Info: 2, Warning: 3, Error: 4 } as const;

/** How the library wakes the program (`KrepisWake`). */
export const Wake = { None: 0, Socket: 1, Path: 2 } as const;

/** Flags of `krepis_stream_write` (`KREPIS_WRITE_*`). */
export const WriteFlag = { Fin: 1, Later: 2 } as const;

/** Policy for a full queue of unsent datagrams (`KrepisDatagramPolicy`). */
export const DatagramPolicy = { Block: 0, DropOldest: 1, DropNewest: 2 } as const;

/** Or-ed to a datagram's policy: requests an event with its fate (`KREPIS_DATAGRAM_REPORT_FATE`). */
export const DATAGRAM_REPORT_FATE = 0x100;

/** Fate of a datagram (`KrepisDatagramFate`). */
export const DatagramFate = { Acknowledged: 1, Lost: 2, Dropped: 3 } as const;
