/** What can be wrong with the bytes of an HTTP/1.1 message. A value, not an exception: the codec never throws. */

/** Kind of a violation; the caller knows which answer belongs to it. */
export type Http1Problem =
  | 'syntax' // not HTTP/1.1: 400
  | 'characters' // a byte that must not be there: 400
  | 'length-and-chunked' // two framings: 400
  | 'transfer-encoding' // a coding that is not understood: 501
  | 'version' // neither HTTP/1.1 nor an accepted HTTP/1.0: 426
  | 'too-large' // more bytes of head than the limit: 431
  | 'too-many' // more fields than the limit: 431
  | 'incomplete'; // the peer ended inside a message

/** Limits of one message. */
export interface Http1Limits {
  /** Bytes of start line and fields. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}
