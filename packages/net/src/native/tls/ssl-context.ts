// PEM of one identity -> an SSL_CTX for one role: TLS 1.3 only, h2 only, no tickets, no certificate compression. In: the
// options that a TlsContext was made of. Out: handles for connections. One per TlsContext and role, made on first use.
import { NetError } from '../../errors.ts';
import type { TlsContextOptions } from '../../tls-context.ts';
import { TLS13_CIPHERS, TLS_GROUPS, TLS_GROUPS_POST_QUANTUM } from '../../tls-parameters.ts';
import { type OpenSsl, openssl, type Pointer } from './openssl.ts';

const CTRL_MIN_PROTO_VERSION = 123;
const CTRL_MAX_PROTO_VERSION = 124;
const CTRL_SESSION_CACHE_MODE = 44;
const CTRL_GROUPS_LIST = 92;
const CTRL_CHAIN_CERTIFICATE = 89;
const CTRL_MODE = 33;
const TLS1_3_VERSION = 0x0304;
const VERIFY_PEER = 1;
/** The record buffers of an idle connection go back to the allocator. */
const MODE_RELEASE_BUFFERS = 0x10;
const OP_NO_TICKET = 1n << 14n;
const OP_NO_COMPRESSION = 1n << 17n;
const OP_NO_RENEGOTIATION = 1n << 30n;
/** Bits 32 and 33: a bare context compresses its certificate in each handshake, which costs about 3 ms. */
const OP_NO_CERTIFICATE_COMPRESSION = (1n << 32n) + (1n << 33n);
const ALPN_H2 = Buffer.from('\x02h2', 'latin1');

/** An SSL_CTX. Freed when nothing refers to it any more; live connections hold their own reference inside OpenSSL. */
export class SslContext {
  readonly #pointer: Pointer;

  constructor(options: TlsContextOptions, role: 'client' | 'server') {
    const { ssl, callbacks } = openssl();
    ssl.ERR_clear_error();
    const pointer = ssl.SSL_CTX_new(ssl.TLS_method());
    if (pointer === null || pointer === 0n) throw sslFailed(ssl, 'cannot make a TLS context');
    this.#pointer = pointer;
    unused.register(this, pointer);
    const need = (what: string, result: number | bigint): void => {
      if (Number(result) !== 1) throw sslFailed(ssl, what);
    };
    need('TLS 1.3', ssl.SSL_CTX_ctrl(pointer, CTRL_MIN_PROTO_VERSION, TLS1_3_VERSION, null));
    need('TLS 1.3', ssl.SSL_CTX_ctrl(pointer, CTRL_MAX_PROTO_VERSION, TLS1_3_VERSION, null));
    need('cipher suites', ssl.SSL_CTX_set_ciphersuites(pointer, TLS13_CIPHERS));
    const groups = options.onlyPostQuantum === true ? TLS_GROUPS_POST_QUANTUM : TLS_GROUPS;
    need('key exchange groups', ssl.SSL_CTX_ctrl(pointer, CTRL_GROUPS_LIST, 0, Buffer.from(`${groups}\0`)));
    ssl.SSL_CTX_ctrl(pointer, CTRL_SESSION_CACHE_MODE, 0, null);
    ssl.SSL_CTX_ctrl(pointer, CTRL_MODE, MODE_RELEASE_BUFFERS, null);
    need('no tickets', ssl.SSL_CTX_set_num_tickets(pointer, 0));
    ssl.SSL_CTX_set_options(
      pointer,
      OP_NO_TICKET + OP_NO_COMPRESSION + OP_NO_RENEGOTIATION + OP_NO_CERTIFICATE_COMPRESSION,
    );
    this.#showCertificate(ssl, options, need);
    ssl.SSL_CTX_set_cert_verify_callback(pointer, callbacks.acceptCertificate, null);
    ssl.SSL_CTX_set_verify(pointer, VERIFY_PEER, null);
    if (role === 'client') {
      if (ssl.SSL_CTX_set_alpn_protos(pointer, ALPN_H2, ALPN_H2.length) !== 0) throw sslFailed(ssl, 'ALPN');
      return;
    }
    ssl.SSL_CTX_set_alpn_select_cb(pointer, callbacks.chooseH2, null);
    const roots = typeof options.rootsPem === 'string' ? options.rootsPem : options.rootsPem.join('\n');
    forEachCertificate(ssl, roots, (root) => ssl.SSL_CTX_add_client_CA(pointer, root));
  }

