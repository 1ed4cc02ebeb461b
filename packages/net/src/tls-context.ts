// One TLS context per identity and certificate, made on rotation and shared by all connections of that identity
// (x1.27 against one per connection, spec performance 3). Consumed by secure.ts; connections keep the one they began with.
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { TLS13_CIPHERS, TLS_GROUPS, TLS_GROUPS_POST_QUANTUM } from './tls-parameters.ts';

/** Keys and trust of one identity. */
export interface TlsContextOptions {
  /** Leaf first, then intermediates, without the root. Leave out (with the key) for a client that shows none. */
  readonly certChainPem?: string;
  readonly privateKeyPem?: string;
  /** Roots this side trusts; a server also names them in its certificate request. */
  readonly rootsPem: string | readonly string[];
  /** `both` serves either direction; the default. */
  readonly role?: 'client' | 'server' | 'both';
  /** Also offer TLS 1.2 (control-plane connections only). Default false. */
  readonly allowTls12?: boolean;
  /** Only the hybrid key exchange X25519MLKEM768, without a fallback (`COMPLIANCE_POLICY=pqc`). Default false. */
  readonly onlyPostQuantum?: boolean;
}

/** Opaque to everyone but this package. Holds a private key: never log it. */
export interface TlsContext {
  readonly role: 'client' | 'server' | 'both';
  /** For node:tls; no caller outside @ambit/net touches it. */
  readonly secureContext: SecureContext;
  /** What it was made of, for the other engine, which builds its own on first use. */
  readonly options: TlsContextOptions;
}

const TLS12_CIPHERS = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
// SSL_OP_NO_TX/RX_CERTIFICATE_COMPRESSION: a context that compresses its certificate pays ~3 ms per handshake.
const NO_CERTIFICATE_COMPRESSION = 2 ** 32 + 2 ** 33;

/** Builds the context: TLS 1.3, AES-256-GCM first, no tickets. Throws Node's error for a broken PEM. */
export function createTlsContext(options: TlsContextOptions): TlsContext {
  const secureContext = createSecureContext({
    ...(options.certChainPem === undefined ? {} : { cert: options.certChainPem }),
    ...(options.privateKeyPem === undefined ? {} : { key: options.privateKeyPem }),
    ca: typeof options.rootsPem === 'string' ? options.rootsPem : [...options.rootsPem],
    minVersion: options.allowTls12 === true ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: options.allowTls12 === true ? `${TLS13_CIPHERS}:${TLS12_CIPHERS}` : TLS13_CIPHERS,
    ecdhCurve: options.onlyPostQuantum === true ? TLS_GROUPS_POST_QUANTUM : TLS_GROUPS,
    secureOptions: constants.SSL_OP_NO_TICKET + NO_CERTIFICATE_COMPRESSION,
  });
  return { role: options.role ?? 'both', secureContext, options };
}

/** Checks the peer's certificates (leaf first, DER). Returns the peer, throws to refuse. Synchronous (W22). */
export type VerifyPeer<Peer> = (derChain: readonly Buffer[]) => Peer;
