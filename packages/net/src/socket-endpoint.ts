// Engine 1 for plain TCP: an endpoint over a handle of libuv that receives into blocks of our own instead of a new Buffer per
// read (x2 on a relay, spec performance 3.2). Made by listener.ts and connect.ts; taken apart by secure.ts when node:tls
// goes on top before the first byte. State: fresh -> active -> closed, each direction of an active one ends by itself.
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { type CloseCallback, CloseNotice } from './close-notice.ts';
import { AGAIN, type Endpoint, EOF, type SocketAddress, type WriteResult } from './endpoint.ts';
import { mapStreamError } from './node-stream-endpoint.ts';
import { quietArea, ReceiveArea } from './receive-area.ts';
import { type Region, SMALL_BLOCK_BYTES } from './region.ts';
import {
  handleOf,
  localAddressOf,
  receiveInto,
  remoteAddressOf,
  send,
  sendFin,
  systemError,
  type TcpHandle,
  type TcpOwner,
} from './tcp-handle.ts';

/** Batches from this size on wait for the end of the turn to be joined with what follows; smaller ones leave at once. */
const COALESCE_BYTES = 8 * 1024;
/** More than this queued for sending asks the writer to pause. */
const WRITE_HIGH_BYTES = 256 * 1024;
/** The writer may go on below this. */
const WRITE_LOW_BYTES = 64 * 1024;
/** More than this received and not yet read pauses the source. */
const READ_HIGH_BYTES = 256 * 1024;
/**
 * Bytes that one connection may take from the kernel before others get their turn. By itself libuv reads a sender that is faster than we
 * are 32 blocks in a row: everybody else on the thread waits for 8 MB.
 */
const TURN_BYTES = 1024 * 1024;

/** An endpoint over a connected TCP socket that nobody has read from; it owns the socket. */
export class SocketEndpoint implements Endpoint, TcpOwner {
  bytesRead = 0;
  bytesWritten = 0;
  onWritable: (() => void) | undefined;
  /** Big batches wait for the end of the turn to be joined. False for an owner who gathers them himself. */
  joinsWritesOfTurn = true;
  /** Undefined once closed, or given away. */
  #handle: TcpHandle | undefined;
  /** What `takeSocket` gave. */
  #given: Socket | undefined;
  #local: SocketAddress | undefined;
  #remote: SocketAddress | undefined;
  #isActive = false;
  #isLocallyClosed = false;
  #error: Error | undefined;
  readonly #closeNotice = new CloseNotice();

  #onReadable: (() => void) | undefined;
  #received: Region[] | undefined;
  #receivedBytes = 0;
  #isPaused = false;
  #wantsReadable = true;
  #isReadEnded = false;
  #isEofTaken = false;
  readonly #area = new ReceiveArea();
  #turnBytes = 0;

  /** What the kernel has not taken yet, of one send. */
  #inFlight: readonly Region[] | undefined;
  #toSend: Region[] | undefined;
  /** Of both. */
  #unsentBytes = 0;
  #isTurnAwaited = false;
  #wantsWritable = false;
  #isWriteShut = false;
  #isFinAsked = false;
  #isFinSent = false;

  /** `remote` where it is known, which saves a system call. */
  constructor(handle: TcpHandle, remote: SocketAddress | undefined = remoteAddressOf(handle)) {
    this.#handle = handle;
    this.#remote = remote;
  }

