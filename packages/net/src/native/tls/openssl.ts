// The OpenSSL inside Node's own executable, as typed functions: the only place that names a symbol of it. In: pointers
// that this folder got from it, and Buffers. Out: its results. Every pointer is a bigint that never leaves this folder;
// a Buffer is read or written during the call only. Loaded on first use, per thread. See README of the package.
import { createRequire } from 'node:module';
import { NetError } from '../../errors.ts';

/** An address inside OpenSSL. Opaque; 0 is none. */
export type Pointer = bigint;

/** The functions; names and meanings are those of the OpenSSL 3 manual. */
export interface OpenSsl {
  OpenSSL_version(kind: number): string;
  ERR_clear_error(): void;
  ERR_get_error(): number | bigint;
  ERR_reason_error_string(code: number | bigint): string | null;
  EVP_Digest(data: Buffer, bytes: number, into: Buffer, written: null, type: Pointer, engine: null): number;
  EVP_sha256(): Pointer;
  BIO_s_mem(): Pointer;
  BIO_new(method: Pointer): Pointer;
  BIO_new_mem_buf(bytes: Buffer, length: number): Pointer;
  BIO_free(bio: Pointer): number;
  BIO_read(bio: Pointer, into: Buffer, bytes: number): number;
  BIO_write(bio: Pointer, from: Buffer, bytes: number): number;
  BIO_ctrl(bio: Pointer, command: number, number: number, pointer: null): number | bigint;
  PEM_read_bio_X509(bio: Pointer, into: null, callback: null, data: null): Pointer | null;
  PEM_read_bio_PrivateKey(bio: Pointer, into: null, callback: null, data: null): Pointer | null;
  PEM_write_bio_X509(bio: Pointer, certificate: Pointer): number;
  i2d_X509_bio(bio: Pointer, certificate: Pointer): number;
  X509_free(certificate: Pointer): void;
  X509_new(): Pointer;
  X509_set_version(certificate: Pointer, version: number): number;
  X509_set_pubkey(certificate: Pointer, key: Pointer): number;
  X509_gmtime_adj(time: Pointer, seconds: number): Pointer;
  X509_getm_notBefore(certificate: Pointer): Pointer;
  X509_getm_notAfter(certificate: Pointer): Pointer;
  X509_sign(certificate: Pointer, key: Pointer, digest: Pointer): number;
  EVP_PKEY_free(key: Pointer): void;
  OPENSSL_sk_num(stack: Pointer): number;
  OPENSSL_sk_value(stack: Pointer, index: number): Pointer;
  TLS_method(): Pointer;
  SSL_CTX_new(method: Pointer): Pointer | null;
  SSL_CTX_free(context: Pointer): void;
  SSL_CTX_ctrl(context: Pointer, command: number, number: number, value: Buffer | Pointer | null): number | bigint;
  SSL_CTX_set_options(context: Pointer, options: bigint): number | bigint;
  SSL_CTX_set_ciphersuites(context: Pointer, names: string): number;
  SSL_CTX_set_num_tickets(context: Pointer, count: number): number;
  SSL_CTX_use_certificate(context: Pointer, certificate: Pointer): number;
  SSL_CTX_use_PrivateKey(context: Pointer, key: Pointer): number;
  SSL_CTX_check_private_key(context: Pointer): number;
  SSL_CTX_add_client_CA(context: Pointer, certificate: Pointer): number;
  SSL_CTX_set_verify(context: Pointer, mode: number, callback: null): void;
  SSL_CTX_set_cert_verify_callback(context: Pointer, callback: Pointer, argument: null): void;
  SSL_CTX_set_alpn_protos(context: Pointer, protocols: Buffer, bytes: number): number;
  SSL_CTX_set_alpn_select_cb(context: Pointer, callback: Pointer, argument: null): void;
  SSL_new(context: Pointer): Pointer | null;
  SSL_free(ssl: Pointer): void;
  SSL_set_accept_state(ssl: Pointer): void;
  SSL_set_connect_state(ssl: Pointer): void;
  SSL_set0_rbio(ssl: Pointer, bio: Pointer): void;
  SSL_set0_wbio(ssl: Pointer, bio: Pointer): void;
  SSL_do_handshake(ssl: Pointer): number;
  SSL_read(ssl: Pointer, into: Buffer, bytes: number): number;
  SSL_write(ssl: Pointer, from: Buffer, bytes: number): number;
  SSL_shutdown(ssl: Pointer): number;
  SSL_key_update(ssl: Pointer, kind: number): number;
  SSL_get_error(ssl: Pointer, result: number): number;
  SSL_version(ssl: Pointer): number;
  SSL_get0_peer_certificate(ssl: Pointer): Pointer | null;
  SSL_get_peer_cert_chain(ssl: Pointer): Pointer | null;
  SSL_get0_alpn_selected(ssl: Pointer, protocol: (Pointer | null)[], bytes: number[]): void;
}

