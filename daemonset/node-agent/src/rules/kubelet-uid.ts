// In: the node's process table. Out: the user that runs the kubelet, whose probes are exempt. Called at start. Source: spec node-agent 4.3.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const kubeletNames = new Set(['kubelet', 'kubelite']);

function uidOfKubelet(procRoot: string, pid: string): number | undefined {
  try {
    const name = readFileSync(join(procRoot, pid, 'comm'), 'utf8').trim();
    if (name !== 'k3s') {
      if (!kubeletNames.has(name)) return undefined;
      const command = readFileSync(join(procRoot, pid, 'cmdline'), 'utf8').toLowerCase();
      if (!command.includes('kubelet')) return undefined;
    }
    const line = readFileSync(join(procRoot, pid, 'status'), 'utf8')
      .split('\n')
      .find((text) => text.startsWith('Uid:'));
    const uid = Number(line?.split('\t')[1]);
    return Number.isSafeInteger(uid) ? uid : undefined;
  } catch {
    return undefined; // the process has ended meanwhile
  }
}

/** Real user of the first kubelet process; undefined when there is none. */
export function findKubeletUid(procRoot: string): number | undefined {
  for (const pid of readdirSync(procRoot)) {
    if (!(pid[0] !== undefined && pid[0] >= '0' && pid[0] <= '9')) continue;
    const uid = uidOfKubelet(procRoot, pid);
    if (uid !== undefined) return uid;
  }
  return undefined;
}
