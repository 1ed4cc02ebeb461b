// TLS over an endpoint without Node's TLS wrapper: the OpenSSL of this process encrypts and decrypts whole batches between
// the plain endpoint's blocks and ours. In: a plain endpoint, a context, `verifyPeer`. Out: a secure endpoint. Chosen by
// secure.ts; connections that are not TLS 1.3 with h2 stay with node:tls. Data threads.
import { offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import { type CloseCallback, CloseNotice } from './close-notice.ts';
import { AGAIN, type Endpoint, EOF, type SecureEndpoint, type WriteResult } from './endpoint.ts';
import { NetError } from './errors.ts';
import { handshakeFailed, handshakeTimedOut, peerRefused } from './handshake-errors.ts';
import { CiphertextBatch } from './native/tls/ciphertext-batch.ts';
import { SslContext } from './native/tls/ssl-context.ts';
import { CLOSE_NOTIFY, SslHandle } from './native/tls/ssl-handle.ts';
import { BLOCK_BYTES, fullBlocks, HEADROOM_BYTES, Region, SMALL_BLOCK_BYTES, smallBlocks } from './region.ts';
import { NodeStreamEndpoint } from './node-stream-endpoint.ts';
import type { SecureOptions } from './secure-options.ts';
import { SocketEndpoint } from './socket-endpoint.ts';
import type { TlsContext } from './tls-context.ts';

/** Plaintext handed to OpenSSL at once: three records, so that its buffer stays small and the copy out of it in cache. */
const ENCRYPT_BYTES = 48 * 1024;
/** What reading has queued is asked for once in so many reads that gave payload: each write takes it along. */
const READS_BETWEEN_ANSWERS = 16;
/** One SSL_CTX per TlsContext and role. */
const contexts = new WeakMap<TlsContext, { client?: SslContext; server?: SslContext }>();

function contextFor(context: TlsContext, role: 'client' | 'server'): SslContext {
  let made = contexts.get(context);
  if (made === undefined) {
    made = {};
    contexts.set(context, made);
  }
  return (made[role] ??= new SslContext(context.options, role));
}

/** Handshakes and verifies; see `secureClient` and `secureServer` for the promises. */
export async function secureWithLibssl<Peer>(
  plain: Endpoint,
  context: TlsContext,
  role: 'client' | 'server',
  options: SecureOptions<Peer>,
): Promise<SecureEndpoint<Peer>> {
  const { promise, resolve, reject } = Promise.withResolvers<SecureEndpoint<Peer>>();
  const { timeoutMs, signal } = options;
  let endpoint: LibsslEndpoint<Peer> | undefined;
  try {
    const handle = new SslHandle(contextFor(context, role), role === 'server');
    endpoint = new LibsslEndpoint<Peer>(plain, handle, options.verifyPeer, (error) => {
      if (error === undefined) resolve(endpoint as LibsslEndpoint<Peer>);
      else reject(error);
    });
  } catch (cause) {
    plain.destroy(cause as Error);
    throw handshakeFailed(cause as Error, plain.remote);
  }
  const started = endpoint;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => reject(handshakeTimedOut(plain.remote, timeoutMs)), timeoutMs);
  const onAbort = (): void => reject(signal?.reason);
  onCancelled(signal, onAbort);
  started.start();
  try {
    return await promise;
  } catch (error) {
    started.abandon(error as Error);
    throw error;
  } finally {
    clearTimeout(timer);
    offCancelled(signal, onAbort);
  }
}

/** The secure endpoint. Phases: handshake -> open -> closed; the handle is freed on the way into the last. */
class LibsslEndpoint<Peer> implements SecureEndpoint<Peer> {
  readonly local: Endpoint['local'];
  readonly remote: Endpoint['remote'];
  bytesRead = 0;
  bytesWritten = 0;
  onReadable: (() => void) | undefined;
  onWritable: (() => void) | undefined;
  alpn: string | undefined;
  #peer: Peer | undefined;
  #chain: readonly Buffer[] = [];
  readonly #plain: Endpoint;
  readonly #ssl: SslHandle;
  readonly #verifyPeer: (chain: readonly Buffer[]) => Peer;
  #onHandshake: ((error: Error | undefined) => void) | undefined;
  /** Size of the ciphertext block in work: small input gets a small block. */
  #inputBytes = 0;
  #readsSinceAnswer = 0;
  /** A record could not be decrypted; the end is on its way. */
  #isBroken = false;
  #wantsReadable = true;
  #wantsWritable = false;
  #isPlainEnded = false;
  #isReadEnded = false;
  #isEofTaken = false;
  #isWriteShut = false;
  #isLocallyClosed = false;
  readonly #closeNotice = new CloseNotice();

  constructor(
    plain: Endpoint,
    ssl: SslHandle,
    verifyPeer: (chain: readonly Buffer[]) => Peer,
    onHandshake: (error: Error | undefined) => void,
  ) {
    this.#plain = plain;
    this.#ssl = ssl;
    this.#verifyPeer = verifyPeer;
    this.#onHandshake = onHandshake;
    this.local = plain.local;
    this.remote = plain.remote;
  }

