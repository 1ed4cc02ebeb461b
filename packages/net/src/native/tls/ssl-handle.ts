// One TLS connection inside OpenSSL, as an object whose state is checked before each call: ciphertext blocks in,
// plaintext out, and the reverse. No address leaves it, nothing of it can be used after `free`, every length is checked
// here. Synchronous; used by secure-libssl.ts on the thread that made it.
import { NetError } from '../../errors.ts';
import type { Region } from '../../region.ts';
import { type OpenSsl, openssl, type Pointer } from './openssl.ts';
import { lastReason, type SslContext } from './ssl-context.ts';

const ERROR_SSL = 1;
const ERROR_WANT_READ = 2;
const ERROR_SYSCALL = 5;
const ERROR_ZERO_RETURN = 6;
const BIO_PENDING = 10;
const BIO_SET_MEM_EOF_RETURN = 130;
const TLS1_3_VERSION = 0x0304;
const MAX_CHAIN = 10;
const DER_CHUNK_BYTES = 16_384;
/**
 * Up to this size ciphertext is copied into a BIO that stays, and asked for whether it is used up: a BIO over the block itself costs more
 * calls than the copy. Bigger blocks hold several records.
 */
const SMALL_INPUT_BYTES = 4096;

/** What `read` and `handshake` answer when more ciphertext is needed. */
export const WANT_INPUT = -1;
/** What `read` answers when the peer said close_notify. */
export const CLOSE_NOTIFY = -2;

// A handle that was collected without `free` is a defect of its owner: said aloud, and its memory given back.
const leaks = new FinalizationRegistry<Pointer>((pointer) => {
  process.emitWarning('a TLS connection was not freed by its owner', { code: 'AMBIT_TLS_LEAK' });
  openssl().ssl.SSL_free(pointer);
});

/** A connection. The owner calls `free` exactly when it is done; every other call throws afterwards. */
export class SslHandle {
  readonly #ssl: OpenSsl;
  #pointer: Pointer;
  #output: Pointer;
  /** Where input comes from. Owned by the connection. */
  #inputBio: Pointer = 0n;
  /** The block that the input BIO reads from, which may not be given back while OpenSSL can look at it; undefined for a BIO of its own memory. */
  #block: Region | undefined;
  #hasInput = false;
  #isDone = false;

