// Checks before anything is changed: root, tools, ports. In: the wanted mode. Out: nothing, or an error with a remedy.
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { LocalClusterError } from './errors.ts';
import { MAX_NODES, planNodes, RELAY_PORT } from './network/topology.ts';

/** The programs of netns mode and the Debian package each comes from. */
export const NETNS_TOOLS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
  pivot_root: 'util-linux',
  setpriv: 'util-linux',
};
const SEARCH = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

/** Throws when netns mode can not work here: ERR_LOCAL_CLUSTER_NOT_ROOT or ERR_LOCAL_CLUSTER_MISSING_TOOL. */
export function checkNetnsHost(folders: readonly string[] = SEARCH): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new LocalClusterError('ERR_LOCAL_CLUSTER_NOT_ROOT', 'netns mode needs root on Linux', {
      hint: 'run as root, or use --mode loopback',
    });
  }
  const missing = Object.keys(NETNS_TOOLS).filter(
    (tool) => !folders.some((folder) => isExecutable(join(folder, tool))),
  );
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => NETNS_TOOLS[tool]))].join(' ');
  const nft = missing.includes('nft') ? '; iptables is not used in its place yet' : '';
  throw new LocalClusterError(
    'ERR_LOCAL_CLUSTER_MISSING_TOOL',
    `netns mode needs ${missing.join(', ')}, not found on this machine${nft}`,
    {
      hint: `install ${packages}, or use --mode loopback`,
    },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Throws ERR_LOCAL_CLUSTER_PORT_BUSY when the address is taken; port 0 is always free. */
export async function checkPortFree(host: string, port: number, option: string): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, resolve);
    });
  } catch (cause) {
    throw new LocalClusterError('ERR_LOCAL_CLUSTER_PORT_BUSY', `${host}:${port} is taken by another process`, {
      cause,
      hint: `stop that process or give another port with ${option}`,
    });
  } finally {
    server.close();
  }
}

/** Loopback clusters start at multiples of this, in node numbers. */
const SLOT_NODES = 16;

/**
 * The first node offset whose relay addresses are free, for a loopback cluster of `count` nodes.
 * Throws ERR_LOCAL_CLUSTER_PORT_BUSY when every slot is taken.
 */
export async function findLoopbackOffset(count: number): Promise<number> {
  let last: unknown;
  for (let offset = 0; offset + count <= MAX_NODES; offset += SLOT_NODES) {
    try {
      for (const node of planNodes('', 'loopback', count, offset)) await checkPortFree(node.ip, RELAY_PORT, '--nodes');
      return offset;
    } catch (error) {
      last = error;
    }
  }
  throw new LocalClusterError('ERR_LOCAL_CLUSTER_PORT_BUSY', 'no free loopback addresses are left for the nodes', {
    cause: last,
    hint: 'stop another loopback cluster',
  });
}
