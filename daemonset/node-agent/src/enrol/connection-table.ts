// In: a pod's namespace, or its address in loopback capture. Out: its established connections. Called by sequence.ts. Main thread.
import { insideNetns } from '@ambit/net';
import { readFileSync } from 'node:fs';
import type { HeldPod } from './netns-cache.ts';
import { connectionsOf, type TableConnection } from './unprotected.ts';

const files = ['/proc/thread-self/net/tcp', '/proc/thread-self/net/tcp6'];

function readTables(): string[] {
  return files.map((file) => {
    try {
      return readFileSync(file, 'latin1');
    } catch {
      return ''; // no IPv6, or not Linux: nothing to count
    }
  });
}

/** The established connections of a pod. */
export function podConnections(pod: Pick<HeldPod, 'ips' | 'netns'>): readonly TableConnection[] {
  const { netns } = pod;
  const tables = netns === undefined ? readTables() : insideNetns(netns.fd, readTables);
  const all = tables.flatMap((table) => connectionsOf(table));
  return netns === undefined ? all.filter(({ localAddress }) => pod.ips.includes(localAddress)) : all;
}
