/** What ends a SPDY connection. Thrown by the codec, reported by the session to its streams. */

/** The peer broke the framing, or a limit; the connection ends. The message names the rule and the numbers. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}
