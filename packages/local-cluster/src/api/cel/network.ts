/** URLs, IP addresses and CIDR ranges for CEL, as Kubernetes offers them. Pure. */

import { isIP } from 'node:net';
import { celFunc, celMethod, CelScalar, listType, mapType } from '@bufbuild/cel';
import type { CelFunc, CelMap } from '@bufbuild/cel';
import ipaddr from 'ipaddr.js';
import { opaqueType, OPAQUE } from './opaque.ts';

const { STRING, BOOL, INT } = CelScalar;
type Address = ReturnType<typeof ipaddr.parse>;
interface Range {
  readonly address: Address;
  readonly bits: number;
}

const urls = opaqueType<URL>('url');
const addresses = opaqueType<Address>('ip');
const ranges = opaqueType<Range>('cidr');

const isDigits = (text: string): boolean => text !== '' && Array.from(text).every((char) => char >= '0' && char <= '9');

/** A full URL, or a path from the root, as the host of the definition would have it. */
function parseUrl(text: string): URL | undefined {
  if (text.startsWith('/')) return URL.canParse(text, 'path://') ? new URL(text, 'path://') : undefined;
  return URL.canParse(text) ? new URL(text) : undefined;
}

const isPath = (url: URL): boolean => url.protocol === 'path:';

/** IPv4 in IPv6 form and zones are no addresses here. */
function parseAddress(text: string): Address | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  const parsed = ipaddr.parse(text);
  return parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() ? undefined : parsed;
}

function parseRange(text: string): Range | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? undefined : parseAddress(text.slice(0, slash));
  const bits = text.slice(slash + 1);
  if (address === undefined || !isDigits(bits) || bits.length > 3) return undefined;
  return Number(bits) > (address.kind() === 'ipv4' ? 32 : 128) ? undefined : { address, bits: Number(bits) };
}

const wrapAddress = (address: Address): CelMap => addresses.wrap(address, address.toString());
const wrapRange = (range: Range): CelMap => ranges.wrap(range, `${range.address.toString()}/${range.bits}`);

function addressOf(text: string): Address {
  const found = parseAddress(text);
  if (found === undefined)
    throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
  return found;
}

function rangeOf(text: string): Range {
  const found = parseRange(text);
  if (found === undefined)
    throw new Error(`network address parse error during conversion from string: ${JSON.stringify(text)}`);
  return found;
}

const contains = (range: Range, address: Address): boolean =>
  address.kind() === range.address.kind() && address.match(range.address, range.bits);

function masked({ address, bits }: Range): Range {
  const bytes = address.toByteArray().map((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return byte & (0xff << (8 - kept)) & 0xff;
  });
  return { address: ipaddr.fromByteArray(bytes), bits };
}

const urlMethod = (name: string, read: (url: URL) => string): CelFunc =>
  celMethod(name, OPAQUE, [], STRING, function () {
    return read(urls.unwrap(this));
  });

const addressTest = (name: string, ranged: readonly string[]): CelFunc =>
  celMethod(name, OPAQUE, [], BOOL, function () {
    return ranged.includes(addresses.unwrap(this).range());
  });

function queryOf(url: URL): Map<string, string[]> {
  const query = new Map<string, string[]>();
  for (const [key, value] of url.searchParams) query.set(key, [...(query.get(key) ?? []), value]);
  return query;
}

const urlFunctions: readonly CelFunc[] = [
  celFunc('isURL', [STRING], BOOL, (text) => parseUrl(text) !== undefined),
  celFunc('url', [STRING], OPAQUE, (text) => {
    const url = parseUrl(text);
    if (url === undefined)
      throw new Error(`URL parse error during conversion from string: parse ${JSON.stringify(text)}`);
    return urls.wrap(url, text);
  }),
  urlMethod('getScheme', (url) => (isPath(url) ? '' : url.protocol.slice(0, -1))),
  urlMethod('getHost', (url) => url.host),
  urlMethod('getHostname', (url) => (url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname)),
  urlMethod('getPort', (url) => url.port),
  urlMethod('getEscapedPath', (url) => url.pathname),
  celMethod('getQuery', OPAQUE, [], mapType(STRING, listType(STRING)), function () {
    return queryOf(urls.unwrap(this));
  }),
];

const addressFunctions: readonly CelFunc[] = [
  celFunc('isIP', [STRING], BOOL, (text) => parseAddress(text) !== undefined),
  celFunc('ip', [STRING], OPAQUE, (text) => wrapAddress(addressOf(text))),
  celFunc('ip.isCanonical', [STRING], BOOL, (text) => addressOf(text).toString() === text),
  celMethod('family', OPAQUE, [], INT, function () {
    return addresses.unwrap(this).kind() === 'ipv4' ? 4n : 6n;
  }),
  addressTest('isUnspecified', ['unspecified']),
  addressTest('isLoopback', ['loopback']),
  addressTest('isLinkLocalMulticast', ['multicast']),
  addressTest('isLinkLocalUnicast', ['linkLocal']),
  celMethod('isGlobalUnicast', OPAQUE, [], BOOL, function () {
    const range = addresses.unwrap(this).range();
    return !['unspecified', 'loopback', 'multicast', 'linkLocal', 'broadcast'].includes(range);
  }),
];

const rangeFunctions: readonly CelFunc[] = [
  celFunc('isCIDR', [STRING], BOOL, (text) => parseRange(text) !== undefined),
  celFunc('cidr', [STRING], OPAQUE, (text) => wrapRange(rangeOf(text))),
  celMethod('containsIP', OPAQUE, [STRING], BOOL, function (text) {
    return contains(ranges.unwrap(this), addressOf(text));
  }),
  celMethod('containsIP', OPAQUE, [OPAQUE], BOOL, function (address) {
    return contains(ranges.unwrap(this), addresses.unwrap(address));
  }),
  celMethod('containsCIDR', OPAQUE, [STRING], BOOL, function (text) {
    const [outer, inner] = [ranges.unwrap(this), rangeOf(text)];
    return inner.bits >= outer.bits && contains(outer, inner.address);
  }),
  celMethod('containsCIDR', OPAQUE, [OPAQUE], BOOL, function (other) {
    const [outer, inner] = [ranges.unwrap(this), ranges.unwrap(other)];
    return inner.bits >= outer.bits && contains(outer, inner.address);
  }),
  celMethod('ip', OPAQUE, [], OPAQUE, function () {
    return wrapAddress(ranges.unwrap(this).address);
  }),
  celMethod('masked', OPAQUE, [], OPAQUE, function () {
    return wrapRange(masked(ranges.unwrap(this)));
  }),
  celMethod('prefixLength', OPAQUE, [], INT, function () {
    return BigInt(ranges.unwrap(this).bits);
  }),
];

/** url(), ip(), cidr(), their tests and methods. */
export const networkFunctions: readonly CelFunc[] = [...urlFunctions, ...addressFunctions, ...rangeFunctions];