/** What OpenSSL calls back. Neither may throw; both are called during `SSL_do_handshake` only. */
export interface Callbacks {
  /** Accepts every certificate: who the peer is, is decided by `verifyPeer` before the first byte (W22). */
  readonly acceptCertificate: Pointer;
  /** Chooses `h2`, or refuses a client that does not offer it. */
  readonly chooseH2: Pointer;
}

/** The library with its callbacks. */
export interface LoadedOpenSsl {
  readonly ssl: OpenSsl;
  readonly callbacks: Callbacks;
}

const DECLARATIONS: Readonly<Record<keyof OpenSsl, string>> = {
  OpenSSL_version: 'const char *OpenSSL_version(int)',
  ERR_clear_error: 'void ERR_clear_error()',
  ERR_get_error: 'unsigned long ERR_get_error()',
  ERR_reason_error_string: 'const char *ERR_reason_error_string(unsigned long)',
  EVP_Digest: 'int EVP_Digest(void *, size_t, void *, void *, void *, void *)',
  EVP_sha256: 'void *EVP_sha256()',
  BIO_s_mem: 'void *BIO_s_mem()',
  BIO_new: 'void *BIO_new(void *)',
  BIO_new_mem_buf: 'void *BIO_new_mem_buf(void *, int)',
  BIO_free: 'int BIO_free(void *)',
  BIO_read: 'int BIO_read(void *, void *, int)',
  BIO_write: 'int BIO_write(void *, void *, int)',
  BIO_ctrl: 'long BIO_ctrl(void *, int, long, void *)',
  PEM_read_bio_X509: 'void *PEM_read_bio_X509(void *, void *, void *, void *)',
  PEM_read_bio_PrivateKey: 'void *PEM_read_bio_PrivateKey(void *, void *, void *, void *)',
  PEM_write_bio_X509: 'int PEM_write_bio_X509(void *, void *)',
  i2d_X509_bio: 'int i2d_X509_bio(void *, void *)',
  X509_free: 'void X509_free(void *)',
  X509_new: 'void *X509_new()',
  X509_set_version: 'int X509_set_version(void *, long)',
  X509_set_pubkey: 'int X509_set_pubkey(void *, void *)',
  X509_gmtime_adj: 'void *X509_gmtime_adj(void *, long)',
  X509_getm_notBefore: 'void *X509_getm_notBefore(void *)',
  X509_getm_notAfter: 'void *X509_getm_notAfter(void *)',
  X509_sign: 'int X509_sign(void *, void *, void *)',
  EVP_PKEY_free: 'void EVP_PKEY_free(void *)',
  OPENSSL_sk_num: 'int OPENSSL_sk_num(void *)',
  OPENSSL_sk_value: 'void *OPENSSL_sk_value(void *, int)',
  TLS_method: 'void *TLS_method()',
  SSL_CTX_new: 'void *SSL_CTX_new(void *)',
  SSL_CTX_free: 'void SSL_CTX_free(void *)',
  SSL_CTX_ctrl: 'long SSL_CTX_ctrl(void *, int, long, void *)',
  SSL_CTX_set_options: 'uint64_t SSL_CTX_set_options(void *, uint64_t)',
  SSL_CTX_set_ciphersuites: 'int SSL_CTX_set_ciphersuites(void *, const char *)',
  SSL_CTX_set_num_tickets: 'int SSL_CTX_set_num_tickets(void *, size_t)',
  SSL_CTX_use_certificate: 'int SSL_CTX_use_certificate(void *, void *)',
  SSL_CTX_use_PrivateKey: 'int SSL_CTX_use_PrivateKey(void *, void *)',
  SSL_CTX_check_private_key: 'int SSL_CTX_check_private_key(void *)',
  SSL_CTX_add_client_CA: 'int SSL_CTX_add_client_CA(void *, void *)',
  SSL_CTX_set_verify: 'void SSL_CTX_set_verify(void *, int, void *)',
  SSL_CTX_set_cert_verify_callback: 'void SSL_CTX_set_cert_verify_callback(void *, void *, void *)',
  SSL_CTX_set_alpn_protos: 'int SSL_CTX_set_alpn_protos(void *, void *, unsigned int)',
  SSL_CTX_set_alpn_select_cb: 'void SSL_CTX_set_alpn_select_cb(void *, void *, void *)',
  SSL_new: 'void *SSL_new(void *)',
  SSL_free: 'void SSL_free(void *)',
  SSL_set_accept_state: 'void SSL_set_accept_state(void *)',
  SSL_set_connect_state: 'void SSL_set_connect_state(void *)',
  SSL_set0_rbio: 'void SSL_set0_rbio(void *, void *)',
  SSL_set0_wbio: 'void SSL_set0_wbio(void *, void *)',
  SSL_do_handshake: 'int SSL_do_handshake(void *)',
  SSL_read: 'int SSL_read(void *, void *, int)',
  SSL_write: 'int SSL_write(void *, void *, int)',
  SSL_shutdown: 'int SSL_shutdown(void *)',
  SSL_key_update: 'int SSL_key_update(void *, int)',
  SSL_get_error: 'int SSL_get_error(void *, int)',
  SSL_version: 'int SSL_version(void *)',
  SSL_get0_peer_certificate: 'void *SSL_get0_peer_certificate(void *)',
  SSL_get_peer_cert_chain: 'void *SSL_get_peer_cert_chain(void *)',
  SSL_get0_alpn_selected: 'void SSL_get0_alpn_selected(void *, _Out_ void **, _Out_ unsigned int *)',
};

