// What this machine's system folders look like, read once at start. In: the file system. Out: `HostLayout`. Main thread.
import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { HostLayout } from './root-script.ts';

const SYSTEM = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const ETC = [
  '/etc/ssl',
  '/etc/pki',
  '/etc/ca-certificates',
  '/etc/alternatives',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/services',
  '/etc/protocols',
  '/etc/iproute2',
  '/etc/nftables.conf',
  '/etc/netconfig',
  '/etc/xtables',
];

/** Reads the layout; folders that do not exist are left out. */
export function readHostLayout(): HostLayout {
  const systemFolders = SYSTEM.filter((path) => existsSync(path)).map((path) => ({
    path,
    link: lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined,
  }));
  return { systemFolders, etc: ETC.filter((path) => existsSync(path)) };
}
