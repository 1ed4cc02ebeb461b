// Sockets made in a chosen namespace with options Node cannot set: enter, create, leave, all synchronous (9 us,
// spec node-agent 10.5). Out: descriptors that the caller owns and usually gives to Node, which then closes them.
import type { SocketAddress } from '../endpoint.ts';
import { formatAddress, NetError } from '../errors.ts';
import type { SocketDomain } from '../socket-domain.ts';
import { encodeSocketAddress, familyOf } from './address.ts';
import * as c from './constants.ts';
import { checked, libc } from './libc.ts';
import { insideNetns } from './netns.ts';
import { setOption, trySetOption } from './socket-options.ts';

/** What a bound socket is to be. */
export interface BindSpec {
  readonly port: number;
  readonly address?: string;
  readonly transparent?: boolean;
  readonly mark?: number;
  readonly reusePort?: boolean;
}

/** A bound socket and what was achieved. */
export interface BoundSocket {
  readonly fd: number;
  /** Whether IP_TRANSPARENT was asked for and could be set: decides source spoofing (spec node-proxy 3.1). */
  readonly isTransparent: boolean;
}

/** Binds a TCP socket (not yet listening). Throws ERR_NET_BIND. */
export function bindTcp(domain: SocketDomain, spec: BindSpec): BoundSocket {
  return inDomain(domain, () => bindSocket(c.SOCK_STREAM, domain, spec));
}

/** Binds a UDP socket. Throws ERR_NET_BIND. */
export function bindUdpSocket(domain: SocketDomain, spec: BindSpec): BoundSocket {
  return inDomain(domain, () => bindSocket(c.SOCK_DGRAM, domain, spec));
}

/**
 * Takes a UDP socket out of its SO_REUSEPORT group: what comes from now on goes to the others, what waits in it can still be read, and
 * answers can still be sent. (A connected socket is passed over when the kernel picks one of the group, so it is connected to a port of
 * this host that nobody sends from.) False where that is not possible.
 */
export function leaveReusePortGroup(fd: number, family: 4 | 6): boolean {
  const bytes = encodeSocketAddress({ ip: family === 6 ? '::1' : '127.0.0.1', port: DISCARD_PORT });
  return libc().connect(fd, bytes, bytes.length) === 0;
}

/** RFC 863. */
const DISCARD_PORT = 9;

/** What a connecting socket is to be. */
export interface ClientSpec {
  readonly destination: SocketAddress;
  readonly source?: string;
  readonly transparent?: boolean;
  readonly mark?: number;
}

/** Makes an unconnected TCP socket. Spoofing that fails is reported, not fatal: the connect then goes ahead unspoofed. */
export function clientSocket(domain: SocketDomain, spec: ClientSpec): { fd: number; isSourceBound: boolean } {
  return inDomain(domain, () => {
    const family = familyOf(spec.destination.ip);
    const fd = newSocket(family, c.SOCK_STREAM);
    return closingOnFailure(fd, () => {
      if (spec.mark !== undefined) setOption(fd, c.SOL_SOCKET, c.SO_MARK, spec.mark);
      const isSourceBound = spec.source === undefined || bindSource(fd, family, spec.source, spec.transparent === true);
      return { fd, isSourceBound };
    });
  });
}

function inDomain<Result>(domain: SocketDomain, fn: () => Result): Result {
  return domain.kind === 'netns' ? insideNetns(domain.fd, fn) : fn();
}

function bindSocket(type: number, domain: SocketDomain, spec: BindSpec): BoundSocket {
  const wanted = spec.address ?? (domain.kind === 'loopback' ? domain.address : '::');
  if (wanted !== '::') return bindAt(type, spec, { ip: wanted, port: spec.port });
  try {
    return bindAt(type, spec, { ip: '::', port: spec.port });
  } catch (error) {
    // A kernel without IPv6 has no dual-stack wildcard.
    if (spec.address === '::' || !hasErrno(error, 'EAFNOSUPPORT')) throw error;
    return bindAt(type, spec, { ip: '0.0.0.0', port: spec.port });
  }
}

function bindAt(type: number, spec: BindSpec, address: SocketAddress): BoundSocket {
  const family = familyOf(address.ip);
  try {
    const fd = newSocket(family, type);
    return closingOnFailure(fd, () => {
      if (type === c.SOCK_STREAM) setOption(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
      if (spec.reusePort === true) setOption(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
      if (spec.mark !== undefined) setOption(fd, c.SOL_SOCKET, c.SO_MARK, spec.mark);
      if (address.ip === '::') setOption(fd, c.SOL_IPV6, c.IPV6_V6ONLY, 0);
      const isTransparent = spec.transparent === true && trySetOption(fd, c.SOL_IP, c.IP_TRANSPARENT, 1);
      const bytes = encodeSocketAddress(address, family);
      checked('bind', formatAddress(address), libc().bind(fd, bytes, bytes.length));
      return { fd, isTransparent };
    });
  } catch (cause) {
    throw new NetError('ERR_NET_BIND', `cannot bind ${formatAddress(address)}: ${messageOf(cause)}`, { cause });
  }
}

function bindSource(fd: number, family: number, source: string, transparent: boolean): boolean {
  if (transparent) {
    const isSix = family === c.AF_INET6;
    const isReady =
      trySetOption(fd, isSix ? c.SOL_IPV6 : c.SOL_IP, isSix ? c.IPV6_TRANSPARENT : c.IP_TRANSPARENT, 1) &&
      trySetOption(fd, isSix ? c.SOL_IPV6 : c.SOL_IP, isSix ? c.IPV6_FREEBIND : c.IP_FREEBIND, 1);
    if (!isReady) return false;
  }
  if (familyOf(source) !== family) return false;
  const bytes = encodeSocketAddress({ ip: source, port: 0 }, family);
  return libc().bind(fd, bytes, bytes.length) === 0;
}

function newSocket(family: number, type: number): number {
  const flags = type | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
  return checked('socket', `family ${family}`, libc().socket(family, flags, 0));
}

function closingOnFailure<Result>(fd: number, fn: () => Result): Result {
  try {
    return fn();
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.endsWith(code);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
