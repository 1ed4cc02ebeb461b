// Unix SEQPACKET sockets with descriptors (SCM_RIGHTS): what node agent and node proxy talk over. In: a path. Out: packets.
// Node can neither connect to nor wait for such a socket: the calls are native, the wake-ups come from readable-signal.ts.
// Called by the node agent (listen) and the node proxy (connect), on their main threads. Source: spec node-agent 5.1, 10.5.
import { rmSync, statSync } from 'node:fs';
import { NetError } from '../errors.ts';
import { encodeUnixAddress } from './address.ts';
import * as c from './constants.ts';
import { checked, libc, type MessageHeader } from './libc.ts';
import { closeFd } from './netns.ts';
import { watchReadable } from './readable-signal.ts';

/** One packet as it arrived; the receiver owns the descriptors. */
export interface SequencedPacket {
  readonly bytes: Buffer;
  readonly fds: readonly number[];
}

/** One connection. Its owner closes it. */
export interface SequencedSocket {
  /** The next packet; undefined at the end. Rejects with ERR_NET_SYSTEM_CALL, or ERR_NET_MESSAGE for a packet that was cut. */
  receive(): Promise<SequencedPacket | undefined>;
  /** Sends one packet with at most one descriptor, which stays the caller's. Throws ERR_NET_SYSTEM_CALL. */
  send(message: Uint8Array, fd?: number): void;
  /** Idempotent; a pending `receive` resolves with undefined. */
  close(): void;
  /** Resolves when `close` was called or the peer has gone. */
  readonly closed: Promise<void>;
}

/** A listening socket. */
export interface SequencedListener {
  /** Stops accepting and removes the path, unless another listener has it by now. Connections stay. Idempotent. */
  close(): void;
}

/** Longest packet that is read, in bytes. */
export const SEQUENCED_PACKET_LIMIT_BYTES = 1024;

/** Room for control data: one descriptor, and more than fits, so that surplus ones are seen and closed. */
const CONTROL_BYTES = 64;
const HEADER_BYTES = 16;
/** Any long time. */
const STAY_MS = 60_000;

function messageHeader(data: Buffer, control: Buffer | null): MessageHeader {
  return {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: { iov_base: data, iov_len: data.length },
    msg_iovlen: 1,
    msg_control: control,
    msg_controllen: control?.length ?? 0,
    msg_flags: 0,
  };
}

/** `struct cmsghdr` with one descriptor, padded to 24 bytes. */
function rights(fd: number): Buffer {
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(BigInt(HEADER_BYTES + 4), 0);
  control.writeInt32LE(c.SOL_SOCKET, 8);
  control.writeInt32LE(c.SCM_RIGHTS, 12);
  control.writeInt32LE(fd, HEADER_BYTES);
  return control;
}

/** Descriptors of all SCM_RIGHTS parts of a control buffer. */
function descriptorsOf(control: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + HEADER_BYTES <= control.length;) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < HEADER_BYTES || at + length > control.length) break;
    if (control.readInt32LE(at + 8) === c.SOL_SOCKET && control.readInt32LE(at + 12) === c.SCM_RIGHTS) {
      for (let fdAt = at + HEADER_BYTES; fdAt + 4 <= at + length; fdAt += 4) found.push(control.readInt32LE(fdAt));
    }
    at += Math.ceil(length / 8) * 8;
  }
  return found;
}

function receiveNow(fd: number): SequencedPacket | 'again' | 'end' {
  const data = Buffer.alloc(SEQUENCED_PACKET_LIMIT_BYTES);
  const control = Buffer.alloc(CONTROL_BYTES);
  const message = messageHeader(data, control);
  const count = Number(libc().recvmsg(fd, message, c.MSG_DONTWAIT | c.MSG_CMSG_CLOEXEC));
  if (count < 0) {
    if (libc().errno() === c.EAGAIN) return 'again';
    checked('recvmsg', `fd ${fd}`, count);
  }
  const fds = descriptorsOf(control.subarray(0, Number(message.msg_controllen)));
  if ((message.msg_flags & (c.MSG_TRUNC | c.MSG_CTRUNC)) !== 0) {
    for (const received of fds) closeFd(received);
    throw new NetError('ERR_NET_MESSAGE', `a packet over ${SEQUENCED_PACKET_LIMIT_BYTES} bytes was cut`);
  }
  return count === 0 ? 'end' : { bytes: data.subarray(0, count), fds };
}

function sequencedSocket(fd: number): SequencedSocket {
  let isOpen = true;
  const closed = Promise.withResolvers<void>();
  let arrival = Promise.withResolvers<void>();
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    watching[Symbol.dispose]();
    closeFd(fd);
    closed.resolve();
    arrival.resolve();
  };
  const peeked = Buffer.alloc(1);
  const watching = watchReadable(fd, () => {
    arrival.resolve();
    // Nobody may be receiving when the peer goes: a look that takes nothing notices its end.
    if (Number(libc().recv(fd, peeked, 1, c.MSG_PEEK | c.MSG_DONTWAIT)) === 0) close();
  });
  return {
    async receive() {
      // Waiting for a packet keeps the process alive; the watch alone does not.
      const alive = setInterval(() => undefined, STAY_MS);
      try {
        while (isOpen) {
          arrival = Promise.withResolvers();
          const packet = receiveNow(fd);
          if (packet === 'end') close();
          else if (packet !== 'again') return packet;
          else await arrival.promise;
        }
        return undefined;
      } finally {
        clearInterval(alive);
      }
    },
    send(message, passed) {
      if (!isOpen) throw new NetError('ERR_NET_MESSAGE', 'the connection is closed');
      const header = messageHeader(Buffer.from(message), passed === undefined ? null : rights(passed));
      checked('sendmsg', `${message.length} bytes`, Number(libc().sendmsg(fd, header, c.MSG_NOSIGNAL)));
    },
    close,
    closed: closed.promise,
  };
}

function newSocket(): number {
  return checked(
    'socket',
    'unix seqpacket',
    libc().socket(c.AF_UNIX, c.SOCK_SEQPACKET | c.SOCK_CLOEXEC | c.SOCK_NONBLOCK, 0),
  );
}

/** Connects. Throws ERR_NET_SYSTEM_CALL when nobody listens there. */
export function connectSequenced(path: string): SequencedSocket {
  const fd = newSocket();
  try {
    const address = encodeUnixAddress(path);
    checked('connect', path, libc().connect(fd, address, address.length));
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return sequencedSocket(fd);
}

/** Listens; an old socket file at the path is replaced. Throws ERR_NET_SYSTEM_CALL. */
export function listenSequenced(path: string, onConnection: (socket: SequencedSocket) => void): SequencedListener {
  rmSync(path, { force: true });
  const fd = newSocket();
  let inode: bigint;
  try {
    const address = encodeUnixAddress(path);
    checked('bind', path, libc().bind(fd, address, address.length));
    checked('listen', path, libc().listen(fd, 16));
    inode = statSync(path, { bigint: true }).ino;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const watching = watchReadable(fd, () => {
    for (;;) {
      const accepted = libc().accept4(fd, null, null, c.SOCK_CLOEXEC | c.SOCK_NONBLOCK);
      if (accepted < 0) return;
      onConnection(sequencedSocket(accepted));
    }
  });
  let isOpen = true;
  return {
    close() {
      if (!isOpen) return;
      isOpen = false;
      watching[Symbol.dispose]();
      closeFd(fd);
      // A successor may listen at the same path already: its file stays.
      if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === inode) rmSync(path, { force: true });
    },
  };
}