  get local(): SocketAddress | undefined {
    if (this.#local === undefined && this.#handle !== undefined) this.#local = localAddressOf(this.#handle);
    return this.#local;
  }

  get remote(): SocketAddress | undefined {
    return this.#remote;
  }

  /** The descriptor, for socket options; undefined once closed. */
  get fd(): number | undefined {
    const fd = this.#handle?.fd;
    return fd === undefined || fd < 0 ? undefined : fd;
  }

  get isClosed(): boolean {
    return this.#closeNotice.isDue;
  }

  get onReadable(): (() => void) | undefined {
    return this.#onReadable;
  }

  set onReadable(callback: (() => void) | undefined) {
    this.#onReadable = callback;
    if (callback !== undefined) this.#activate();
  }

  get onClose(): CloseCallback | undefined {
    return this.#closeNotice.callback;
  }

  set onClose(callback: CloseCallback | undefined) {
    this.#closeNotice.callback = callback;
  }

  /** Gives the socket away, paused and unread; the endpoint is good for `destroy` only afterwards. Undefined when bytes have already moved. */
  takeSocket(): Socket | undefined {
    if (this.#isActive || this.#handle === undefined) return undefined;
    const options = { handle: this.#handle, allowHalfOpen: true, pauseOnCreate: true, readable: true, writable: true };
    this.#handle = undefined;
    this.#given = new Socket(options as unknown as SocketConstructorOpts);
    return this.#given;
  }

  read(): Region | typeof AGAIN | typeof EOF {
    this.#activate();
    const region = this.#received?.shift();
    if (region !== undefined) {
      this.#onTaken(region);
      return region;
    }
    if (this.#isReadEnded) {
      this.#isEofTaken = true;
      this.#settle();
      return EOF;
    }
    this.#wantsReadable = true;
    return AGAIN;
  }

  write(regions: readonly Region[]): WriteResult {
    if (this.#isWriteShut || this.#handle === undefined) {
      releaseAll(regions);
      return 'accepted';
    }
    this.#activate();
    let bytes = 0;
    for (const region of regions) bytes += region.length;
    this.bytesWritten += bytes;
    this.#unsentBytes += bytes;
    const isJoined = bytes >= COALESCE_BYTES && this.joinsWritesOfTurn;
    if (isJoined || this.#inFlight !== undefined || this.#toSend !== undefined) {
      if (this.#toSend === undefined) this.#toSend = [...regions];
      else for (const region of regions) this.#toSend.push(region);
      if (isJoined) this.#awaitTurnEnd();
    } else this.#send(regions);
    if (this.#unsentBytes <= WRITE_HIGH_BYTES) return 'accepted';
    this.#wantsWritable = true;
    return 'pending';
  }

  shutdownWrite(): void {
    if (this.#isWriteShut || this.isClosed) return;
    this.#activate();
    this.#endWriting();
  }

  close(): void {
    if (this.#isLocallyClosed || this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#dropReceived();
    if (this.#isFinSent || this.#handle === undefined) this.#releaseHandle();
    else if (!this.#isWriteShut) this.#endWriting();
  }

  destroy(reason: Error): void {
    if (this.isClosed) return;
    this.#isLocallyClosed = true;
    if (this.#given !== undefined && !isEnding(this.#given)) resetSocket(this.#given);
    this.#end(reason, true);
  }

  // ---- what happens on the socket (TcpOwner) ----

  onReceived(bytes: number): Buffer | undefined {
    this.#deliver(this.#area.take(bytes));
    if (this.#handle === undefined) return undefined;
    const isTurnOver = this.#isTurnOver(bytes);
    this.#isPaused = this.#receivedBytes >= READ_HIGH_BYTES;
    if (this.#isPaused || isTurnOver) this.#handle.readStop();
    return this.#area.next();
  }

  onReceiveEnd(errno: number): void {
    if (errno !== 0) return this.#fail('read', errno);
    this.#isReadEnded = true;
    if (this.#isFinSent) this.#releaseHandle();
    if (!this.#isLocallyClosed) this.#wakeReader();
  }

  onSent(errno: number): void {
    const sent = this.#inFlight ?? [];
    this.#inFlight = undefined;
    for (const region of sent) this.#unsentBytes -= region.length;
    releaseAll(sent);
    if (this.#handle === undefined) return;
    if (errno !== 0) return this.#fail('write', errno);
    if (!this.#isTurnAwaited) this.#sendRest();
    this.#wakeWriter();
  }

  onFinSent(errno: number): void {
    if (this.#handle === undefined) return;
    if (errno !== 0) return this.#fail('shutdown', errno);
    this.#isFinSent = true;
    if (this.#isLocallyClosed || this.#isReadEnded) this.#releaseHandle();
  }

  // ---- receiving ----

  #activate(): void {
    if (this.#isActive) return;
    this.#isActive = true;
    if (this.#handle === undefined) this.#isReadEnded = true;
    else {
      const errno = receiveInto(this.#handle, this, quietArea);
      if (errno !== 0) this.#fail('read', errno);
    }
  }

  #deliver(region: Region): void {
    if (this.#isLocallyClosed) return region.release();
    this.bytesRead += region.length;
    this.#receivedBytes += region.length;
    (this.#received ??= []).push(region);
    this.#wakeReader();
  }

  #onTaken(region: Region): void {
    this.#receivedBytes -= region.length;
    // An empty array keeps its memory.
    if (this.#received?.length === 0) this.#received = undefined;
    if (!this.#isPaused || this.#receivedBytes >= READ_HIGH_BYTES) return;
    this.#isPaused = false;
    this.#handle?.readStart();
  }

  #isTurnOver(bytes: number): boolean {
    if (bytes < SMALL_BLOCK_BYTES) return false;
    if (this.#turnBytes === 0) setImmediate(() => this.#onReadTurnEnd());
    this.#turnBytes += bytes;
    return this.#turnBytes >= TURN_BYTES;
  }

  #onReadTurnEnd(): void {
    const wasOver = this.#turnBytes >= TURN_BYTES;
    this.#turnBytes = 0;
    if (wasOver && !this.#isPaused) this.#handle?.readStart();
  }

  #wakeReader(): void {
    if (!this.#wantsReadable || this.#onReadable === undefined) return;
    this.#wantsReadable = false;
    this.#onReadable();
  }

  // ---- sending ----

  #send(regions: readonly Region[]): void {
    const { length } = regions;
    if (length === 0 || this.#handle === undefined) return;
    const parts = length === 1 ? [(regions[0] as Region).bytes] : regions.map((region) => region.bytes);
    const outcome = send(this.#handle, this, parts);
    if (outcome === 'pending') {
      this.#inFlight = [...regions];
      return;
    }
    for (const region of regions) this.#unsentBytes -= region.length;
    releaseAll(regions);
    if (outcome !== 'done') this.#fail('write', outcome);
  }

  #awaitTurnEnd(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#sendRest();
      this.#wakeWriter();
    });
  }

  #wakeWriter(): void {
    if (!this.#wantsWritable || this.#unsentBytes > WRITE_LOW_BYTES) return;
    this.#wantsWritable = false;
    this.onWritable?.();
  }

  #sendRest(): void {
    const rest = this.#toSend;
    if (this.#inFlight !== undefined) return;
    this.#toSend = undefined;
    if (rest !== undefined) this.#send(rest);
    if (this.#isWriteShut) this.#endSoon();
  }

  #endWriting(): void {
    this.#isWriteShut = true;
    this.#sendRest();
  }

  // FIN goes when everything else is in the kernel's hands: libuv keeps the order only of what it was given.
  #endSoon(): void {
    if (this.#isFinAsked || this.#toSend !== undefined || this.#handle === undefined) return;
    // Nothing comes any more: the close that would follow sends the FIN as well.
    if (this.#isReadEnded && this.#inFlight === undefined) {
      this.#isFinSent = true;
      return this.#releaseHandle();
    }
    this.#isFinAsked = true;
    sendFin(this.#handle, this);
  }

  // ---- the end ----

  #fail(syscall: string, errno: number): void {
    if (this.#handle !== undefined) this.#end(mapStreamError(systemError(syscall, errno)), false);
  }

  #end(error: Error, byReset: boolean): void {
    this.#error ??= error;
    this.#dropReceived();
    if (this.#toSend !== undefined) releaseAll(this.#toSend);
    this.#toSend = undefined;
    this.#releaseHandle(byReset);
  }

  // libuv refuses a reset while a FIN is on its way (uv_tcp_close_reset), and Node then forgets the handle without closing it:
  // the descriptor would stay open for ever.
  #releaseHandle(byReset = false): void {
    const handle = this.#handle;
    this.#handle = undefined;
    const isFinOnItsWay = this.#isFinAsked && !this.#isFinSent;
    if (byReset && !isFinOnItsWay) handle?.reset();
    else handle?.close();
    this.#area.giveBack();
    this.#settle();
  }

  #dropReceived(): void {
    if (this.#received !== undefined) releaseAll(this.#received);
    this.#received = undefined;
    this.#receivedBytes = 0;
  }

  /** A reader hears of the end when it has read everything. */
  #settle(): void {
    if (this.isClosed || this.#handle !== undefined) return;
    const mayTell = this.#error !== undefined || this.#isLocallyClosed || this.#isEofTaken || !this.#isActive;
    if (!mayTell) return;
    this.#isReadEnded = true;
    this.#closeNotice.due(this.#error);
  }
}

/** The descriptor under an endpoint, when it is a plain socket on this thread. */
export function descriptorOf(endpoint: Endpoint): number | undefined {
  return endpoint instanceof SocketEndpoint ? endpoint.fd : undefined;
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

function releaseAll(regions: readonly Region[]): void {
  for (const region of regions) region.release();
}
