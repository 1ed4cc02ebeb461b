// GeneralNames of a subjectAltName extension. In: identity texts or the extension's DER. Out: the other one.
// Called by csr.ts, build-certificate.ts and read-certificate.ts; pure, any thread.

import { isIPv4, isIPv6 } from 'node:net';

import { bytesOf, childrenOf, contextPrimitive, isContext, readDer, sequence, writeDer } from './asn1.ts';
import type { Asn1Node } from './asn1.ts';

const dnsTag = 2;
const uriTag = 6;
const ipTag = 7;

/** Most names that one certificate may hold. */
const maxNames = 1024;

/** The names of a certificate that we look at; IPs are raw bytes in hexadecimal. */
export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipHex: readonly string[];
}

/** The extension value for a list of names: `spiffe://` = URI, IP text = IP, else DNS (spec/control-plane.md 5.5). */
export function encodeSubjectAltNames(names: readonly string[]): Buffer {
  return writeDer(sequence(...names.map((name) => generalName(name))));
}

/** Reads the extension value; other kinds of names are skipped. Throws on malformed DER. */
export function decodeSubjectAltNames(der: Uint8Array): SubjectAltNames {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const ipHex: string[] = [];
  const names = childrenOf(readDer(der));
  if (names.length > maxNames) throw new Error(`more than ${maxNames} subject alternative names`);
  for (const name of names) {
    if (isContext(name, uriTag)) uris.push(bytesOf(name).toString('latin1'));
    else if (isContext(name, dnsTag)) dnsNames.push(bytesOf(name).toString('latin1'));
    else if (isContext(name, ipTag)) ipHex.push(bytesOf(name).toString('hex'));
  }
  return { uris, dnsNames, ipHex };
}

function generalName(name: string): Asn1Node {
  if (name.startsWith('spiffe://')) return contextPrimitive(uriTag, Buffer.from(name, 'latin1'));
  if (isIPv4(name)) return contextPrimitive(ipTag, Buffer.from(name.split('.').map(Number)));
  if (isIPv6(name)) return contextPrimitive(ipTag, ipv6Bytes(name));
  return contextPrimitive(dnsTag, Buffer.from(name, 'latin1'));
}

function ipv6Bytes(text: string): Buffer {
  // The URL parser writes an IPv6 host in its canonical hexadecimal form, also for embedded IPv4.
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const headGroups = head === '' ? [] : head.split(':');
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - headGroups.length - tailGroups.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...headGroups, ...zeros, ...tailGroups].forEach((group, index) =>
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2),
  );
  return bytes;
}