  /** A new SSL object; the caller frees it. For ssl-handle.ts only. */
  newSsl(): Pointer {
    const { ssl } = openssl();
    const made = ssl.SSL_new(this.#pointer);
    if (made === null || made === 0n) throw sslFailed(ssl, 'cannot make a TLS connection');
    return made;
  }

  #showCertificate(
    ssl: OpenSsl,
    options: TlsContextOptions,
    need: (what: string, result: number | bigint) => void,
  ): void {
    const { certChainPem, privateKeyPem } = options;
    if (certChainPem === undefined || privateKeyPem === undefined) return;
    let isLeaf = true;
    forEachCertificate(ssl, certChainPem, (certificate) => {
      if (isLeaf) need('certificate', ssl.SSL_CTX_use_certificate(this.#pointer, certificate));
      // The 1: the context takes a reference of its own.
      else need('intermediate certificate', ssl.SSL_CTX_ctrl(this.#pointer, CTRL_CHAIN_CERTIFICATE, 1, certificate));
      isLeaf = false;
    });
    if (isLeaf) throw sslFailed(ssl, 'no certificate in the chain');
    withPem(ssl, privateKeyPem, (bio) => {
      const key = ssl.PEM_read_bio_PrivateKey(bio, null, null, null);
      if (key === null || key === 0n) throw sslFailed(ssl, 'private key');
      try {
        need('private key', ssl.SSL_CTX_use_PrivateKey(this.#pointer, key));
        need('private key of another certificate', ssl.SSL_CTX_check_private_key(this.#pointer));
      } finally {
        ssl.EVP_PKEY_free(key);
      }
    });
  }
}

// Contexts have no owner who could close them: they live as long as the identity's TlsContext.
const unused = new FinalizationRegistry<Pointer>((pointer) => openssl().ssl.SSL_CTX_free(pointer));

/** Runs `fn` with a read-only BIO over a text. */
export function withPem<Result>(ssl: OpenSsl, text: string, fn: (bio: Pointer) => Result): Result {
  const bytes = Buffer.from(text);
  const bio = ssl.BIO_new_mem_buf(bytes, bytes.length);
  try {
    return fn(bio);
  } finally {
    ssl.BIO_free(bio);
    // The BIO reads from this memory until here.
    bytes.fill(0);
  }
}

/** Parses certificates until there is none; each is freed after `fn`. */
function forEachCertificate(ssl: OpenSsl, pem: string, fn: (certificate: Pointer) => void): void {
  withPem(ssl, pem, (bio) => {
    for (;;) {
      const certificate = ssl.PEM_read_bio_X509(bio, null, null, null);
      if (certificate === null || certificate === 0n) break;
      try {
        fn(certificate);
      } finally {
        ssl.X509_free(certificate);
      }
    }
    // "No start line": the end of the text.
    ssl.ERR_clear_error();
  });
}

/** What OpenSSL last complained about, as our error. */
export function sslFailed(ssl: OpenSsl, what: string): NetError {
  return new NetError('ERR_NET_HANDSHAKE', `${what}: ${lastReason(ssl)}`);
}

/** The oldest reason in this thread's error queue, which is emptied. */
export function lastReason(ssl: OpenSsl): string {
  const code = ssl.ERR_get_error();
  const reason = Number(code) === 0 ? null : ssl.ERR_reason_error_string(code);
  ssl.ERR_clear_error();
  return reason ?? 'no reason given';
}
