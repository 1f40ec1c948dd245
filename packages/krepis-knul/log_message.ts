/** Severity of a message; "info" and below arrive only if the environment variable KNUL_LOG asks for them. */
export type LogLevelName = "trace" | "debug" | "info" | "warning" | "error";

/** A message of the library's log. It may be about any server of the process. */
export interface LogMessage {
  time: Date;
  level: LogLevelName;
  /** The part of the library: "server", "tls", "udp", "quic" or "channel". */
  subsystem: string;
  /** A name for programs, such as "connection_limit"; docs/operating.md lists them. */
  kind: string;
  /** One line. Texts that a peer chose are in quotes, with bytes outside of ASCII escaped. */
  message: string;
  /** How many earlier messages of this kind were left out: a kind has one message a second, and bursts of ten. */
  omitted: number;
}

export type LogHandler = (message: LogMessage) => unknown;

/** @param json the bytes of an event Log */
export function parseLogMessage(json: string): LogMessage {
  const { time, omitted = 0, ...rest } = JSON.parse(json);
  return { ...rest, time: new Date(time), omitted };
}
