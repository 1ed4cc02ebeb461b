// Routes and routing rules of a namespace by netlink (rtnetlink(7)), and whether its packet filter changed, without a program per question. In: a
// namespace, requests. Out: the kernel's answer to each. Called by the node agent for every pod. Any thread; synchronous, because the kernel answers within the call that asks.
import { NetError } from '../errors.ts';
import { AF_NETLINK, MSG_DONTWAIT, NETLINK_NETFILTER, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_RAW } from './constants.ts';
import { checked, libc } from './libc.ts';
import { attributesOf, HEADER_BYTES, messagesOf, type NetlinkMessage } from './netlink-messages.ts';
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
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** The kernel fills packets of a dump up to the reader's buffer, and not beyond this. */
const ANSWER_BYTES = 32_768;
/** Of linux/netfilter/nf_tables.h: `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`, its answer, and the number in it. */
const GETGEN = 0x0a10;
const NEWGEN = 0x0a0f;
const NFTA_GEN_ID = 1;
/** `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE`, and the name in its answers. */
const GETTABLE = 0x0a01;
const NFTA_TABLE_NAME = 1;
/** `struct nfgenmsg`. */
const NFGENMSG_BYTES = 4;
/** A dump during which something changed is asked for again, so often at most. */
const DUMP_ATTEMPTS = 5;

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
  header.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body]);
}

/** The errno of an error or an end; 0 for success. Undefined for other messages. */
function errnoOf({ type, body }: NetlinkMessage): number | undefined {
  if ((type !== NLMSG_ERROR && type !== NLMSG_DONE) || body.length < 4) return undefined;
  return -body.readInt32LE(0) + 0;
}

/** An open netlink socket. */
interface Asking {
  readonly send: (bytes: Buffer) => void;
  /** The messages of the next packet. Throws ERR_NET_SYSTEM_CALL when there is none. */
  readonly receive: () => readonly NetlinkMessage[];
}

/** Asks in the namespace behind a descriptor; nothing of it stays open. */
function asking<T>(netnsFd: number, protocol: number, ask: (socket: Asking) => T): T {
  return insideNetns(netnsFd, () => {
    const native = libc();
    const fd = checked('socket', 'netlink', native.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    try {
      return ask({
        send(bytes) {
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
        },
        receive() {
          const answer = Buffer.alloc(ANSWER_BYTES);
          const count = Number(checked('recv', 'netlink', native.recv(fd, answer, answer.length, MSG_DONTWAIT)));
          return messagesOf(answer.subarray(0, count));
        },
      });
    } finally {
      closeFd(fd);
    }
  });
}

/**
 * Makes the changes one after the other in the namespace behind a descriptor, all of them, whatever the answers are. Returns the errno of
 * each (`os.constants.errno`), 0 where it was done. Throws ERR_NET_SYSTEM_CALL when the kernel cannot be asked.
 */
export function changeRoutes(netnsFd: number, requests: readonly RouteRequest[]): readonly number[] {
  return asking(netnsFd, NETLINK_ROUTE, ({ send, receive }) =>
    requests.map((request, index) => {
      send(messageOf({ ...request, flags: request.flags | NLM_F_ACK }, index + 1));
      const [answer] = receive();
      const errno = answer?.sequence === index + 1 ? errnoOf(answer) : undefined;
      if (errno === undefined) throw new NetError('ERR_NET_SYSTEM_CALL', 'netlink answered with something else');
      return errno;
    }),
  );
}

/** What is to be listed. */
export interface RouteDump {
  /** `RTM_GETROUTE` and so on. */
  readonly type: number;
  /** The fixed header of the type; its first byte is the address family. */
  readonly body: Buffer;
}

/** One list; undefined when something changed meanwhile. */
function dumpOnce({ send, receive }: Asking, dump: RouteDump, sequence: number): readonly Buffer[] | undefined {
  send(messageOf({ ...dump, flags: NLM_F_DUMP }, sequence));
  const bodies: Buffer[] = [];
  let isWhole = true;
  for (;;) {
    for (const message of receive()) {
      const errno = errnoOf(message);
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) isWhole = false;
      if (errno === undefined) bodies.push(message.body);
      else if (errno === 0) return isWhole ? bodies : undefined;
      else throw new NetError('ERR_NET_SYSTEM_CALL', `netlink refused a list: errno ${errno}`);
    }
  }
}

/**
 * Lists routes or rules in the namespace behind a descriptor: the bodies of the kernel's messages, per dump. Throws ERR_NET_SYSTEM_CALL when the
 * kernel refuses, or when what is listed never stays the same for the length of a list.
 */
export function dumpRoutes(netnsFd: number, dumps: readonly RouteDump[]): readonly (readonly Buffer[])[] {
  return asking(netnsFd, NETLINK_ROUTE, (socket) =>
    dumps.map((dump, index) => {
      for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt += 1) {
        const bodies = dumpOnce(socket, dump, index + 1);
        if (bodies !== undefined) return bodies;
      }
      throw new NetError('ERR_NET_SYSTEM_CALL', 'routes change faster than they can be listed');
    }),
  );
}

/**
 * The number that nf_tables counts up with every change of rules in a namespace, whoever makes it. Undefined where the kernel does not tell: then
 * there are no rules of nf_tables, or nobody knows about them. Throws ERR_NET_SYSTEM_CALL when the kernel cannot be asked.
 */
export function netfilterGeneration(netnsFd: number): number | undefined {
  return asking(netnsFd, NETLINK_NETFILTER, ({ send, receive }) => {
    send(messageOf({ type: GETGEN, flags: 0, body: Buffer.alloc(NFGENMSG_BYTES) }, 1));
    const [answer] = receive();
    if (answer?.type !== NEWGEN) return undefined;
    const id = attributesOf(answer.body, NFGENMSG_BYTES).find(([type]) => type === NFTA_GEN_ID)?.[1];
    return id === undefined || id.length < 4 ? undefined : id.readUInt32BE(0);
  });
}

/**
 * Names of the nf_tables tables of a namespace, of all families. Empty where the kernel has none. Throws ERR_NET_SYSTEM_CALL when it cannot be
 * asked.
 */
export function netfilterTables(netnsFd: number): readonly string[] {
  return asking(netnsFd, NETLINK_NETFILTER, (socket) => {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt += 1) {
      const bodies = dumpOnce(socket, { type: GETTABLE, body: Buffer.alloc(NFGENMSG_BYTES) }, attempt + 1);
      if (bodies === undefined) continue;
      return bodies.flatMap((body) => {
        const name = attributesOf(body, NFGENMSG_BYTES).find(([type]) => type === NFTA_TABLE_NAME)?.[1];
        // The kernel ends names with a zero byte.
        return name === undefined ? [] : [name.toString('latin1').replaceAll('\0', '')];
      });
    }
    throw new NetError('ERR_NET_SYSTEM_CALL', 'tables change faster than they can be listed');
  });
}
