// The plain record of an issued workload certificate. Made by the CA client, held by the certificate manager, turned into
// a TLS context by the node proxy, the waypoint and the control plane. Structured-cloneable, so it can go to a data thread.

/** A certificate, its key and the trust anchors that came with it. `privateKeyPem` must never be logged or written to disk. */
export interface WorkloadCertificate {
  /** The identity it was issued for, `spiffe://…`. */
  readonly identity: string;
  /** Leaf, then intermediates, concatenated PEM; never the root. */
  readonly certChainPem: string;
  /** PKCS#8 PEM, P-256. */
  readonly privateKeyPem: string;
  /** Every trusted root, concatenated PEM: the only anchors for peers of this identity (spec/node-proxy.md 7.4). */
  readonly rootsPem: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Lower-case hexadecimal. */
  readonly serial: string;
}

/** When the certificate should be replaced: the middle of its life, without jitter (spec/node-proxy.md 7.3). */
export function renewalTime(certificate: WorkloadCertificate): number {
  const { notBefore, notAfter } = certificate;
  const middle = notBefore + (notAfter - notBefore) / 2;
  return Number.isFinite(middle) && notAfter > notBefore ? middle : 0;
}
