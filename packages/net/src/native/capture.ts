// Reads packets off all interfaces of a network namespace (AF_PACKET), to show what a wire carries. In: a namespace. Out: frames.
// Called by the local cluster's `wire` command and by tests; needs CAP_NET_RAW there. Any thread.
import { AF_PACKET, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from './constants.ts';
import { checked, libc } from './libc.ts';
import { closeFd, insideNetns } from './netns.ts';

/** ETH_P_ALL in network byte order: frames of every protocol, in both directions. */
const EVERY_PROTOCOL = 0x0300;
const FRAME_LIMIT_BYTES = 65_536;

/** An open capture. Its owner closes it. */
export interface PacketCapture {
  /** The next frame, from its Ethernet header on; undefined when none waits. The bytes are valid until the next call. */
  read(): Buffer | undefined;
  /** Idempotent. */
  close(): void;
}

/** Starts to capture in the namespace behind a descriptor. Throws ERR_NET_SYSTEM_CALL. */
export function openCapture(netnsFd: number): PacketCapture {
  const fd = insideNetns(netnsFd, () =>
    checked('socket', 'packet', libc().socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, EVERY_PROTOCOL)),
  );
  const frame = Buffer.alloc(FRAME_LIMIT_BYTES);
  let isOpen = true;
  return {
    read() {
      if (!isOpen) return undefined;
      const count = Number(libc().recv(fd, frame, frame.length, MSG_DONTWAIT));
      return count > 0 ? frame.subarray(0, count) : undefined;
    },
    close() {
      if (isOpen) closeFd(fd);
      isOpen = false;
    },
  };
}
