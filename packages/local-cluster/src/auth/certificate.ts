/**
 * The server's own CA and serving certificate (spec/local-cluster.md 2): a small DER writer over node:crypto, P-256. In:
 * names; out: PEM. Called once at start; keys never leave the state folder.
 */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

const dayMs = 86_400_000;

function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest % 256);
  return Buffer.concat([Buffer.from([tag, 0x80 | size.length, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, ...parts);

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const group = [part & 0x7f];
    for (let value = part >>> 7; value > 0; value >>>= 7) group.unshift((value & 0x7f) | 0x80);
    bytes.push(...group);
  }
  return tlv(0x06, Buffer.from(bytes));
}

const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text));
const nameOf = (commonName: string): Buffer => sequence(tlv(0x31, sequence(oid('2.5.4.3'), utf8(commonName))));
const time = (ms: number): Buffer =>
  tlv(
    0x18,
    Buffer.from(`${new Date(ms).toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '').replace('T', '')}Z`),
  );
const ecdsaSha256 = sequence(oid('1.2.840.10045.4.3.2'));

const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));

function alternativeName(name: string): Buffer {
  if (isIPv4(name) || isIPv6(name)) return tlv(0x87, Buffer.from(ipaddr.parse(name).toByteArray()));
  return tlv(0x82, Buffer.from(name));
}

/** A certificate with its key, as PEM. The key is a secret. */
export interface CertificatePair {
  readonly certPem: string;
  readonly keyPem: string;
}

interface Request {
  readonly commonName: string;
  readonly issuer: { readonly commonName: string; readonly key: KeyObject } | undefined;
  readonly names: readonly string[];
  readonly days: number;
  readonly nowMs: number;
}

function extensions(request: Request): Buffer {
  const isCa = request.issuer === undefined;
  const list = [
    extension('2.5.29.19', true, sequence(...(isCa ? [tlv(0x01, Buffer.from([0xff]))] : []))),
    extension('2.5.29.15', true, isCa ? tlv(0x03, Buffer.from([1, 0x06])) : tlv(0x03, Buffer.from([7, 0x80]))),
  ];
  if (!isCa) list.push(extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))));
  if (request.names.length > 0)
    list.push(extension('2.5.29.17', false, sequence(...request.names.map(alternativeName))));
  return tlv(0xa3, sequence(...list));
}

function issue(request: Request): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = request.issuer ?? { commonName: request.commonName, key: privateKey };
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ecdsaSha256,
    nameOf(issuer.commonName),
    sequence(time(request.nowMs - 60 * 60_000), time(request.nowMs + request.days * dayMs)),
    nameOf(request.commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions(request),
  );
  const signature = sign('sha256', body, issuer.key);
  const der = sequence(body, ecdsaSha256, tlv(0x03, Buffer.from([0]), signature));
  return {
    certPem: new X509Certificate(der).toString(),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

const caName = 'ambit-local-ca';

/** A new CA, valid ten years. */
export const createCa = (nowMs: number): CertificatePair =>
  issue({ commonName: caName, issuer: undefined, names: [], days: 3650, nowMs });

/** A serving certificate for names and addresses, valid one year. */
export const createServingCertificate = (
  ca: CertificatePair,
  names: readonly string[],
  nowMs: number,
): CertificatePair =>
  issue({
    commonName: 'ambit-local-apiserver',
    issuer: { commonName: caName, key: createPrivateKey(ca.keyPem) },
    names,
    days: 365,
    nowMs,
  });

/** A new P-256 key for signing tokens, as PEM. */
export const createSigningKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });

/** The public half of a private key. */
export const publicKeyOf = (keyPem: string): KeyObject => createPublicKey(keyPem);
