// `ambit upgrade agent`. In: how many nodes at once. Out: the node proxies replaced batch by batch, looked at after each; state lies in a
// ConfigMap, so that any terminal can resume or go back (spec user-tools 2.6). While it runs the DaemonSet is on OnDelete.
import type { KubernetesObject } from '@ambit/resources';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeOf, nodeProxies } from '../agent/choose.ts';
import { kinds } from '../cluster/kinds.ts';
import { conditionOf, nameOf, specOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { batchesOf, type ConnectionCounts, connectionCounts, regressionOf } from './batches.ts';

/** Options of the command. */
export interface UpgradeAgentOptions extends PlanFlags {
  readonly batch: string;
  readonly nodes?: string;
  readonly pauseOnRegression?: boolean;
  readonly resume?: boolean;
  readonly rollback?: boolean;
  readonly tag?: string;
  readonly timeoutMs: number;
}

/** What is written down between the steps. */
interface RolloutState {
  readonly image: string;
  readonly before: string;
  readonly done: readonly string[];
  readonly updateStrategy: object;
}

const stateName = 'ambit-agent-rollout';
const daemonSet = 'ztunnel';
/** How long new node proxies are watched before the next batch. */
const watchMs = 5000;

async function readState(api: OpenedCluster): Promise<RolloutState | undefined> {
  const map = await api.get({ ...kinds.configMap, namespace: api.istioNamespace, name: stateName });
  const { state } = (map?.['data'] ?? {}) as { state?: string };
  return state === undefined ? undefined : (JSON.parse(state) as RolloutState);
}

const writeState = async (api: OpenedCluster, state: RolloutState): Promise<unknown> =>
  api.apply({
    ...kinds.configMap,
    metadata: { name: stateName, namespace: api.istioNamespace },
    data: { state: JSON.stringify(state) },
  });

interface Template {
  readonly updateStrategy?: object;
  readonly template?: {
    readonly spec?: { readonly containers?: readonly { readonly name?: string; readonly image?: string }[] };
  };
}

const imageOf = (object: KubernetesObject): string => {
  const spec = specOf(object) as Template & { containers?: readonly { readonly image?: string }[] };
  return (spec.template?.spec?.containers ?? spec.containers)?.[0]?.image ?? '';
};

const withTag = (image: string, tag: string): string => `${image.slice(0, image.lastIndexOf(':'))}:${tag}`;

/** Where to go: forward to a tag or to what the DaemonSet says, on with an earlier run, or back. */
async function startState(api: OpenedCluster, options: UpgradeAgentOptions): Promise<RolloutState> {
  const object = await api.get({ ...kinds.daemonSet, namespace: api.istioNamespace, name: daemonSet });
  if (object === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `DaemonSet ${api.istioNamespace}/${daemonSet} does not exist`, {
      hint: 'ambit install',
    });
  const earlier = await readState(api);
  if (options.resume === true || options.rollback === true) {
    if (earlier === undefined)
      throw new CliError('ERR_CLI_NOT_FOUND', 'no rollout is under way', { hint: 'ambit upgrade agent' });
    return options.rollback === true ? { ...earlier, image: earlier.before, before: earlier.image, done: [] } : earlier;
  }
  if (earlier !== undefined)
    throw new CliError(
      'ERR_CLI_REFUSED',
      `a rollout to ${earlier.image} is under way, ${earlier.done.length} nodes are done`,
      { hint: '--resume or --rollback' },
    );
  const image = imageOf(object);
  return {
    image: options.tag === undefined ? image : withTag(image, options.tag),
    before: image,
    done: [],
    updateStrategy: (specOf(object) as Template).updateStrategy ?? {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
    },
  };
}

async function setDaemonSet(api: OpenedCluster, image: string, updateStrategy: object): Promise<void> {
  await api.patchJson({ ...kinds.daemonSet, namespace: api.istioNamespace, name: daemonSet }, [
    { op: 'replace', path: '/spec/updateStrategy', value: updateStrategy },
    { op: 'replace', path: '/spec/template/spec/containers/0/image', value: image },
  ]);
}

async function countsOf(api: OpenedCluster): Promise<ConnectionCounts> {
  const texts = await Promise.all(
    (await nodeProxies(api, api.istioNamespace)).map(async (pod) =>
      api.askPod({ namespace: api.istioNamespace, name: nameOf(pod), port: 15_020, path: '/metrics' }).then(
        ({ body }) => body,
        () => '',
      ),
    ),
  );
  return texts
    .map(connectionCounts)
    .reduce((sum, one) => ({ failed: sum.failed + one.failed, opened: sum.opened + one.opened }), {
      failed: 0,
      opened: 0,
    });
}

async function replaceOn(
  api: OpenedCluster,
  batch: readonly string[],
  image: string,
  timeoutMs: number,
  onMissing: (text: string) => void,
): Promise<void> {
  for (const pod of await nodeProxies(api, api.istioNamespace)) {
    if (batch.includes(nodeOf(pod)) && imageOf(pod) !== image)
      await api.delete({ ...kinds.pod, namespace: api.istioNamespace, name: nameOf(pod) });
  }
  await waitUntil(
    `node proxies on ${batch.join(', ')}`,
    timeoutMs,
    async () => {
      const pods = await nodeProxies(api, api.istioNamespace);
      const late = batch.filter(
        (node) =>
          !pods.some(
            (pod) => nodeOf(pod) === node && imageOf(pod) === image && conditionOf(pod, 'Ready')?.status === 'True',
          ),
      );
      return late.length === 0 ? { value: true } : { missing: `waiting for node ${late.join(', ')}` };
    },
    { onMissing, hint: 'ambit upgrade agent --resume, or --rollback' },
  );
}

async function chosenNodes(api: OpenedCluster, selector: string | undefined): Promise<readonly string[]> {
  const nodes = (await api.list(kinds.node, selector === undefined ? {} : { labelSelector: selector })).map(nameOf);
  const withProxy = (await nodeProxies(api, api.istioNamespace)).map(nodeOf);
  return nodes.filter((node) => withProxy.includes(node)).toSorted();
}

/** Replaces node proxies. Throws ERR_CLI_REFUSED when connections fail, with the state kept for --resume or --rollback. */
export async function upgradeAgents(api: OpenedCluster, options: UpgradeAgentOptions): Promise<void> {
  let state = await startState(api, options);
  const nodes = await chosenNodes(api, options.nodes);
  const left = nodes.filter((node) => !state.done.includes(node));
  const batches = batchesOf(left, options.batch);
  const changes = batches.map((batch, index) => ({
    action: 'restart' as const,
    object: `node proxy on ${batch.join(', ')}`,
    detail: `batch ${index + 1} of ${batches.length}, to ${state.image}`,
  }));
  if (!(await confirmPlan(changes, options))) return;
  await writeState(api, state);
  await setDaemonSet(api, state.image, { type: 'OnDelete' });
  const progress = startProgress(`replacing the node proxies of ${left.length} nodes`);
  let before = await countsOf(api);
  for (const [index, batch] of batches.entries()) {
    const update = (text: string): void => progress.update(`batch ${index + 1}/${batches.length}: ${text}`);
    await replaceOn(api, batch, state.image, options.timeoutMs, update);
    state = { ...state, done: [...state.done, ...batch] };
    await writeState(api, state);
    if (options.pauseOnRegression !== true) continue;
    update(`watching for ${watchMs / 1000} s`);
    const first = await countsOf(api);
    await delay(watchMs);
    const now = await countsOf(api);
    const regression = regressionOf(before, { failed: now.failed - first.failed, opened: now.opened - first.opened });
    if (regression !== undefined)
      throw new CliError('ERR_CLI_REFUSED', `paused after node ${batch.join(', ')}: ${regression}`, {
        hint: 'ambit upgrade agent --rollback, or --resume',
      });
    before = now;
  }
  if (options.nodes === undefined) {
    await setDaemonSet(api, state.image, state.updateStrategy);
    await api.delete({ ...kinds.configMap, namespace: api.istioNamespace, name: stateName });
  }
  progress.done(
    options.nodes === undefined
      ? `${nodes.length} nodes run ${state.image}`
      : `${nodes.length} chosen nodes run ${state.image}; --resume goes on with the others`,
  );
}
