// Typed get and set of socket options on raw descriptors.
import type { SocketAddress } from '../endpoint.ts';
import { decodeSocketAddress } from './address.ts';
import * as c from './constants.ts';
import { checked, libc } from './libc.ts';

/** TCP keepalive and the time unacknowledged data may wait (spec node-proxy 1.8). */
export interface Keepalive {
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly probes: number;
  /** TCP_USER_TIMEOUT; left alone when absent. */
  readonly userTimeoutMs?: number;
}

/** Arguments of the calls below, which are synchronous: the kernel is done with them when a call returns. */
const INT_BYTES = 4;
const MAX_ADDRESS_BYTES = 28;
const value32 = Buffer.alloc(INT_BYTES);
const lengthInOut = Buffer.alloc(INT_BYTES);
const addressOut = Buffer.alloc(MAX_ADDRESS_BYTES);

/** Sets an integer option; throws ERR_NET_SYSTEM_CALL. */
export function setOption(fd: number, level: number, option: number, value: number): void {
  value32.writeInt32LE(value, 0);
  const result = libc().setsockopt(fd, level, option, value32, INT_BYTES);
  if (result < 0) checked('setsockopt', `level ${level}, option ${option}`, result);
}

/** The same, saying whether it worked. */
export function trySetOption(fd: number, level: number, option: number, value: number): boolean {
  value32.writeInt32LE(value, 0);
  return libc().setsockopt(fd, level, option, value32, INT_BYTES) === 0;
}

/** Where a redirected connection wanted to go; undefined when the kernel tracked nothing. IPv4 first, as upstream. */
export function readOriginalDestination(fd: number): SocketAddress | undefined {
  return originalDestinationAt(fd, c.SOL_IP, 16) ?? originalDestinationAt(fd, c.SOL_IPV6, 28);
}

function originalDestinationAt(fd: number, level: number, bytes: number): SocketAddress | undefined {
  lengthInOut.writeUInt32LE(bytes, 0);
  if (libc().getsockopt(fd, level, c.SO_ORIGINAL_DST, addressOut, lengthInOut) !== 0) return undefined;
  return decodeSocketAddress(addressOut);
}

/** Switches keepalive on. */
export function setKeepalive(fd: number, keepalive: Keepalive): void {
  setOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 1);
  setOption(fd, c.SOL_TCP, c.TCP_KEEPIDLE, seconds(keepalive.idleMs));
  setOption(fd, c.SOL_TCP, c.TCP_KEEPINTVL, seconds(keepalive.intervalMs));
  setOption(fd, c.SOL_TCP, c.TCP_KEEPCNT, keepalive.probes);
  if (keepalive.userTimeoutMs !== undefined) setOption(fd, c.SOL_TCP, c.TCP_USER_TIMEOUT, keepalive.userTimeoutMs);
}

function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}
