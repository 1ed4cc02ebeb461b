// In: what to look for. Out: the node proxies' log lines that hold all of it. Called by tour steps.
import { kinds } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { waitUntil } from '../output/wait-until.ts';
import { meshNamespace, type Stage } from './stage.ts';

/** The proxy's log; empty while it has none (its pod is being placed, or is just gone). */
async function logOf(stage: Stage, name: string): Promise<string> {
  try {
    return await stage.api.podLog({ namespace: meshNamespace, name, sinceSeconds: 120 });
  } catch {
    return '';
  }
}

/** Waits up to ten seconds for a line of any node proxy that holds every one of these texts. */
export async function findProxyLine(stage: Stage, texts: readonly string[]): Promise<string> {
  return waitUntil(
    `a log line of a node proxy with ${texts.join(' and ')}`,
    10_000,
    async () => {
      const pods = await stage.api.list(kinds.pod, { namespace: meshNamespace, labelSelector: 'app=ztunnel' });
      for (const pod of pods) {
        const log = await logOf(stage, nameOf(pod));
        const line = log.split('\n').find((candidate) => texts.every((text) => candidate.includes(text)));
        if (line !== undefined) return { value: line };
      }
      return { missing: `no such line in ${pods.map(nameOf).join(', ')}` };
    },
    { signal: stage.signal },
  );
}
