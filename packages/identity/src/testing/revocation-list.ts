// Signer material and serials in, a signed revocation list out. For tests of everything that checks peers; no I/O.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';

import type { SignerMaterial } from '../certificate-authority.ts';
import { algorithmNode, signingAlgorithmFor } from '../x509/algorithm.ts';
import { bitString, readDer, sequence, time, unsignedInteger, writeDer } from '../x509/asn1.ts';
import { certificatesOfPem } from '../x509/pem.ts';
import { readCertificate } from '../x509/read-certificate.ts';

const dayMs = 24 * 3_600_000;

/** The DER of a list that `material` signed, valid from now for a day. `serials` are hexadecimal. */
export function testRevocationList(material: SignerMaterial, serials: readonly string[]): Buffer {
  const key = createPrivateKey(material.keyPem);
  const algorithm = signingAlgorithmFor(createPublicKey(key));
  const issuer = Buffer.from(
    readCertificate(certificatesOfPem(material.certPem)[0] ?? Buffer.alloc(0)).subject,
    'latin1',
  );
  const entries = serials.map((serial) => sequence(unsignedInteger(Buffer.from(serial, 'hex')), time(Date.now())));
  const list = sequence(
    unsignedInteger(Buffer.of(1)),
    algorithmNode(algorithm),
    readDer(issuer),
    time(Date.now()),
    time(Date.now() + dayMs),
    sequence(...entries),
  );
  return writeDer(sequence(list, algorithmNode(algorithm), bitString(sign(algorithm.hash, writeDer(list), key))));
}
