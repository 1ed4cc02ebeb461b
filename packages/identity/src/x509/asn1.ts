// The narrow window to node-forge's ASN.1 (decision D16: forge writes and reads the structure, node:crypto does the keys).
// Called only by the files of this folder; pure, any thread.

import type forge from 'node-forge';
import asn1 from 'node-forge/lib/asn1.js';

const { Type, Class } = asn1;

// The published types know only the first, older form of the second argument.
const fromDer = asn1.fromDer as unknown as (
  bytes: string,
  options: { readonly strict: boolean; readonly parseAllBytes: boolean; readonly decodeBitStrings: boolean },
) => Asn1Node;

/** A node of an ASN.1 tree. Bit strings keep their leading count of unused bits. */
export type Asn1Node = forge.asn1.Asn1;

/** Longest DER that is read, in bytes. */
export const MAX_DER_BYTES = 256 * 1024;

/** Object identifiers used here. */
export const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  anyExtendedKeyUsage: '2.5.29.37.0',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const;

/** Reads strict DER, all of it; throws whatever forge throws. */
export function readDer(der: Uint8Array): Asn1Node {
  if (der.length > MAX_DER_BYTES) throw new Error(`der of ${der.length} bytes is over the limit of ${MAX_DER_BYTES}`);
  const binary = Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1');
  return fromDer(binary, { strict: true, parseAllBytes: true, decodeBitStrings: false });
}

/** Writes DER. */
export function writeDer(node: Asn1Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

/** Child nodes of a constructed node; throws when the node is primitive. */
export function childrenOf(node: Asn1Node | undefined): readonly Asn1Node[] {
  if (node === undefined || !Array.isArray(node.value)) throw new Error('asn.1: a constructed value is missing');
  return node.value;
}

/** Content bytes of a primitive node; throws when the node is constructed. */
export function bytesOf(node: Asn1Node | undefined): Buffer {
  if (node === undefined || typeof node.value !== 'string') throw new Error('asn.1: a primitive value is missing');
  return Buffer.from(node.value, 'latin1');
}

/** Dotted text of an object identifier node. */
export function oidOf(node: Asn1Node | undefined): string {
  if (node === undefined || !isUniversal(node, Type.OID)) throw new Error('asn.1: an object identifier is missing');
  return asn1.derToOid(bytesOf(node).toString('latin1'));
}

/** Payload of a bit string that has no unused bits. */
export function bitStringBytes(node: Asn1Node | undefined): Buffer {
  const bytes = bytesOf(node);
  if (bytes[0] !== 0) throw new Error('asn.1: a bit string with unused bits');
  return bytes.subarray(1);
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime node. */
export function timeOf(node: Asn1Node | undefined): number {
  const text = bytesOf(node).toString('latin1');
  const date = node?.type === Type.UTCTIME ? asn1.utcTimeToDate(text) : asn1.generalizedTimeToDate(text);
  const at = date.getTime();
  if (Number.isNaN(at)) throw new Error('asn.1: a time that cannot be read');
  return at;
}

/** Whether the node has the universal tag `type`. */
export function isUniversal(node: Asn1Node, type: forge.asn1.Type): boolean {
  return node.tagClass === Class.UNIVERSAL && node.type === type;
}

/** Whether the node has the context tag `[tag]`. */
export function isContext(node: Asn1Node, tag: number): boolean {
  return node.tagClass === Class.CONTEXT_SPECIFIC && Number(node.type) === tag;
}

/** Tag numbers of universal types. */
export const AsnType = Type;

/** SEQUENCE. */
export function sequence(...items: readonly Asn1Node[]): Asn1Node {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...items]);
}

/** SET. */
export function setOf(...items: readonly Asn1Node[]): Asn1Node {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, [...items]);
}

/** OBJECT IDENTIFIER. */
export function oid(dotted: string): Asn1Node {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

/** INTEGER from unsigned big-endian bytes. */
export function unsignedInteger(bytes: Uint8Array): Asn1Node {
  const padded = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : Buffer.from(bytes);
  return primitive(Type.INTEGER, padded);
}

/** BOOLEAN. */
export function boolean(value: boolean): Asn1Node {
  return primitive(Type.BOOLEAN, Buffer.of(value ? 0xff : 0));
}

/** NULL. */
export function nullNode(): Asn1Node {
  return primitive(Type.NULL, Buffer.alloc(0));
}

/** OCTET STRING. */
export function octetString(bytes: Uint8Array): Asn1Node {
  return primitive(Type.OCTETSTRING, bytes);
}

/** BIT STRING; `unusedBits` counts the ignored low bits of the last byte. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Asn1Node {
  return primitive(Type.BITSTRING, Buffer.concat([Buffer.of(unusedBits), bytes]));
}

/** UTF8String. */
export function utf8String(text: string): Asn1Node {
  return primitive(Type.UTF8, Buffer.from(text, 'utf8'));
}

/** UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280 4.1.2.5). */
export function time(atMs: number): Asn1Node {
  const date = new Date(atMs);
  const useUtc = date.getUTCFullYear() >= 1950 && date.getUTCFullYear() < 2050;
  const text = useUtc ? asn1.dateToUtcTime(date) : asn1.dateToGeneralizedTime(date);
  return asn1.create(Class.UNIVERSAL, useUtc ? Type.UTCTIME : Type.GENERALIZEDTIME, false, String(text));
}

/** Explicit or constructed context tag. */
export function contextConstructed(tag: number, ...items: readonly Asn1Node[]): Asn1Node {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [...items]);
}

/** Implicit primitive context tag. */
export function contextPrimitive(tag: number, bytes: Uint8Array): Asn1Node {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, false, Buffer.from(bytes).toString('latin1'));
}

function primitive(type: forge.asn1.Type, bytes: Uint8Array): Asn1Node {
  return asn1.create(Class.UNIVERSAL, type, false, Buffer.from(bytes).toString('latin1'));
}
