// In: a pod's namespace, or its address in loopback capture. Out: its established connections. Called by sequence.ts. Main thread.
import { insideNetns } from '@ambit/net';
import { readFileSync } from 'node:fs';
import type { HeldPod } from './netns-cache.ts';
import { connectionsOf, listeningPortsOf, type TableConnection } from './unprotected.ts';

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

function tablesOf(netns: HeldPod['netns']): readonly string[] {
  return netns === undefined ? readTables() : insideNetns(netns.fd, readTables);
}

/** The established connections of a pod. */
export function podConnections(pod: Pick<HeldPod, 'ips' | 'netns'>): readonly TableConnection[] {
  const all = tablesOf(pod.netns).flatMap((table) => connectionsOf(table));
  return pod.netns === undefined ? all.filter(({ localAddress }) => pod.ips.includes(localAddress)) : all;
}

/** The ports on which a pod listens: an established connection on one of them was accepted, not opened, by the pod. */
export function podListeningPorts(pod: Pick<HeldPod, 'netns'>): ReadonlySet<number> {
  return new Set(tablesOf(pod.netns).flatMap((table) => [...listeningPortsOf(table)]));
}
