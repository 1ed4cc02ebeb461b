// The static table of HPACK (RFC 7541 appendix A) and look-up in it. Pure. Used by decoder.ts and encoder.ts.

const NAMES_WITH_VALUES: readonly (readonly [string, string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
];
const NAMES_ALONE =
  'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control ' +
  'content-disposition content-encoding content-language content-length content-location content-range content-type ' +
  'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since ' +
  'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after ' +
  'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate';

/** Entries in order; index 1 of the specification is element 0. */
export const STATIC_TABLE: readonly (readonly [name: string, value: string])[] = [
  ...NAMES_WITH_VALUES,
  ...NAMES_ALONE.split(' ').map((name) => [name, ''] as const),
];

/** First index (from 1) by name. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(([name], index) => [name, index + 1] as const).toReversed(),
);

/** Index (from 1) by name, then by value. */
export const STATIC_FIELDS: ReadonlyMap<string, ReadonlyMap<string, number>> = indexByNameAndValue();

function indexByNameAndValue(): Map<string, Map<string, number>> {
  const index = new Map<string, Map<string, number>>();
  for (const [at, [name, value]] of STATIC_TABLE.entries()) {
    const byValue = index.get(name) ?? new Map<string, number>();
    index.set(name, byValue.set(value, at + 1));
  }
  return index;
}
