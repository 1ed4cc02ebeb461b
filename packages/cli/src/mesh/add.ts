// `ambit mesh add`. In: a namespace. Out: its label set and every pod captured, or a list of what stands against it.
import type { KubernetesObject, LabelSelector } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { confirmPlan, type PlanFlags, type PlannedChange } from '../output/confirm.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { startProgress } from '../output/progress.ts';
import { table } from '../output/table.ts';
import { waitUntil } from '../output/wait-until.ts';
import { captureOf, isEnding, unprotectedOf } from './capture.ts';
import { enrolLabel, type EnrolmentPlan, enrolmentWarnings, planEnrolment } from './plan.ts';

/** The namespace, or ERR_CLI_NOT_FOUND. */
export async function requireNamespace(api: ClusterApi, name: string): Promise<KubernetesObject> {
  const namespace = await api.get({ ...kinds.namespace, name });
  if (namespace === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `namespace "${name}" does not exist`, { hint: 'kubectl get namespaces' });
  return namespace;
}

/** Reads `a=b,c=d`. Throws ERR_CLI_INVALID. */
export function parseSelector(text: string): LabelSelector {
  const pairs = text.split(',').map((pair) => pair.split('='));
  if (pairs.some((pair) => pair.length !== 2 || pair.includes('')))
    throw new CliError('ERR_CLI_INVALID', `"${text}" is no selector`, { hint: 'app=web,tier=front' });
  return { matchLabels: Object.fromEntries(pairs as [string, string][]) };
}

async function planOf(api: ClusterApi, namespace: KubernetesObject, istioNamespace: string): Promise<EnrolmentPlan> {
  const inside = { namespace: nameOf(namespace) };
  const [pods, networkPolicies, peerAuthentications] = await Promise.all([
    api.list(kinds.pod, inside),
    api.list(kinds.networkPolicy, inside),
    api.list(kinds.peerAuthentication),
  ]);
  const staying = pods.filter((pod) => !isEnding(pod));
  return planEnrolment({ namespace, istioNamespace, pods: staying, networkPolicies, peerAuthentications });
}

async function printPlan(plan: EnrolmentPlan, namespace: string, output: string): Promise<void> {
  if (await printDocument(documentOf('EnrolmentPlan', { namespace, ...plan }), output)) return;
  const rows = plan.pods.map((pod) => [pod.name, pod.captured ? 'yes' : 'no', pod.reason]);
  process.stdout.write(`${table(['POD', 'WILL BE CAPTURED', 'WHY NOT'], rows)}\n`);
  for (const warning of enrolmentWarnings(plan, namespace)) process.stdout.write(`${warning}\n`);
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
      const pods = (await api.list(kinds.pod, { namespace })).filter((pod) => !isEnding(pod));
      const captures = pods.map((pod) => ({ pod, capture: captureOf(pod, owner) }));
      const captured = captures.filter(({ capture }) => capture.kind === 'captured').map(({ pod }) => pod);
      const waiting = captures.filter(({ capture }) => capture.kind === 'waiting');
      const first = waiting[0];
      if (first === undefined) return { value: captured };
      const reason = first.capture.kind === 'waiting' ? first.capture.reason : '';
      return {
        missing: `${captured.length}/${captured.length + waiting.length} captured, waiting for pod ${nameOf(first.pod)}: ${reason}`,
      };
    },
    { hint: 'kubectl -n istio-system logs ds/istio-cni-node', ...(onMissing === undefined ? {} : { onMissing }) },
  );
}

/** Options of the command. */
export interface MeshAddOptions extends PlanFlags {
  readonly onlyPod?: string;
  readonly wait: boolean;
  readonly timeoutMs: number;
  readonly istioNamespace: string;
}

async function changesOf(
  api: ClusterApi,
  namespace: string,
  onlyPod: string | undefined,
): Promise<readonly { readonly change: PlannedChange; readonly run: () => Promise<unknown> }[]> {
  const patch = { metadata: { labels: { [labels.dataplaneMode]: 'ambient' } } };
  if (onlyPod === undefined) {
    return [
      {
        change: { action: 'label', object: `Namespace ${namespace}`, detail: enrolLabel },
        run: async () => api.patch({ ...kinds.namespace, name: namespace }, patch),
      },
    ];
  }
  const selector = parseSelector(onlyPod);
  const pods = (await api.list(kinds.pod, { namespace })).filter((pod) =>
    matchesLabelSelector(selector, pod.metadata?.labels ?? {}),
  );
  return pods.map((pod) => ({
    change: {
      action: 'label',
      object: `Pod ${namespace}/${nameOf(pod)}`,
      detail: `${enrolLabel} (until it is replaced: label its template to keep it)`,
    },
    run: async () => api.patch({ ...kinds.pod, namespace, name: nameOf(pod) }, patch),
  }));
}

/** Labels the namespace and waits until its pods are captured. */
export async function meshAdd(api: ClusterApi, namespace: string, options: MeshAddOptions): Promise<void> {
  const owner = await requireNamespace(api, namespace);
  const plan = await planOf(api, owner, options.istioNamespace);
  if (options.plan === true || options.dryRun === true) {
    await printPlan(plan, namespace, options.output ?? 'table');
    return;
  }
  if (plan.excluded !== undefined)
    throw new CliError('ERR_CLI_REFUSED', `namespace ${namespace} is never captured`, {
      cause: new Error(plan.excluded),
    });
  for (const warning of enrolmentWarnings(plan, namespace)) process.stderr.write(`${warning}\n`);
  const changes = await changesOf(api, namespace, options.onlyPod);
  if (
    !(await confirmPlan(
      changes.map(({ change }) => change),
      options,
    ))
  )
    return;
  for (const { run } of changes) await run();
  const progress = startProgress(
    options.onlyPod === undefined
      ? `namespace ${namespace} labelled ${enrolLabel}`
      : `${changes.length} pods of ${namespace} labelled ${enrolLabel}`,
  );
  if (!options.wait) {
    progress.done(`namespace ${namespace} labelled; not waiting`);
    return;
  }
  const pods = await waitUntilCaptured(api, namespace, options.timeoutMs, progress.update);
  const unprotected = pods.reduce((sum, pod) => sum + unprotectedOf(pod), 0);
  progress.done(`${pods.length} pods captured, no restart`);
  if (unprotected > 0) {
    process.stdout.write(
      `${unprotected} connections were open before and stay plaintext until they end\nwhy: an open connection cannot be moved into a tunnel\ntry: ambit mesh status ${namespace}\n`,
    );
  }
}
