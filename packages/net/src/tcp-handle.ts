// TCP sockets of libuv as Node wraps them, one level below net.Socket: no stream, no events and no second socket per connection, which
// were a fifth of the processor time of a new one. In: descriptors, addresses, buffers. Out: calls of the socket's owner. The only file
// that knows Node's internal `tcp_wrap` and `stream_wrap` (undocumented; the contract tests pin what is used here). Used by
// socket-endpoint.ts, listener.ts and connect.ts. Any thread.
import { getSystemErrorName } from 'node:util';
import type { SocketAddress } from './endpoint.ts';

/** Who is told of what happens on a socket. Error numbers are libuv's, negative. */
export interface TcpOwner {
  /** So many bytes were received into the area; the area for what comes next, undefined for the same one. */
  onReceived(bytes: number): Buffer | undefined;
  /** Nothing more comes: 0 at the peer's FIN, else an error. */
  onReceiveEnd(errno: number): void;
  /** A `send` that was pending is over. */
  onSent(errno: number): void;
  /** FIN is on its way, after everything that was sent before. */
  onFinSent(errno: number): void;
}

const OWNER = Symbol('owner');

interface AddressOut {
  address?: string;
  port?: number;
}

/** A socket. Closed once by its owner; nothing may be asked of it afterwards. */
export interface TcpHandle {
  readonly fd: number;
  [OWNER]: TcpOwner | undefined;
  onread: unknown;
  onconnection: ((errno: number, client: TcpHandle | undefined) => void) | undefined;
  open(fd: number): number;
  bind(ip: string, port: number): number;
  bind6(ip: string, port: number, flags: number): number;
  connect(request: object, ip: string, port: number): number;
  connect6(request: object, ip: string, port: number): number;
  setNoDelay(on: boolean): number;
  getpeername(out: AddressOut): number;
  getsockname(out: AddressOut): number;
  useUserBuffer(area: Buffer): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: SendRequest, bytes: Buffer): number;
  writev(request: SendRequest, parts: readonly Buffer[], areAllBuffers: true): number;
  shutdown(request: FinRequest): number;
  reset(): number;
  close(): void;
}

interface SendRequest {
  owner: TcpOwner | undefined;
  oncomplete: (errno: number) => void;
}

interface FinRequest {
  owner: TcpOwner | undefined;
  oncomplete: (errno: number) => void;
}

interface ConnectRequest {
  oncomplete: (errno: number) => void;
}

interface TcpWrap {
  readonly TCP: new (kind: number) => TcpHandle;
  readonly TCPConnectWrap: new () => ConnectRequest;
  readonly constants: { readonly SOCKET: number };
}

