// `ambit mesh add`. In: a namespace. Out: its label set and every pod captured, or a list of what stands against it.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { startProgress } from '../output/progress.ts';
import { table } from '../output/table.ts';
import { waitUntil } from '../output/wait-until.ts';
import { captureOf, obstacle, unprotectedOf } from './capture.ts';
import { policiesAgainstTunnels } from './network-policies.ts';

/** The namespace, or ERR_CLI_NOT_FOUND. */
export async function requireNamespace(api: ClusterApi, name: string): Promise<KubernetesObject> {
  const namespace = await api.get({ ...kinds.namespace, name });
  if (namespace === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `namespace "${name}" does not exist`, { hint: 'kubectl get namespaces' });
  return namespace;
}

async function printPlan(api: ClusterApi, namespace: string): Promise<void> {
  const pods = await api.list(kinds.pod, { namespace });
  const rows = pods.map((pod) => [nameOf(pod), obstacle(pod) === undefined ? 'yes' : 'no', obstacle(pod) ?? '']);
  process.stdout.write(`${table(['POD', 'WILL BE CAPTURED', 'WHY NOT'], rows)}\n`);
  const blocking = policiesAgainstTunnels(await api.list(kinds.networkPolicy, { namespace }));
  for (const name of blocking) {
    process.stdout.write(
      `!! NetworkPolicy ${namespace}/${name} does not admit TCP 15008\nwhy: mesh peers reach captured pods through that port\ntry: add a rule with port 15008 to it\n`,
    );
  }
}

/** Waits until every pod that can be captured is. Returns them. */
export async function waitUntilCaptured(
  api: ClusterApi,
  namespace: string,
  timeoutMs: number,
  onMissing?: (text: string) => void,
): Promise<readonly KubernetesObject[]> {
  return waitUntil(
    `capture of namespace ${namespace}`,
    timeoutMs,
    async () => {
      const owner = await api.get({ ...kinds.namespace, name: namespace });
      const pods = await api.list(kinds.pod, { namespace });
      const captures = pods.map((pod) => ({ pod, capture: captureOf(pod, owner) }));
      const captured = captures.filter(({ capture }) => capture.kind === 'captured').map(({ pod }) => pod);
      const waiting = captures.find(({ capture }) => capture.kind === 'waiting');
      if (waiting === undefined) return { value: captured };
      const reason = waiting.capture.kind === 'waiting' ? waiting.capture.reason : '';
      return { missing: `${captured.length} captured, waiting for pod ${nameOf(waiting.pod)}: ${reason}` };
    },
    { hint: 'kubectl -n istio-system logs ds/istio-cni-node', ...(onMissing === undefined ? {} : { onMissing }) },
  );
}

/** Labels the namespace and waits until its pods are captured. */
export async function meshAdd(
  api: ClusterApi,
  namespace: string,
  options: { readonly plan: boolean; readonly timeoutMs: number },
): Promise<void> {
  await requireNamespace(api, namespace);
  if (options.plan) {
    await printPlan(api, namespace);
    return;
  }
  await api.patch(
    { ...kinds.namespace, name: namespace },
    { metadata: { labels: { [labels.dataplaneMode]: 'ambient' } } },
  );
  const progress = startProgress(`namespace ${namespace} labelled ${labels.dataplaneMode}=ambient`);
  const pods = await waitUntilCaptured(api, namespace, options.timeoutMs, progress.update);
  const unprotected = pods.reduce((sum, pod) => sum + unprotectedOf(pod), 0);
  progress.done(`${pods.length} pods captured, no restart`);
  if (unprotected > 0) {
    process.stdout.write(
      `${unprotected} connections were open before and stay plaintext until they end\nwhy: an open connection cannot be moved into a tunnel\ntry: ambit mesh status ${namespace}\n`,
    );
  }
}
