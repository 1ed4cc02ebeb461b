// Engine 1 for plain TCP: an endpoint over a net.Socket that reads into blocks of our own instead of a new Buffer per
// read (x2 on a relay, spec performance 3.2). Made by listen.ts and connect.ts; taken apart by secure.ts when TLS
// goes on top before the first byte.
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint, SocketAddress } from './endpoint.ts';
import { NetError } from './errors.ts';
import { mapStreamError, NodeStreamEndpoint } from './node-stream-endpoint.ts';
import { fullBlocks, HEADROOM_BYTES, payloadArea, Region, SMALL_BLOCK_BYTES, smallBlocks } from './region.ts';

/** After this many short reads in a row a connection gives its own block back. */
const SHORT_READS_BEFORE_SHRINK = 16;
/**
 * Where every quiet connection of this thread receives: a read and its delivery are one step, so that nobody else comes between. What
 * arrives is copied out; a connection that waits holds no memory for it.
 */
const quietArea = Buffer.allocUnsafeSlow(SMALL_BLOCK_BYTES);

/**
 * Bytes that one connection may take from the kernel before others get their turn. By itself libuv reads a sender that is faster than we
 * are 32 blocks in a row: everybody else on the thread waits for 8 MB.
 */
const TURN_BYTES = 1024 * 1024;

/** An endpoint over a connected, paused TCP socket; it owns the socket. */
export class SocketEndpoint extends NodeStreamEndpoint {
  /** Of a connection in bulk transfer: the block that is read into next. */
  #block: Buffer | undefined;
  #isQuiet = true;
  #receivesInto: 'quiet area' | 'own block' | undefined;
  #shortReads = 0;
  #turnBytes = 0;
  #local: SocketAddress | undefined;
  #remote: SocketAddress | undefined;

  constructor(socket: Socket) {
    super(socket, { abort: abortSocket, mapError: mapStreamError });
    socket.setNoDelay(true);
    this.#remote = addressOf(socket.remoteAddress, socket.remotePort);
  }