interface StreamWrap {
  readonly WriteWrap: new () => SendRequest;
  readonly ShutdownWrap: new () => FinRequest;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

const binding = Reflect.get(process, 'binding') as (name: string) => unknown;
const { TCP, TCPConnectWrap, constants } = binding('tcp_wrap') as TcpWrap;
const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = binding(
  'stream_wrap',
) as StreamWrap;

const UV_EOF = -4095;
const UV_ENOTCONN = -107;
const DONE_AT_ONCE = 1;

/** A socket that is not connected, over a descriptor where one is given, which it then owns. Throws a system error. */
export function newTcp(fd?: number): TcpHandle {
  const handle = new TCP(constants.SOCKET);
  const errno = fd === undefined ? 0 : handle.open(fd);
  if (errno !== 0) throw systemError('open', errno);
  return handle;
}

/** Binds the source address of an unconnected socket; the error number, 0 when it went well. */
export function bindTcpSource(handle: TcpHandle, ip: string): number {
  return ip.includes(':') ? handle.bind6(ip, 0, 0) : handle.bind(ip, 0);
}

/** Connects; `done` is told once, with 0 or an error, never from inside this call. */
export function connectTcp(handle: TcpHandle, to: SocketAddress, done: (errno: number) => void): void {
  const request = new TCPConnectWrap();
  request.oncomplete = done;
  const isSix = to.ip.includes(':');
  const errno = isSix ? handle.connect6(request, to.ip, to.port) : handle.connect(request, to.ip, to.port);
  if (errno !== 0) queueMicrotask(() => done(errno));
}

/** Begins to receive into `area`; the handle keeps the owner, not the area. The error number. */
export function receiveInto(handle: TcpHandle, owner: TcpOwner, area: Buffer): number {
  handle[OWNER] = owner;
  handle.onread = onRead;
  handle.useUserBuffer(area);
  return handle.readStart();
}

function onRead(this: TcpHandle): Buffer | undefined {
  const bytes = streamBaseState[kReadBytesOrError] as number;
  const owner = this[OWNER];
  if (bytes > 0) return owner?.onReceived(bytes);
  if (bytes < 0) owner?.onReceiveEnd(bytes === UV_EOF ? 0 : bytes);
  return undefined;
}

/** Most sends are over at once and need no request of their own. */
let spareRequest = newSendRequest();

function newSendRequest(): SendRequest {
  const request = new WriteWrap();
  request.owner = undefined;
  request.oncomplete = onSendComplete;
  return request;
}

function onSendComplete(this: SendRequest, errno: number): void {
  this.owner?.onSent(errno);
}

/** Sends in order; the buffers stay as they are while it is `pending`, which the owner is told the end of. A number is an error. */
export function send(handle: TcpHandle, owner: TcpOwner, parts: readonly Buffer[]): 'done' | 'pending' | number {
  const request = spareRequest;
  const [first] = parts;
  const errno = parts.length === 1 ? handle.writeBuffer(request, first as Buffer) : handle.writev(request, parts, true);
  if (errno !== 0) return errno;
  if (streamBaseState[kLastWriteWasAsync] === 0) return 'done';
  request.owner = owner;
  spareRequest = newSendRequest();
  return 'pending';
}

/** Sends FIN after everything else; the owner is told when, never from inside this call. */
export function sendFin(handle: TcpHandle, owner: TcpOwner): void {
  const request = new ShutdownWrap();
  request.owner = owner;
  request.oncomplete = onFinComplete;
  const errno = handle.shutdown(request);
  // The peer's reset was faster: there is nothing to end.
  const isOver = errno === DONE_AT_ONCE || errno === UV_ENOTCONN;
  if (errno !== 0) queueMicrotask(() => owner.onFinSent(isOver ? 0 : errno));
}

function onFinComplete(this: FinRequest, errno: number): void {
  this.owner?.onFinSent(errno);
}

/** Our side of a connection; undefined when it is gone. */
export function localAddressOf(handle: TcpHandle): SocketAddress | undefined {
  const out: AddressOut = {};
  return handle.getsockname(out) === 0 ? addressOf(out.address, out.port) : undefined;
}

/** The peer's side of a connection; undefined when it is gone. */
export function remoteAddressOf(handle: TcpHandle): SocketAddress | undefined {
  const out: AddressOut = {};
  return handle.getpeername(out) === 0 ? addressOf(out.address, out.port) : undefined;
}

/** Unmaps `::ffff:1.2.3.4`. */
export function addressOf(ip: string | undefined, port: number | undefined): SocketAddress | undefined {
  if (ip === undefined || port === undefined) return undefined;
  return { ip: ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip, port };
}

/** The handle under a socket or server of node:net; undefined once closed. */
export function handleOf(owner: object): TcpHandle | undefined {
  const handle: unknown = Reflect.get(owner, '_handle');
  return typeof handle === 'object' && handle !== null ? (handle as TcpHandle) : undefined;
}

/** An error number of libuv as Node's own errors are: `connect ECONNREFUSED 10.0.0.1:80`, with `code`, `errno` and `syscall`. */
export function systemError(syscall: string, errno: number, where = ''): Error {
  const code = getSystemErrorName(errno);
  const text = where === '' ? `${syscall} ${code}` : `${syscall} ${code} ${where}`;
  return Object.assign(new Error(text), { code, errno, syscall });
}
