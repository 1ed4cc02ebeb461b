/**
 * How long the body of a message is (RFC 9112 6.3; spec/waypoint.md 4.6.2). In: a parsed head. Out: framing, or what is wrong.
 * Pure; called by message-parser.ts. Every head that two parsers could read differently is refused.
 */
import type { Http1Problem } from './problem.ts';

/** Where a body ends. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

const none: Framing = Object.freeze({ kind: 'none' });
const chunked: Framing = Object.freeze({ kind: 'chunked' });
const untilClose: Framing = Object.freeze({ kind: 'until-close' });

interface Declared {
  readonly isChunked: boolean;
  readonly length: number | undefined;
}

const declaredIn = (flat: readonly string[]): Declared | Http1Problem => {
  let coding: string | undefined;
  let length: string | undefined;
  for (let index = 0; index < flat.length; index += 2) {
    const name = flat[index];
    if (name === 'transfer-encoding') {
      if (coding !== undefined) return 'transfer-encoding';
      coding = flat[index + 1] as string;
    } else if (name === 'content-length') {
      if (length !== undefined) return 'syntax';
      length = flat[index + 1] as string;
    }
  }
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'transfer-encoding';
  const bytes = length === undefined ? undefined : parseLength(length);
  if (length !== undefined && bytes === undefined) return 'syntax';
  if (coding !== undefined && length !== undefined) return 'length-and-chunked';
  return { isChunked: coding !== undefined, length: bytes };
};

/** Digits only, at most 2^53 - 1. */
export const parseLength = (text: string): number | undefined => {
  if (text.length === 0 || text.length > 16) return undefined;
  let value = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
};

/** Framing of a request: without a declaration there is no body. */
export const requestFraming = (flat: readonly string[]): Framing | Http1Problem => {
  const declared = declaredIn(flat);
  if (typeof declared === 'string') return declared;
  if (declared.isChunked) return chunked;
  return declared.length === undefined || declared.length === 0 ? none : { kind: 'length', bytes: declared.length };
};

/** Framing of a response to `method`: some have no body whatever they declare; without a declaration it ends with the connection. */
export const responseFraming = (status: number, flat: readonly string[], method: string): Framing | Http1Problem => {
  const declared = declaredIn(flat);
  if (typeof declared === 'string') return declared;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return none;
  if (declared.isChunked) return chunked;
  if (declared.length === undefined) return untilClose;
  return declared.length === 0 ? none : { kind: 'length', bytes: declared.length };
};
