/**
 * The packet form of ZDS: SEQPACKET with network namespace descriptors. Main thread; the calls are `@ambit/net`'s.
 *
 * Node cannot wait for such a socket, so a short timer looks for packets: quickly after traffic, slowly when idle.
 */
import { closeFd } from '@ambit/net';
import {
  AF_UNIX,
  EAGAIN,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from '@ambit/net/native/constants';
import { checked, libc, type MessageHeader } from '@ambit/net/native/libc';
import { NodeProxyError } from '../telemetry/response-flags.ts';
import type { ZdsPacket, ZdsTransport } from './zds-client.ts';
import { ZDS_MESSAGE_LIMIT_BYTES } from './zds-wire.ts';

/** Room for the control data of a packet: one descriptor, and more than fits so that surplus ones are seen and closed. */
const CONTROL_BYTES = 64;
const BUSY_POLL_MS = 2;
const IDLE_POLL_MS = 50;
/** Polls without a packet before the pace slows down. */
const BUSY_POLLS = 500;

/** Connects to the node agent's socket. Rejects when it is not there. */
export async function connectPackets(path: string, signal: AbortSignal): Promise<ZdsTransport> {
  signal.throwIfAborted();
  const fd = checked('socket', 'unix seqpacket', libc().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  try {
    const address = unixAddress(path);
    checked('connect', path, libc().connect(fd, address, address.length));
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return packetTransport(fd);
}

/** A transport over a connected SEQPACKET descriptor, which it owns. */
export function packetTransport(fd: number): ZdsTransport {
  let open = true;
  const close = (): void => {
    if (open) closeFd(fd);
    open = false;
  };
  return {
    async receive() {
      for (let polls = 0; open; polls += 1) {
        const packet = receiveNow(fd);
        if (packet === 'end') return undefined;
        if (packet !== 'again') return packet;
        await new Promise((resolve) => setTimeout(resolve, polls < BUSY_POLLS ? BUSY_POLL_MS : IDLE_POLL_MS));
      }
      return undefined;
    },
    async send(message) {
      if (!open) throw new NodeProxyError('ERR_NODE_PROXY_ZDS', 'the connection to the node agent is closed');
      sendNow(fd, Buffer.from(message));
    },
    close,
  };
}

/** `struct sockaddr_un` of a path. */
export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > 107)
    throw new NodeProxyError('ERR_NODE_PROXY_ZDS', `socket path of ${bytes.length} bytes is over 107`);
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX);
  bytes.copy(address, 2);
  return address;
}

function header(data: Buffer, control: Buffer | null): MessageHeader {
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

function sendNow(fd: number, message: Buffer): void {
  checked('sendmsg', `${message.length} bytes`, libc().sendmsg(fd, header(message, null), MSG_NOSIGNAL));
}

function receiveNow(fd: number): ZdsPacket | 'again' | 'end' {
  const data = Buffer.alloc(ZDS_MESSAGE_LIMIT_BYTES);
  const control = Buffer.alloc(CONTROL_BYTES);
  const message = header(data, control);
  const count = Number(libc().recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (count < 0) {
    if (libc().errno() === EAGAIN) return 'again';
    checked('recvmsg', `fd ${fd}`, count);
  }
  const fds = descriptors(control.subarray(0, Number(message.msg_controllen)));
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0) {
    for (const received of fds) closeFd(received);
    throw new NodeProxyError('ERR_NODE_PROXY_ZDS', 'a packet of the node agent was cut');
  }
  return count === 0 ? 'end' : { bytes: data.subarray(0, count), fds };
}

/** Descriptors of all SCM_RIGHTS parts (`struct cmsghdr`: 8 bytes length, level, type). */
function descriptors(control: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + 16 <= control.length;) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < 16 || at + length > control.length) break;
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let fdAt = at + 16; fdAt + 4 <= at + length; fdAt += 4) found.push(control.readInt32LE(fdAt));
    }
    at += Math.ceil(length / 8) * 8;
  }
  return found;
}
