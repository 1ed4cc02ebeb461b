// `ambit node drain NODE`. In: a node. Out: a new node proxy that serves the node, and the old one gone; what it still carries goes on
// until it ends or until its own limit, which the chart sets (terminationGracePeriodSeconds of ztunnel). Called by command.ts.
import type { KubernetesObject } from '@ambit/resources';
import { nodeOf, nodeProxies } from '../agent/choose.ts';
import { type AgentDump, parseAgentDump } from '../agent/dump.ts';
import { kinds } from '../cluster/kinds.ts';
import { conditionOf, nameOf, specOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';

/** Pods with open connections, those with the most first, as one line. Pure. */
export function carriedText({ pods }: Pick<AgentDump, 'pods'>, most = 5): string {
  const carrying = pods
    .map(({ info, connections }) => ({
      name: `${info?.namespace ?? ''}/${info?.name ?? ''}`,
      count: (connections?.inbound?.length ?? 0) + (connections?.outbound?.length ?? 0),
    }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  const total = carrying.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return 'no connection is open';
  const named = carrying.slice(0, most).map(({ name, count }) => `${name} ${count}`);
  const more = carrying.length > most ? `, ${carrying.length - most} more pods` : '';
  return `${total} connections are open: ${named.join(', ')}${more}`;
}

async function carriedBy(api: OpenedCluster, pod: KubernetesObject): Promise<string> {
  const answer = await api
    .askPod({ namespace: api.istioNamespace, name: nameOf(pod), port: 15_000, path: '/config_dump' })
    .catch(() => undefined);
  return answer?.status === 200
    ? carriedText(parseAgentDump(answer.body, nameOf(pod)))
    : 'it does not say what it carries';
}

const limitOf = (pod: KubernetesObject): string => {
  const { terminationGracePeriodSeconds } = specOf(pod);
  return typeof terminationGracePeriodSeconds === 'number' ? `${terminationGracePeriodSeconds} s` : 'its limit';
};

/** Replaces the node proxy of a node and waits until the old one has ended. */
export async function nodeDrain(
  api: OpenedCluster,
  node: string,
  flags: PlanFlags & { readonly timeoutMs: number },
): Promise<void> {
  const old = (await nodeProxies(api, api.istioNamespace)).find((pod) => nodeOf(pod) === node);
  if (old === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `node "${node}" has no node proxy`, { hint: 'ambit node list' });
  const detail = `${await carriedBy(api, old)}; what is open goes on until it ends, at most ${limitOf(old)}`;
  if (!(await confirmPlan([{ action: 'restart', object: `node proxy on ${node}`, detail }], flags))) return;
  const progress = startProgress(`replacing the node proxy of ${node}`);
  await api.delete({ ...kinds.pod, namespace: api.istioNamespace, name: nameOf(old) });
  await waitUntil(
    `node proxy on ${node}`,
    flags.timeoutMs,
    async () => {
      const fresh = (await nodeProxies(api, api.istioNamespace)).find(
        (pod) => nodeOf(pod) === node && nameOf(pod) !== nameOf(old),
      );
      if (fresh === undefined || conditionOf(fresh, 'Ready')?.status !== 'True')
        return { missing: 'the new node proxy is not ready yet' };
      const left = await api.get({ ...kinds.pod, namespace: api.istioNamespace, name: nameOf(old) });
      return left === undefined
        ? { value: true }
        : { missing: 'the new one serves, the old one still carries connections' };
    },
    { onMissing: progress.update, hint: `ambit node logs ${node}` },
  );
  progress.done(`a new node proxy serves ${node}, the old one has ended`);
}