  override get local(): SocketAddress | undefined {
    const socket = this.stream as Socket;
    return (this.#local ??= addressOf(socket.localAddress, socket.localPort));
  }

  override get remote(): SocketAddress | undefined {
    return this.#remote;
  }

  /** The descriptor, for socket options; undefined once closed. */
  get fd(): number | undefined {
    const fd = handleOf(this.stream)?.fd;
    return fd === undefined || fd < 0 ? undefined : fd;
  }

  /** Gives the socket away, paused and unread. Undefined when bytes have already moved. */
  takeSocket(): Socket | undefined {
    return this.isActive || this.isClosed ? undefined : (this.stream as Socket);
  }

  // A socket accepts its read buffer only in its constructor, so the handle moves into a new socket
  // (undocumented `handle` option and `_handle` property, pinned by the contract tests).
  protected override startReading(): void {
    const old = this.stream as Socket;
    const handle = handleOf(old);
    if (handle === undefined) return super.startReading();
    void this.local;
    this.replaceStream(this.#adopt(handle));
    Reflect.set(old, '_handle', null);
    old.on('error', ignore);
    old.destroy();
    this.stream.on('end', this.onSourceEnd);
    (this.stream as Socket).resume();
  }

  protected override releaseSource(): void {
    if (this.#block !== undefined) fullBlocks.give(this.#block);
    this.#block = undefined;
  }

  #adopt(handle: SocketHandle): Socket {
    const options = {
      handle,
      allowHalfOpen: true,
      pauseOnCreate: true,
      readable: true,
      writable: true,
      onread: { buffer: () => this.#nextBuffer(), callback: (bytes: number) => this.#onRead(bytes) },
    };
    return new Socket(options as unknown as SocketConstructorOpts);
  }

  // Called at creation and after each read; undefined: into the same memory again.
  #nextBuffer(): Uint8Array | undefined {
    if (!this.#isQuiet) {
      this.#receivesInto = 'own block';
      this.#block ??= fullBlocks.take();
      return payloadArea(this.#block);
    }
    if (this.#receivesInto === 'quiet area') return undefined;
    this.#receivesInto = 'quiet area';
    return quietArea;
  }

  #onRead(bytes: number): boolean {
    const region = this.#received(bytes);
    if (region === undefined) return false;
    this.#chooseArea(bytes);
    this.deliver(region);
    const isTurnOver = this.#isTurnOver(bytes);
    return !this.shouldPause() && !isTurnOver;
  }

  #isTurnOver(bytes: number): boolean {
    if (bytes < SMALL_BLOCK_BYTES) return false;
    if (this.#turnBytes === 0) setImmediate(this.#onTurnEnd);
    this.#turnBytes += bytes;
    return this.#turnBytes >= TURN_BYTES;
  }

  readonly #onTurnEnd = (): void => {
    const wasOver = this.#turnBytes >= TURN_BYTES;
    this.#turnBytes = 0;
    if (wasOver && !this.isPaused && !this.stream.destroyed) this.resumeReading();
  };

  #received(bytes: number): Region | undefined {
    if (this.#receivesInto === 'quiet area') {
      const copy = smallBlocks.take();
      quietArea.copy(copy, HEADROOM_BYTES, 0, bytes);
      return new Region(copy, HEADROOM_BYTES, bytes, giveSmall, HEADROOM_BYTES);
    }
    const block = this.#block;
    this.#block = undefined;
    return block && new Region(block, HEADROOM_BYTES, bytes, giveFull, HEADROOM_BYTES);
  }

  #chooseArea(bytes: number): void {
    if (bytes >= SMALL_BLOCK_BYTES) {
      this.#shortReads = 0;
      this.#isQuiet = false;
      return;
    }
    this.#shortReads += 1;
    if (this.#shortReads >= SHORT_READS_BEFORE_SHRINK) this.#isQuiet = true;
  }
}

/** Wraps a connected socket that nobody has read from. The socket must be paused. */
export function socketEndpoint(socket: Socket): SocketEndpoint {
  return new SocketEndpoint(socket);
}

/** The descriptor under an endpoint, when it is a plain socket on this thread. */
export function descriptorOf(endpoint: Endpoint): number | undefined {
  return endpoint instanceof SocketEndpoint ? endpoint.fd : undefined;
}

/** Unmaps `::ffff:1.2.3.4`. */
export function addressOf(ip: string | undefined, port: number | undefined): SocketAddress | undefined {
  if (ip === undefined || port === undefined) return undefined;
  return { ip: ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip, port };
}

const giveSmall = (block: Buffer): void => smallBlocks.give(block);
const giveFull = (block: Buffer): void => fullBlocks.give(block);

interface SocketHandle {
  readonly fd: number;
  close(): void;
}

function handleOf(socket: Duplex): SocketHandle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  return typeof handle === 'object' && handle !== null ? (handle as SocketHandle) : undefined;
}

function abortSocket(stream: Duplex, reason: Error | undefined): void {
  const socket = stream as Socket;
  if (reason === undefined || isEnding(socket) || handleOf(socket) === undefined) socket.destroy();
  else resetSocket(socket);
}

/** True while a FIN waits for what is to be sent before it. */
export function isEnding(stream: Duplex): boolean {
  return stream.writableEnded && !stream.writableFinished;
}

/**
 * Closes with a reset. libuv refuses one while a FIN is on its way (uv_tcp_close_reset), and Node then forgets the handle without
 * closing it: the descriptor would stay open for ever. Closing twice does nothing.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const handle = handleOf(socket);
  socket.on('error', () => handle?.close());
  socket.resetAndDestroy();
}

function ignore(): void {}

/** For callers that hold a Node error from a socket operation. */
export function bindFailed(where: string, cause: unknown): NetError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new NetError('ERR_NET_BIND', `cannot listen on ${where}: ${message}`, { cause });
}
