// In: a pod's namespace, or its address in loopback capture. Out: its TCP sockets. Called by capture/ and routes.ts.
import { insideNetns } from '@ambit/net';
import { readFileSync } from 'node:fs';
import type { HeldPod } from '../enrol/netns-cache.ts';
import { type TableConnection, type TableView, viewOf } from './table.ts';

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

/** One look at the tables of a pod; of the whole node where pods have no namespaces. */
export function lookAt(netns: HeldPod['netns']): TableView {
  return viewOf(netns === undefined ? readTables() : insideNetns(netns.fd, readTables));
}

/** The established connections of a pod. */
export function podConnections(pod: Pick<HeldPod, 'ips' | 'netns'>): readonly TableConnection[] {
  const { established } = lookAt(pod.netns);
  return pod.netns === undefined
    ? established.filter(({ localAddress }) => pod.ips.includes(localAddress))
    : established;
}
