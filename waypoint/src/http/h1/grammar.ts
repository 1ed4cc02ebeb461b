/**
 * Characters and words of HTTP/1.1 (RFC 9110 5.6, RFC 9112 2-5), strict. Pure; used by the codec of this folder.
 */

const TOKEN = 1;
const VALUE = 2;
const TARGET = 4;

const marks = "!#$%&'*+-.^_`|~";

/** Class bits per byte. */
const classes = ((): Uint8Array => {
  const table = new Uint8Array(256);
  for (let code = 0; code < 256; code++) {
    const character = String.fromCharCode(code);
    const isAlphanumeric =
      (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
    let bits = 0;
    if (isAlphanumeric || marks.includes(character)) bits |= TOKEN;
    if (code === 0x09 || (code >= 0x20 && code !== 0x7f)) bits |= VALUE;
    if (code > 0x20 && code < 0x7f) bits |= TARGET;
    table[code] = bits;
  }
  return table;
})();

const has = (code: number, bit: number): boolean => ((classes[code] ?? 0) & bit) !== 0;

/** tchar. */
export const isTokenCode = (code: number): boolean => has(code, TOKEN);

/** What a field value may hold: no controls but the tab; bytes above 0x7f pass (obs-text). */
export const isValueCode = (code: number): boolean => has(code, VALUE);

/** Where in `text` from `from` to before `to` something stands that no field value may hold; `to` when nothing does. */
export const firstNoValue = (text: string, from: number, to: number): number => {
  let index = from;
  while (index < to && ((classes[text.charCodeAt(index)] ?? 0) & VALUE) !== 0) index += 1;
  return index;
};

/** Visible ASCII. */
export const isTargetCode = (code: number): boolean => has(code, TARGET);

/** Space or tab. */
export const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** Value of a hexadecimal digit, -1 for anything else. */
export const hexValue = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
};

/** Methods that are understood; any other is refused, as upstream does (golden envoy-http). */
export const methods: ReadonlySet<string> = new Set(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY ' +
    'OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK ' +
    'UNSUBSCRIBE'
  ).split(' '),
);

/** Longest of {@link methods}. */
export const MAX_METHOD_LENGTH = 11;

const maxKnownNames = 4096;
const maxKnownLength = 64;
const knownNames = new Map<string, string>();

/** Lower-case form of a spelling that is remembered, hence a token. */
export const knownName = (name: string): string | undefined => knownNames.get(name);

/** Lower-case form of a token; common spellings are remembered, so that equal names share one string. */
export const lowerName = (name: string): string => {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  // A copy of its own: a slice would hold the whole head it was cut from.
  if (knownNames.size < maxKnownNames && name.length <= maxKnownLength)
    knownNames.set(Buffer.from(name, 'latin1').toString('latin1'), Buffer.from(lower, 'latin1').toString('latin1'));
  return lower;
};
