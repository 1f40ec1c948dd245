/** Application error codes (RFC 9000 §20.2) that the adapter sends to peers, beside those of the library. */
export const AdapterCode = {
  /** The handler failed; also `KrepisApplicationCode.ApplicationError`. */
  HandlerFailed: 0x4b4e5504,
  /** The program accepts no streams of this kind, or no connections; also `KrepisApplicationCode.NoConsumer`. */
  NoConsumer: 0x4b4e5501,
  /** No memory for the payload of a request or for a write; also `KrepisApplicationCode.Overloaded`. */
  Overloaded: 0x4b4e5506,
  /** A request's payload is longer than `maxPayloadBytes`. */
  PayloadTooLarge: 0x4b4e5510,
  /** A request took longer than `requestTimeoutMs`. */
  RequestTimeout: 0x4b4e5511,
  /** The peer reset its request before its end, so the adapter resets the answer. */
  RequestAborted: 0x4b4e5512,
} as const;