  get peer(): Peer {
    return this.#peer as Peer;
  }

  get isClosed(): boolean {
    return this.#closeNotice.isDue;
  }

  get onClose(): CloseCallback | undefined {
    return this.#closeNotice.callback;
  }

  set onClose(callback: CloseCallback | undefined) {
    this.#closeNotice.callback = callback;
  }

  peerDer(): readonly Buffer[] {
    return this.#chain;
  }

  /** Begins the handshake; `onHandshake` is called once. */
  start(): void {
    if (this.#plain instanceof SocketEndpoint || this.#plain instanceof NodeStreamEndpoint)
      this.#plain.joinsWritesOfTurn = false;
    const onReadable = () => this.#onPlainReadable();
    this.#plain.onReadable = onReadable;
    const onWritable = () => this.#onPlainWritable();
    this.#plain.onWritable = onWritable;
    const onClose = (error: Error | undefined) => this.#onPlainClosed(error);
    this.#plain.onClose = onClose;
    this.#handshake();
  }

  /** Ends a connection that never opened. */
  abandon(reason: Error): void {
    this.#onHandshake = undefined;
    if (this.isClosed) return;
    this.#isLocallyClosed = true;
    // An alert that says why is already queued; after it the connection ends.
    this.#plain.close();
    this.#finish(reason);
  }

  read(): Region | typeof AGAIN | typeof EOF {
    if (this.#isReadEnded || this.isClosed) return this.#takeEof();
    const region = this.#isBroken ? undefined : this.#decrypt();
    if (region !== undefined) {
      this.bytesRead += region.length;
      return region;
    }
    if (this.#isReadEnded) return this.#takeEof();
    this.#wantsReadable = true;
    return AGAIN;
  }

  write(regions: readonly Region[]): WriteResult {
    if (this.#isWriteShut || this.isClosed) {
      for (const region of regions) region.release();
      return 'accepted';
    }
    const batch = new CiphertextBatch(this.#ssl);
    try {
      for (const region of regions) {
        for (let at = 0; at < region.length; at += ENCRYPT_BYTES) {
          batch.encrypt(region.block, region.offset + at, Math.min(ENCRYPT_BYTES, region.length - at));
        }
        this.bytesWritten += region.length;
      }
    } catch (error) {
      queueMicrotask(() => this.#fail(error as Error));
    } finally {
      for (const region of regions) region.release();
    }
    return this.#send(batch);
  }

  shutdownWrite(): void {
    if (this.#isWriteShut || this.isClosed) return;
    this.#isWriteShut = true;
    this.#ssl.shutdown();
    this.#flush();
    this.#plain.shutdownWrite();
    queueMicrotask(() => this.#settle());
  }

  close(): void {
    if (this.#isLocallyClosed || this.isClosed) return;
    this.#isLocallyClosed = true;
    this.shutdownWrite();
    this.#plain.close();
  }

  destroy(reason: Error): void {
    if (this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#plain.destroy(reason);
    this.#finish(reason);
  }

  #takeEof(): typeof EOF {
    if (!this.#isEofTaken) {
      this.#isEofTaken = true;
      queueMicrotask(() => this.#settle());
    }
    return EOF;
  }

  // ---- input ----

  #onPlainReadable(): void {
    if (this.isClosed) return;
    if (this.#onHandshake !== undefined) return this.#handshake();
    if (!this.#wantsReadable || this.onReadable === undefined) return;
    this.#wantsReadable = false;
    this.onReadable();
  }

  #handshake(): void {
    try {
      while (this.#onHandshake !== undefined && !this.#ssl.handshake()) {
        this.#flush();
        if (!this.#nextInput()) {
          if (this.#isPlainEnded) throw new Error('the peer closed the connection');
          return;
        }
      }
      this.#flush();
    } catch (cause) {
      if (!this.isClosed) this.#flush();
      return this.#handshakeOver(handshakeFailed(cause as Error, this.remote));
    }
    this.#identify();
  }

  // Who the peer is, is decided before the first byte is delivered (W22).
  #identify(): void {
    try {
      this.#chain = this.#ssl.peerChain();
      this.alpn = this.#ssl.alpn;
      if (this.#chain.length === 0) throw new Error('the peer sent no certificate');
      this.#peer = this.#verifyPeer(this.#chain);
    } catch (cause) {
      return this.#handshakeOver(peerRefused(cause, this.remote));
    }
    this.#handshakeOver(undefined);
  }

  #handshakeOver(error: Error | undefined): void {
    const tell = this.#onHandshake;
    this.#onHandshake = undefined;
    tell?.(error);
  }

  #decrypt(): Region | undefined {
    while (this.#ssl.hasInput || this.#nextInput()) {
      const region = this.#decryptInput();
      if (region !== undefined || this.#isReadEnded || this.#isBroken) return region;
    }
    return undefined;
  }

  // As many records as fit one block; undefined when the input held no whole record.
  #decryptInput(): Region | undefined {
    const isSmall = this.#inputBytes <= SMALL_BLOCK_BYTES;
    const pool = isSmall ? smallBlocks : fullBlocks;
    const room = isSmall ? SMALL_BLOCK_BYTES : BLOCK_BYTES;
    const block = pool.take();
    let fill = 0;
    try {
      while (fill < room) {
        const got = this.#ssl.read(block, HEADROOM_BYTES + fill, room - fill);
        if (got > 0) fill += got;
        else if (got === CLOSE_NOTIFY) this.#isReadEnded = true;
        if (got === CLOSE_NOTIFY || (!this.#ssl.hasInput && (isSmall || !this.#nextInput()))) break;
      }
      this.#answerSometimes(fill > 0);
    } catch (error) {
      this.#isBroken = true;
      fill = 0;
      queueMicrotask(() => this.#fail(error as Error));
    }
    if (fill > 0) return new Region(block, HEADROOM_BYTES, fill, (back) => pool.give(back), HEADROOM_BYTES);
    pool.give(block);
    return undefined;
  }

  // Reading queues something to send only for messages that are no payload (key updates), and the question whether it did costs a call. It
  // is asked when no payload came, and now and then, so that a peer that only sends cannot pile answers up.
  #answerSometimes(isPayload: boolean): void {
    this.#readsSinceAnswer = isPayload ? this.#readsSinceAnswer + 1 : READS_BETWEEN_ANSWERS;
    if (this.#readsSinceAnswer < READS_BETWEEN_ANSWERS) return;
    this.#readsSinceAnswer = 0;
    this.#flush();
  }

  // The next block of ciphertext, if one is there. OpenSSL looks into it, so it must be pool memory.
  #nextInput(): boolean {
    const region = this.#isPlainEnded || this.#plain.isClosed ? EOF : this.#plain.read();
    if (region === AGAIN) return false;
    if (region === EOF) {
      this.#onPlainEnded();
      return false;
    }
    if (region.length === 0) {
      region.release();
      return this.#nextInput();
    }
    this.#inputBytes = region.length;
    this.#ssl.input(region.isPooled ? region : steadyCopy(region));
    return true;
  }

  #onPlainEnded(): void {
    if (this.#isPlainEnded) return;
    this.#isPlainEnded = true;
    if (this.#onHandshake !== undefined || this.#isReadEnded || this.#isLocallyClosed) return;
    // Without close_notify nobody can tell an end from a cut (RFC 8446 6.1).
    queueMicrotask(() => this.#fail(truncated()));
  }

  // ---- output ----

  #onPlainWritable(): void {
    if (!this.#wantsWritable) return;
    this.#wantsWritable = false;
    this.onWritable?.();
  }

  #send(batch: CiphertextBatch): WriteResult {
    const regions = batch.finish();
    if (regions.length === 0) return 'accepted';
    if (this.#plain.write(regions) === 'accepted') return 'accepted';
    this.#wantsWritable = true;
    return 'pending';
  }

  // Handshake messages, alerts, answers to key updates.
  #flush(): void {
    if (!this.#ssl.isOpen || this.#ssl.outputBytes === 0) return;
    const batch = new CiphertextBatch(this.#ssl);
    batch.drain();
    const regions = batch.finish();
    if (regions.length > 0) this.#plain.write(regions);
  }

  // ---- the end ----

  #onPlainClosed(error: Error | undefined): void {
    if (this.#onHandshake !== undefined) {
      return this.#handshakeOver(handshakeFailed(error ?? new Error('the peer closed the connection'), this.remote));
    }
    if (error !== undefined) return this.#finish(error);
    if (this.#isLocallyClosed) return this.#finish(undefined);
    this.#settle();
  }

  #fail(error: Error): void {
    if (this.isClosed) return;
    this.#flush();
    this.#plain.close();
    this.#finish(NetError.is(error) ? error : new NetError('ERR_NET_IO', error.message, { cause: error }));
  }

  #settle(): void {
    if (this.#isReadEnded && this.#isEofTaken && this.#isWriteShut) {
      this.#plain.close();
      this.#finish(undefined);
    }
  }

  #finish(error: Error | undefined): void {
    if (this.isClosed) return;
    this.#closeNotice.due(error);
    this.#ssl.free();
  }
}

// OpenSSL looks into the block until it is used up: memory that cannot move or be reused meanwhile.
function steadyCopy(region: Region): Region {
  const block = Buffer.allocUnsafeSlow(region.length);
  region.block.copy(block, 0, region.offset, region.offset + region.length);
  region.release();
  return new Region(block, 0, block.length, () => {});
}

function truncated(): NetError {
  return new NetError('ERR_NET_RESET', 'the connection ended without a TLS close_notify');
}