interface Koffi {
  load(path: null): { func(declaration: string): (...args: never[]) => unknown };
  proto(declaration: string): unknown;
  pointer(type: unknown): unknown;
  register(callback: (...args: never[]) => number, type: unknown): Pointer;
  alloc(type: string, length: number): Pointer;
  decode(pointer: Pointer, type: string, length: number): unknown;
  encode(pointer: Pointer, type: string, value: unknown): void;
}

const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
const SUPPORTED_MAJOR = '3';

let loaded: LoadedOpenSsl | undefined;

/** The library. Throws ERR_NET_NATIVE_UNAVAILABLE when it is missing, incomplete, or not the one that Node reports. */
export function openssl(): LoadedOpenSsl {
  return (loaded ??= load());
}

function load(): LoadedOpenSsl {
  if (process.platform !== 'linux') throw unavailable(`the platform is ${process.platform}`, undefined);
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw unavailable('the module koffi cannot be loaded', cause);
  }
  const ssl = declare(koffi);
  refuseForeign(ssl);
  return { ssl, callbacks: callbacksOf(koffi) };
}

function declare(koffi: Koffi): OpenSsl {
  const library = koffi.load(null);
  const functions: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(DECLARATIONS)) {
    try {
      functions[name] = library.func(declaration);
    } catch (cause) {
      throw unavailable(`this executable has no ${name}`, cause);
    }
  }
  return functions as unknown as OpenSsl;
}

// Several "functions" of OpenSSL are numbers given to SSL_CTX_ctrl: another library, or another major, must not be used.
function refuseForeign(ssl: OpenSsl): void {
  const text = ssl.OpenSSL_version(0);
  const [name, version = ''] = text.split(' ');
  const reported = process.versions.openssl ?? '';
  const isNodes = name === 'OpenSSL' && (version === reported || reported.startsWith(`${version}+`));
  if (!isNodes || version.split('.')[0] !== SUPPORTED_MAJOR) {
    throw unavailable(`it is "${text}", Node reports ${reported}`, undefined);
  }
}

function callbacksOf(koffi: Koffi): Callbacks {
  const h2 = koffi.alloc('uint8_t', 2);
  koffi.encode(h2, 'uint8_t', 0x68);
  koffi.encode(h2 + 1n, 'uint8_t', 0x32);
  const acceptCertificate = koffi.register(() => 1, koffi.pointer(koffi.proto('int ambit_ssl_accept(void *, void *)')));
  const chooseH2 = koffi.register(
    (...[, out, outBytes, offered, bytes]: [Pointer, Pointer, Pointer, Pointer, number, Pointer]): number => {
      try {
        if (!offersH2(Buffer.from(koffi.decode(offered, 'uint8_t', bytes) as Uint8Array))) {
          return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
        koffi.encode(out, 'void *', h2);
        koffi.encode(outBytes, 'uint8_t', 2);
        return SSL_TLSEXT_ERR_OK;
      } catch {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
      }
    },
    koffi.pointer(koffi.proto('int ambit_ssl_alpn(void *, void *, void *, void *, unsigned int, void *)')),
  );
  return { acceptCertificate, chooseH2 };
}

/** Whether a list of protocols (each with its length in front) names h2. */
export function offersH2(list: Buffer): boolean {
  for (let at = 0; at < list.length; at += 1 + (list[at] as number)) {
    if (list.toString('latin1', at, at + 3) === '\x02h2') return true;
  }
  return false;
}

function unavailable(why: string, cause: unknown): NetError {
  return new NetError('ERR_NET_NATIVE_UNAVAILABLE', `the OpenSSL of this process cannot be called: ${why}`, {
    cause,
    hint: 'AMBIT_BYTE_ENGINE=framed needs no native code',
  });
}