  constructor(context: SslContext, isServer: boolean) {
    this.#ssl = openssl().ssl;
    this.#pointer = context.newSsl();
    this.#output = this.#ssl.BIO_new(this.#ssl.BIO_s_mem());
    this.#ssl.SSL_set0_wbio(this.#pointer, this.#output);
    this.#ownInputBio();
    if (isServer) this.#ssl.SSL_set_accept_state(this.#pointer);
    else this.#ssl.SSL_set_connect_state(this.#pointer);
    leaks.register(this, this.#pointer, this);
  }

  /** True until `free`. */
  get isOpen(): boolean {
    return this.#pointer !== 0n;
  }

  /** True while a block given with `input` may hold bytes that were not looked at. */
  get hasInput(): boolean {
    return this.#hasInput;
  }

  /** Gives ciphertext. Takes the region over; the one before must have been used up (`WANT_INPUT`). Its memory must belong to a pool. */
  input(region: Region): void {
    const pointer = this.#open();
    if (this.#hasInput || !region.isPooled) throw misuse('input while there is input, or from foreign memory');
    const { block, offset, length } = region;
    if (offset < 0 || length <= 0 || offset + length > block.length) throw misuse('region outside its block');
    const bytes = block.subarray(offset, offset + length);
    if (length <= SMALL_INPUT_BYTES) return this.#copyInput(region, bytes);
    const bio = this.#ssl.BIO_new_mem_buf(bytes, length);
    this.#ssl.BIO_ctrl(bio, BIO_SET_MEM_EOF_RETURN, -1, null);
    this.#block = region;
    this.#hasInput = true;
    this.#inputBio = bio;
    this.#ssl.SSL_set0_rbio(pointer, bio);
  }

  /** Goes on with the handshake: true when it is over, false when more input is needed. Throws ERR_NET_HANDSHAKE. */
  handshake(): boolean {
    const pointer = this.#open();
    this.#ssl.ERR_clear_error();
    const result = this.#ssl.SSL_do_handshake(pointer);
    if (result === 1) {
      this.#isDone = true;
      if (this.#ssl.SSL_version(pointer) !== TLS1_3_VERSION) throw misuse('another protocol than TLS 1.3');
      return true;
    }
    if (this.#ssl.SSL_get_error(pointer, result) !== ERROR_WANT_READ) {
      throw new NetError('ERR_NET_HANDSHAKE', lastReason(this.#ssl));
    }
    this.#inputUsedUp();
    return false;
  }

  /** Decrypts into `into[offset, offset + room)`. Returns bytes, WANT_INPUT or CLOSE_NOTIFY. Throws ERR_NET_IO on a broken record. */
  read(into: Buffer, offset: number, room: number): number {
    const pointer = this.#open();
    if (!this.#isDone || offset < 0 || room <= 0 || offset + room > into.length) throw misuse('read');
    this.#ssl.ERR_clear_error();
    const result = this.#ssl.SSL_read(pointer, into.subarray(offset, offset + room), room);
    if (result > 0) {
      if (result > room) process.abort();
      // A full answer may have left plaintext inside OpenSSL.
      if (result < room) this.#letGoOfSmallInput();
      return result;
    }
    switch (this.#ssl.SSL_get_error(pointer, result)) {
      case ERROR_WANT_READ:
        this.#inputUsedUp();
        return WANT_INPUT;
      case ERROR_ZERO_RETURN:
        return CLOSE_NOTIFY;
      case ERROR_SSL:
      case ERROR_SYSCALL:
      default:
        throw new NetError('ERR_NET_IO', `TLS failed: ${lastReason(this.#ssl)}`);
    }
  }

  /** Encrypts all of `from[offset, offset + length)`; take the result with `output`. Throws ERR_NET_IO. */
  write(from: Buffer, offset: number, length: number): void {
    const pointer = this.#open();
    if (!this.#isDone || offset < 0 || length <= 0 || offset + length > from.length) throw misuse('write');
    this.#ssl.ERR_clear_error();
    const written = this.#ssl.SSL_write(pointer, from.subarray(offset, offset + length), length);
    if (written !== length) throw new NetError('ERR_NET_IO', `TLS cannot encrypt: ${lastReason(this.#ssl)}`);
  }

  /** Bytes of ciphertext that wait for `output`. */
  get outputBytes(): number {
    this.#open();
    return Number(this.#ssl.BIO_ctrl(this.#output, BIO_PENDING, 0, null));
  }

  /** Moves ciphertext into `into[offset, offset + room)`; returns how much. */
  output(into: Buffer, offset: number, room: number): number {
    this.#open();
    if (offset < 0 || room <= 0 || offset + room > into.length) throw misuse('output');
    const moved = this.#ssl.BIO_read(this.#output, into.subarray(offset, offset + room), room);
    if (moved > room) process.abort();
    return Math.max(0, moved);
  }

  /** Queues close_notify. */
  shutdown(): void {
    this.#ssl.ERR_clear_error();
    if (this.#isDone) this.#ssl.SSL_shutdown(this.#open());
    this.#ssl.ERR_clear_error();
  }

  /** Queues a change of our sending key; with `both` the peer is asked to change its own. */
  updateKey(both: boolean): void {
    if (this.#ssl.SSL_key_update(this.#open(), both ? 1 : 0) !== 1) {
      throw new NetError('ERR_NET_IO', `TLS key update: ${lastReason(this.#ssl)}`);
    }
  }

  /** The peer's certificates as sent, leaf first, in DER; empty when it sent none. */
  peerChain(): Buffer[] {
    const ssl = this.#ssl;
    const pointer = this.#open();
    const leaf = ssl.SSL_get0_peer_certificate(pointer);
    if (leaf === null || leaf === 0n) return [];
    const chain = [this.#der(leaf)];
    const stack = ssl.SSL_get_peer_cert_chain(pointer);
    const count = stack === null || stack === 0n ? 0 : ssl.OPENSSL_sk_num(stack);
    for (let index = 0; index < count && chain.length < MAX_CHAIN; index += 1) {
      const der = this.#der(ssl.OPENSSL_sk_value(stack as Pointer, index));
      // A client's view of the chain begins with the leaf, a server's does not.
      if (index > 0 || !der.equals(chain[0] as Buffer)) chain.push(der);
    }
    return chain;
  }

  /** The protocol both sides agreed on; only h2 is ever offered. */
  get alpn(): string | undefined {
    const bytes = [0];
    this.#ssl.SSL_get0_alpn_selected(this.#open(), [null], bytes);
    return bytes[0] === 2 ? 'h2' : undefined;
  }

  /** Ends it; both BIOs go with it. Idempotent. */
  free(): void {
    if (this.#pointer === 0n) return;
    const pointer = this.#pointer;
    this.#pointer = 0n;
    this.#output = 0n;
    this.#inputBio = 0n;
    leaks.unregister(this);
    this.#ssl.SSL_free(pointer);
    this.#block?.release();
    this.#block = undefined;
    this.#hasInput = false;
    this.#ssl.ERR_clear_error();
  }

  #open(): Pointer {
    if (this.#pointer === 0n) throw misuse('use after free');
    return this.#pointer;
  }

  #copyInput(region: Region, bytes: Buffer): void {
    if (this.#block !== undefined) this.#ownInputBio();
    const written = this.#ssl.BIO_write(this.#inputBio, bytes, bytes.length);
    region.release();
    if (written !== bytes.length) throw new NetError('ERR_NET_IO', 'TLS cannot take its input');
    this.#hasInput = true;
  }

  // A BIO with memory of its own; empty it says "try again".
  #ownInputBio(): void {
    const bio = this.#ssl.BIO_new(this.#ssl.BIO_s_mem());
    this.#ssl.SSL_set0_rbio(this.#pointer, bio);
    this.#inputBio = bio;
    this.#block?.release();
    this.#block = undefined;
  }

  #inputUsedUp(): void {
    this.#hasInput = false;
    if (this.#block !== undefined) this.#ownInputBio();
  }

  // What has been read to its end is not looked at again, without another SSL_read that only finds that out.
  #letGoOfSmallInput(): void {
    if (this.#block !== undefined) return;
    this.#hasInput = Number(this.#ssl.BIO_ctrl(this.#inputBio, BIO_PENDING, 0, null)) > 0;
  }

  #der(certificate: Pointer): Buffer {
    const ssl = this.#ssl;
    const bio = ssl.BIO_new(ssl.BIO_s_mem());
    try {
      if (ssl.i2d_X509_bio(bio, certificate) !== 1) throw misuse('certificate without DER');
      const der = Buffer.alloc(Math.min(Number(ssl.BIO_ctrl(bio, BIO_PENDING, 0, null)), DER_CHUNK_BYTES * 4));
      return der.subarray(0, Math.max(0, ssl.BIO_read(bio, der, der.length)));
    } finally {
      ssl.BIO_free(bio);
    }
  }
}

function misuse(what: string): NetError {
  return new NetError('ERR_NET_ARGUMENT', `TLS handle: ${what}`);
}
