// The header `x-forwarded-client-cert` of a gateway that ends TLS before us (`TRUSTED_GATEWAY_CIDR`, spec control-plane 4.6). In: the header, the
// peer, the networks of trusted gateways. Out: the SPIFFE identity that the gateway saw. Pure. Called by authenticate.ts.
// Upstream takes every element and every name; here only the last element counts, which the trusted gateway wrote itself, and only its URI.
import { ipBytes, ipPrefix, masked, type Prefix } from '@ambit/model/ip';
import { parseSpiffeId, type SpiffeId } from '@ambit/identity';

/** Longest header that is read, in characters. */
const MAX_HEADER = 16_384;

/** An identity that somebody else verified. */
export interface ForwardedIdentity {
  readonly uri: string;
  readonly id: SpiffeId;
}

/** Reads the networks. Throws an Error whose message completes "TRUSTED_GATEWAY_CIDR ...". */
export function readTrustedNetworks(list: readonly string[]): readonly Prefix[] {
  return list.map((text) => {
    const prefix = text.includes('/') ? ipPrefix(text) : undefined;
    if (prefix === undefined) throw new Error(`has the entry ${text}, no network such as 10.0.0.0/8`);
    return prefix;
  });
}

/** True when the peer, `<ip>:<port>`, is in one of the networks. */
export function isTrustedPeer(peer: string, networks: readonly Prefix[]): boolean {
  const host = peer.slice(0, Math.max(peer.lastIndexOf(':'), 0)).replace('::ffff:', '');
  const address = ipBytes(host.startsWith('[') ? host.slice(1, -1) : host);
  if (address === undefined) return false;
  return networks.some(({ bytes, length }) => {
    if (bytes.length !== address.length) return false;
    const [network, own] = [masked({ bytes, length }), masked({ bytes: address, length })];
    return network.every((byte, index) => byte === own[index]);
  });
}

/** The identity in the last element of the header; undefined when there is none that can be trusted. */
export function forwardedIdentity(header: string): ForwardedIdentity | undefined {
  if (header.length > MAX_HEADER) return undefined;
  const fields = lastElement(header);
  const uris = fields?.filter(({ key }) => key === 'uri') ?? [];
  const [uri] = uris;
  const id = uri && uris.length === 1 ? parseSpiffeId(uri.value) : undefined;
  return uri === undefined || id === undefined ? undefined : { uri: uri.value, id };
}

interface Field {
  readonly key: string;
  readonly value: string;
}

/** Fields of the last element: elements are separated by `,`, fields by `;`, values may be quoted with `\` before quotes. */
function lastElement(header: string): readonly Field[] | undefined {
  let fields: Field[] = [];
  let key: string | undefined;
  let text = '';
  let isQuoted = false;
  const endField = (): boolean => {
    if (key !== undefined) fields.push({ key: key.trim().toLowerCase(), value: text });
    const isWhole = key !== undefined || text.trim() === '';
    key = undefined;
    text = '';
    return isWhole;
  };
  for (let at = 0; at < header.length; at += 1) {
    const char = header[at] ?? '';
    if (isQuoted) {
      if (char === '\\' && header[at + 1] !== undefined) text += header[(at += 1)] ?? '';
      else if (char === '"') isQuoted = false;
      else text += char;
    } else if (char === '"') isQuoted = true;
    else if (char === '=' && key === undefined) {
      key = text;
      text = '';
    } else if (char === ';' || char === ',') {
      if (!endField()) return undefined;
      if (char === ',') fields = [];
    } else text += char;
  }
  return !isQuoted && endField() ? fields : undefined;
}
