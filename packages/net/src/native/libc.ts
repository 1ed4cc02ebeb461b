// The few functions of the C library that Node does not offer, loaded on first use. In: numbers and Buffers. Out:
// results of system calls, errors as NetError. With tls/openssl.ts the only importer of koffi; used by the other files of this folder, on
// any thread (each thread loads its own copy). koffi keeps a Buffer alive for the length of a call; none is kept longer.
import { createRequire } from 'node:module';
import { NetError, systemCallFailed } from '../errors.ts';

/** The functions; every one is synchronous and returns -1 with an errno on failure. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, bytes: number): number;
  listen(fd: number, backlog: number): number;
  connect(fd: number, address: Buffer, bytes: number): number;
  accept4(fd: number, address: null, bytes: null, flags: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, bytes: number): number;
  getsockopt(fd: number, level: number, option: number, value: Buffer, inOutBytes: Buffer): number;
  getsockname(fd: number, address: Buffer, inOutBytes: Buffer): number;
  setns(fd: number, kind: number): number;
  sendmsg(fd: number, message: MessageHeader, flags: number): number;
  recvmsg(fd: number, message: MessageHeader, flags: number): number;
  recv(fd: number, into: Buffer, bytes: number, flags: number): number;
  poll(fds: Buffer, count: number, timeoutMs: number): number;
  pipe2(fds: Buffer, flags: number): number;
  dup3(fd: number, to: number, flags: number): number;
  fcntl(fd: number, command: number, ...typed: (string | number)[]): number;
  close(fd: number): number;
  /** errno of the call just made on this thread. */
  errno(): number;
}

/** C `struct msghdr`; `msg_control*` and `msg_flags` are read back by `recvmsg`. */
export interface MessageHeader {
  msg_name: null;
  msg_namelen: number;
  msg_iov: { iov_base: Buffer; iov_len: number };
  msg_iovlen: number;
  msg_control: Buffer | null;
  msg_controllen: number;
  msg_flags: number;
}

interface Koffi {
  load(path: null): { func(declaration: string): (...args: unknown[]) => number };
  struct(name: string, fields: Record<string, string>): unknown;
  errno(): number;
}

let loaded: Libc | undefined;

/** The library. Throws ERR_NET_NATIVE_UNAVAILABLE where it cannot be had. */
export function libc(): Libc {
  return (loaded ??= load());
}

/** True when native calls work on this platform. */
export function isNativeAvailable(): boolean {
  try {
    libc();
    return true;
  } catch {
    return false;
  }
}

/** Calls and throws when the result is negative. `detail` names the arguments for the message. */
export function checked(name: string, detail: string, result: number): number {
  if (result >= 0) return result;
  throw systemCallFailed(name, detail, libc().errno());
}

function load(): Libc {
  if (process.platform !== 'linux') throw unavailable(`the platform is ${process.platform}`, undefined);
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw unavailable('the module koffi cannot be loaded', cause);
  }
  return declare(koffi);
}

function declare(koffi: Koffi): Libc {
  koffi.struct('ambit_iovec', { iov_base: 'void *', iov_len: 'size_t' });
  koffi.struct('ambit_msghdr', {
    msg_name: 'void *',
    msg_namelen: 'uint32_t',
    msg_iov: 'ambit_iovec *',
    msg_iovlen: 'size_t',
    msg_control: 'void *',
    msg_controllen: 'size_t',
    msg_flags: 'int',
  });
  const library = koffi.load(null);
  const define = <Name extends keyof Libc>(declaration: string): Libc[Name] =>
    library.func(declaration) as unknown as Libc[Name];
  return {
    socket: define<'socket'>('int socket(int, int, int)'),
    bind: define<'bind'>('int bind(int, void *, uint32_t)'),
    listen: define<'listen'>('int listen(int, int)'),
    connect: define<'connect'>('int connect(int, void *, uint32_t)'),
    accept4: define<'accept4'>('int accept4(int, void *, void *, int)'),
    setsockopt: define<'setsockopt'>('int setsockopt(int, int, int, void *, uint32_t)'),
    getsockopt: define<'getsockopt'>('int getsockopt(int, int, int, void *, void *)'),
    getsockname: define<'getsockname'>('int getsockname(int, void *, void *)'),
    setns: define<'setns'>('int setns(int, int)'),
    sendmsg: define<'sendmsg'>('long sendmsg(int, ambit_msghdr *, int)'),
    recvmsg: define<'recvmsg'>('long recvmsg(int, _Inout_ ambit_msghdr *, int)'),
    recv: define<'recv'>('long recv(int, void *, size_t, int)'),
    poll: define<'poll'>('int poll(void *, unsigned long, int)'),
    pipe2: define<'pipe2'>('int pipe2(void *, int)'),
    dup3: define<'dup3'>('int dup3(int, int, int)'),
    fcntl: define<'fcntl'>('int fcntl(int, int, ...)'),
    close: define<'close'>('int close(int)'),
    errno: () => koffi.errno(),
  };
}

function unavailable(why: string, cause: unknown): NetError {
  return new NetError('ERR_NET_NATIVE_UNAVAILABLE', `native socket calls are not available: ${why}`, {
    cause,
    hint: 'network namespaces need Linux on x64 or arm64; the loopback mode works everywhere',
  });
}
