// Routes and routing rules of a namespace by netlink (rtnetlink(7)), without a program per change. In: a namespace, requests. Out: the kernel's
// answer to each. Called by the node agent for every pod. Any thread; synchronous, because the kernel answers within the call that asks.
import { NetError } from '../errors.ts';
import { AF_NETLINK, MSG_DONTWAIT, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_RAW } from './constants.ts';
import { checked, libc } from './libc.ts';
import { closeFd, insideNetns } from './netns.ts';

/** One change. */
export interface RouteRequest {
  /** `RTM_NEWROUTE` and so on. */
  readonly type: number;
  /** `NLM_F_CREATE` and so on; that it is a request and wants an answer is added. */
  readonly flags: number;
  /** The fixed header of the type, then {@link routeAttribute}s. */
  readonly body: Buffer;
}

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const HEADER_BYTES = 16;
const ANSWER_BYTES = 4096;

/** One attribute with a 32-bit number, as `struct rtattr`. */
export function routeAttribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(8, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.writeUInt32LE(value >>> 0, 4);
  return bytes;
}

/** One message: `struct nlmsghdr` and the body. */
function messageOf({ type, flags, body }: RouteRequest, sequence: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags | NLM_F_REQUEST | NLM_F_ACK, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body]);
}

/** The errno in an answer, 0 for success. Throws ERR_NET_SYSTEM_CALL for anything that is no answer to this request. */
function errnoOf(answer: Buffer, sequence: number): number {
  const isAnswer =
    answer.length >= HEADER_BYTES + 4 && answer.readUInt16LE(4) === NLMSG_ERROR && answer.readUInt32LE(8) === sequence;
  if (!isAnswer) throw new NetError('ERR_NET_SYSTEM_CALL', `netlink answered with ${answer.length} other bytes`);
  return -answer.readInt32LE(HEADER_BYTES) + 0;
}

/**
 * Makes the changes one after the other in the namespace behind a descriptor, all of them, whatever the answers are. Returns the errno of
 * each (`os.constants.errno`), 0 where it was done. Throws ERR_NET_SYSTEM_CALL when the kernel cannot be asked.
 */
export function changeRoutes(netnsFd: number, requests: readonly RouteRequest[]): readonly number[] {
  return insideNetns(netnsFd, () => {
    const native = libc();
    const fd = checked('socket', 'netlink', native.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    try {
      return requests.map((request, index) => {
        const bytes = messageOf(request, index + 1);
        const message = {
          msg_name: null,
          msg_namelen: 0,
          msg_iov: { iov_base: bytes, iov_len: bytes.length },
          msg_iovlen: 1,
          msg_control: null,
          msg_controllen: 0,
          msg_flags: 0,
        };
        checked('sendmsg', 'netlink', native.sendmsg(fd, message, 0));
        const answer = Buffer.alloc(ANSWER_BYTES);
        const count = Number(checked('recv', 'netlink', native.recv(fd, answer, answer.length, MSG_DONTWAIT)));
        return errnoOf(answer.subarray(0, count), index + 1);
      });
    } finally {
      closeFd(fd);
    }
  });
}
