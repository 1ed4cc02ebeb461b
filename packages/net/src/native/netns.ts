// Entering a network namespace for the length of one synchronous function, and handles on namespaces. Per thread: each
// worker has its own home. Nothing asynchronous may start inside, or a pool thread stays there for ever.
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { NetError } from '../errors.ts';
import { CLONE_NEWNET, F_DUPFD_CLOEXEC } from './constants.ts';
import { checked, libc } from './libc.ts';

/** An open namespace. The holder closes it; sockets made inside stay alive without it. */
export interface NetnsHandle {
  readonly fd: number;
  /** Equal for handles of the same namespace (with the device it is unique on this machine). */
  readonly inode: bigint;
  /** Closes the descriptor. Idempotent. */
  close(): void;
}

let homeFd: number | undefined;
let isInside = false;

/** Opens a namespace by path (`/proc/<pid>/ns/net`, `/run/netns/<name>`). Throws Node's fs error. */
export function openNetns(path: string): NetnsHandle {
  return netnsFromFd(openSync(path, 'r'));
}

/** Takes over a descriptor that came from elsewhere (ZDS). */
export function netnsFromFd(fd: number): NetnsHandle {
  const { ino } = fstatSync(fd, { bigint: true });
  let isOpen = true;
  return {
    fd,
    inode: ino,
    close() {
      if (!isOpen) return;
      isOpen = false;
      closeSync(fd);
    },
  };
}

/**
 * Runs `fn` inside the namespace on this thread and comes back. `fn` must only make synchronous calls and must return
 * a plain value. If the way back fails the process is aborted: going on would open sockets in a stranger's namespace.
 */
export function insideNetns<Result>(fd: number, fn: () => Result): Result {
  if (isInside) throw new NetError('ERR_NET_ARGUMENT', 'namespace sections do not nest');
  const native = libc();
  const home = (homeFd ??= openSync('/proc/thread-self/ns/net', 'r'));
  checked('setns', `fd ${fd}`, native.setns(fd, CLONE_NEWNET));
  isInside = true;
  let result: Result;
  try {
    result = fn();
  } finally {
    if (native.setns(home, CLONE_NEWNET) !== 0) process.abort();
    isInside = false;
  }
  if (result instanceof Promise) throw new NetError('ERR_NET_ARGUMENT', 'a namespace section must be synchronous');
  return result;
}

/** Writes `/proc/sys/net/<name>` of a namespace; `name` uses slashes (`ipv4/tcp_migrate_req`). */
export function writeSysctl(fd: number, name: string, value: string): void {
  insideNetns(fd, () => writeFileSync(sysctlPath(name), value));
}

/** Reads `/proc/sys/net/<name>` of a namespace. */
export function readSysctl(fd: number, name: string): string {
  return insideNetns(fd, () => readFileSync(sysctlPath(name), 'latin1').trim());
}

/** A second descriptor for the same thing, close-on-exec. The caller closes it. */
export function duplicateFd(fd: number): number {
  return checked('fcntl', `F_DUPFD_CLOEXEC, fd ${fd}`, libc().fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0));
}

/** Closes a raw descriptor that no Node object owns. */
export function closeFd(fd: number): void {
  closeSync(fd);
}

function sysctlPath(name: string): string {
  if (name.includes('..')) throw new NetError('ERR_NET_ARGUMENT', `bad sysctl name "${name}"`);
  return `/proc/sys/net/${name}`;
}
