// The numbers of HTTP/2 (RFC 9113) and the bytes of a frame header. Pure. Used by all files of this folder.

/** Frame header length. */
export const FRAME_HEADER_BYTES = 9;
/** Largest frame before a peer allowed more, and the smallest limit it may set. */
export const DEFAULT_FRAME_BYTES = 16_384;
/** Windows before SETTINGS. */
export const DEFAULT_WINDOW_BYTES = 65_535;
/** No window may grow beyond this. */
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;
/** The highest stream id: GOAWAY with it says "stop soon" without dropping what is on its way (RFC 9113 6.8). */
export const MAX_STREAM_ID = 2 ** 31 - 1;

/** What a client sends first. */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Frame types. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Frame flags; END_STREAM and ACK share a bit. */
export const Flag = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

/** SETTINGS parameters that we know. */
export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const;

/** Error codes of RST_STREAM and GOAWAY. */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** The peer broke a rule that ends the whole connection; `code` goes into GOAWAY. */
export class Http2ProtocolError extends Error {
  override readonly name = 'Http2ProtocolError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** A window was exceeded or overflows. */
export function flowBroken(what: string): Http2ProtocolError {
  return new Http2ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, what);
}

/** The peer does something allowed, but more of it than anybody needs. */
export function calm(what: string): Http2ProtocolError {
  return new Http2ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, what);
}

/** Writes a frame header at `at`. `length` is the payload's. */
export function writeFrameHeader(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  into[at + 5] = streamId >>> 24;
  into[at + 6] = streamId >>> 16;
  into[at + 7] = streamId >>> 8;
  into[at + 8] = streamId;
}

/** Reads four bytes, most significant first, without the top bit (stream ids, increments). */
export function read31(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] as number) & 0x7f) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}
