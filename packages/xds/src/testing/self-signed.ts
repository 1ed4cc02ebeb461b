// In: a DNS name or an IPv4 address. Out: a fresh P-256 key and a self-signed certificate for it, for TLS on loopback in tests. Never stored.
// A few lines of DER instead of a library: this package may not depend on the one that owns certificates.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** Key and certificate as PEM. */
export interface TestKeyPair {
  readonly certPem: string;
  readonly keyPem: string;
}

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, ...parts);
const ECDSA_SHA256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');

/** Makes a certificate that is its own root, valid for an hour around now. */
export function selfSigned(name: string): TestKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const commonName = der(0x31, sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('test'))));
  const issuer = sequence(commonName);
  const extensions = der(
    0xa3,
    sequence(
      sequence(SUBJECT_ALT_NAME, der(0x04, sequence(altName(name)))),
      sequence(BASIC_CONSTRAINTS, der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff]))))),
    ),
  );
  const serial = randomBytes(8);
  serial[0] = 1;
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_SHA256,
    issuer,
    sequence(time(-30), time(30)),
    issuer,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  );
  const signature = sign('sha256', content, privateKey);
  const certificate = sequence(content, ECDSA_SHA256, der(0x03, Buffer.from([0]), signature));
  const base64 = certificate.toString('base64').match(/.{1,64}/gu) ?? [];
  return {
    certPem: `-----BEGIN CERTIFICATE-----\n${base64.join('\n')}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Subject alternative name: an address for IPv4 text, else a DNS name. */
function altName(name: string): Buffer {
  return isIPv4(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name));
}

/** UTCTime some minutes from now. */
function time(minutes: number): Buffer {
  const text = new Date(Date.now() + minutes * 60_000).toISOString();
  return der(0x17, Buffer.from(`${text.slice(2, 19).split(/[-:T]/u).join('')}Z`));
}
