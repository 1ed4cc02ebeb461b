// Deployments: one ReplicaSet per template, moved from old to new by the strategy.
// Comes in: Deployments and their ReplicaSets. Goes out: ReplicaSet writes, Deployment status. Main thread.
import type { Condition, Deployment, Pod, ReplicaSet } from './objects.ts';
import { controllerOfParts, keyOf, nowSeconds, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { isNotFound } from '../api/status.ts';
import { ownerReferenceTo } from './owner-reference.ts';
import { canonicalJson, templateHash } from './pod-from-template.ts';
import { planRollingStep, rollingBounds } from './rolling-update.ts';
import { controllerOf, isPodFinished } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

const REVISION = 'deployment.kubernetes.io/revision';
const HASH = 'pod-template-hash';

/** Starts the Deployment controller. */
export function startDeploymentController(context: ControllerContext): Controller {
  const queue = createWorkQueue('deployment', context.log, (key) => reconcile(context, key));
  return controllerOfParts(
    queue,
    context.api.watch<Deployment>('deployments.apps', {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<ReplicaSet>('replicasets.apps', {}, ({ object }) => {
      const owner = controllerOf(object.metadata);
      if (owner?.kind === 'Deployment') queue.add(`${object.metadata.namespace ?? ''}/${owner.name}`);
    }),
    // Recreate waits for old pods to be gone, which changes no ReplicaSet.
    context.api.watch<Pod>('pods', {}, ({ type, object }) => {
      const owner = controllerOf(object.metadata);
      if (type !== 'DELETED' || owner?.kind !== 'ReplicaSet') return;
      const set = context.api.get<ReplicaSet>('replicasets.apps', owner.name, object.metadata.namespace);
      const deployment = set === undefined ? undefined : controllerOf(set.metadata);
      if (deployment !== undefined) queue.add(`${object.metadata.namespace ?? ''}/${deployment.name}`);
    }),
  );
}

async function reconcile(context: ControllerContext, key: string): Promise<ReconcileResult> {
  const { namespace, name } = splitKey(key);
  const deployment = context.api.get<Deployment>('deployments.apps', name, namespace);
  if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
  const hash = templateHash(deployment.spec.template);
  let sets = ownSets(context, deployment);
  let current = sets.find((set) => set.metadata.labels?.[HASH] === hash);
  if (deployment.spec.paused !== true) {
    current = await ensureCurrent(context, deployment, sets, current, hash);
    sets = ownSets(context, deployment);
    await move(context, deployment, current, sets);
    sets = ownSets(context, deployment);
    await trimHistory(context, deployment, current, sets);
  } else if (current !== undefined) {
    await scaleTo(context, deployment, current, deployment.spec.replicas ?? 1);
  }
  return writeStatus(context, deployment, hash);
}

function ownSets(context: ControllerContext, deployment: Deployment): ReplicaSet[] {
  return context.api
    .list<ReplicaSet>('replicasets.apps', { namespace: deployment.metadata.namespace ?? '' })
    .items.filter((set) => controllerOf(set.metadata)?.uid === deployment.metadata.uid)
    .sort((a, b) => revisionOf(a) - revisionOf(b));
}

const revisionOf = (set: { metadata: { annotations?: Record<string, string> } }): number =>
  Number(set.metadata.annotations?.[REVISION] ?? 0);

async function ensureCurrent(
  context: ControllerContext,
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  hash: string,
): Promise<ReplicaSet> {
  const newest = Math.max(0, ...sets.filter((set) => set !== current).map(revisionOf));
  let set = current;
  if (set === undefined) {
    set = await context.api.create<ReplicaSet>('replicasets.apps', buildReplicaSet(deployment, hash, newest + 1, sets));
    context.events.record(
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled up replica set ${set.metadata.name} from 0 to ${set.spec.replicas ?? 0}`,
    );
  } else if (revisionOf(set) < newest || revisionOf(set) === 0) {
    set = await context.api.patch<ReplicaSet>('replicasets.apps', set.metadata.name, set.metadata.namespace, {
      metadata: { annotations: { [REVISION]: String(newest + 1) } },
    });
  }
  const revision = String(revisionOf(set));
  if (deployment.metadata.annotations?.[REVISION] !== revision) {
    await context.api.patch('deployments.apps', deployment.metadata.name, deployment.metadata.namespace, {
      metadata: { annotations: { [REVISION]: revision } },
    });
  }
  return set;
}

function buildReplicaSet(
  deployment: Deployment,
  hash: string,
  revision: number,
  sets: readonly ReplicaSet[],
): ReplicaSet {
  const desired = deployment.spec.replicas ?? 1;
  const { surge } = rollingBounds(
    desired,
    deployment.spec.strategy?.rollingUpdate?.maxSurge,
    deployment.spec.strategy?.rollingUpdate?.maxUnavailable,
  );
  const others = sets.reduce((sum, set) => sum + (set.spec.replicas ?? 0), 0);
  const recreate = deployment.spec.strategy?.type === 'Recreate';
  const replicas = recreate && others > 0 ? 0 : Math.max(0, Math.min(desired, desired + surge - others));
  const labels = { ...deployment.spec.template.metadata?.labels, [HASH]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace ?? 'default',
      labels,
      annotations: { [REVISION]: String(revision) },
      ownerReferences: [ownerReferenceTo(deployment)],
    },
    spec: {
      replicas,
      ...(deployment.spec.minReadySeconds === undefined ? {} : { minReadySeconds: deployment.spec.minReadySeconds }),
      selector: {
        ...deployment.spec.selector,
        matchLabels: { ...deployment.spec.selector.matchLabels, [HASH]: hash },
      },
      template: {
        ...deployment.spec.template,
        metadata: { ...deployment.spec.template.metadata, labels },
      },
    },
  };
}

async function move(
  context: ControllerContext,
  deployment: Deployment,
  current: ReplicaSet,
  sets: readonly ReplicaSet[],
): Promise<void> {
  const desired = deployment.spec.replicas ?? 1;
  const older = sets.filter((set) => set.metadata.uid !== current.metadata.uid);
  const fresh = sets.find((set) => set.metadata.uid === current.metadata.uid) ?? current;
  if (deployment.spec.strategy?.type === 'Recreate') {
    for (const set of older) await scaleTo(context, deployment, set, 0);
    if (!hasPods(context, older)) await scaleTo(context, deployment, fresh, desired);
    return;
  }
  const steps = planRollingStep({
    desired,
    maxSurge: deployment.spec.strategy?.rollingUpdate?.maxSurge,
    maxUnavailable: deployment.spec.strategy?.rollingUpdate?.maxUnavailable,
    current: planned(fresh),
    older: older.map(planned),
  });
  for (const [name, replicas] of steps) {
    const set = sets.find((each) => each.metadata.name === name) ?? fresh;
    await scaleTo(context, deployment, set, replicas);
  }
}

function planned(set: ReplicaSet): { name: string; replicas: number; available: number } {
  return {
    name: set.metadata.name,
    replicas: set.spec.replicas ?? 0,
    available: set.status?.availableReplicas ?? 0,
  };
}

function hasPods(context: ControllerContext, sets: readonly ReplicaSet[]): boolean {
  const uids = new Set(sets.map((set) => set.metadata.uid));
  const namespace = sets[0]?.metadata.namespace;
  if (namespace === undefined) return false;
  return context.api
    .list<Pod>('pods', { namespace })
    .items.some((pod) => uids.has(controllerOf(pod.metadata)?.uid) && !isPodFinished(pod));
}

async function scaleTo(
  context: ControllerContext,
  deployment: Deployment,
  set: ReplicaSet,
  replicas: number,
): Promise<void> {
  const before = set.spec.replicas ?? 0;
  if (before === replicas) return;
  await context.api.patch('replicasets.apps', set.metadata.name, set.metadata.namespace, { spec: { replicas } });
  const direction = replicas > before ? 'up' : 'down';
  context.events.record(
    deployment,
    'Normal',
    'ScalingReplicaSet',
    `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${replicas}`,
  );
}

async function trimHistory(
  context: ControllerContext,
  deployment: Deployment,
  current: ReplicaSet,
  sets: readonly ReplicaSet[],
): Promise<void> {
  const limit = deployment.spec.revisionHistoryLimit ?? 10;
  const idle = sets.filter(
    (set) =>
      set.metadata.uid !== current.metadata.uid &&
      (set.spec.replicas ?? 0) === 0 &&
      (set.status?.replicas ?? 0) === 0 &&
      set.metadata.deletionTimestamp === undefined,
  );
  for (const set of idle.slice(0, Math.max(0, idle.length - limit))) {
    await context.api.delete('replicasets.apps', set.metadata.name, set.metadata.namespace).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

async function writeStatus(context: ControllerContext, read: Deployment, hash: string): Promise<ReconcileResult> {
  const deployment = context.api.get<Deployment>('deployments.apps', read.metadata.name, read.metadata.namespace);
  if (deployment === undefined) return;
  const sets = ownSets(context, deployment);
  const current = sets.find((set) => set.metadata.labels?.[HASH] === hash);
  const desired = read.spec.replicas ?? 1;
  const sum = (field: 'replicas' | 'readyReplicas' | 'availableReplicas'): number =>
    sets.reduce((total, set) => total + (set.status?.[field] ?? 0), 0);
  const counts = {
    replicas: sum('replicas'),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum('readyReplicas'),
    availableReplicas: sum('availableReplicas'),
    unavailableReplicas: Math.max(0, Math.max(desired, sum('replicas')) - sum('availableReplicas')),
  };
  const conditions = deploymentConditions(deployment, current?.metadata.name, desired, counts);
  const status = { observedGeneration: read.metadata.generation ?? 0, ...counts, conditions };
  if (canonicalJson(status) !== canonicalJson(pickStatus(deployment.status ?? {}, status))) {
    await context.api.updateStatus('deployments.apps', { ...deployment, status } as Deployment);
  }
  return progressRequeue(deployment, conditions);
}

function pickStatus(status: Record<string, unknown>, like: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.keys(like).map((key) => [key, status[key] ?? (key === 'conditions' ? [] : 0)]));
}

interface Counts {
  replicas: number;
  updatedReplicas: number;
  availableReplicas: number;
}

function deploymentConditions(
  deployment: Deployment,
  current: string | undefined,
  desired: number,
  counts: Counts,
): Condition[] {
  const before = deployment.status?.conditions ?? [];
  const { unavailable } = rollingBounds(
    desired,
    deployment.spec.strategy?.rollingUpdate?.maxSurge,
    deployment.spec.strategy?.rollingUpdate?.maxUnavailable,
  );
  const available = counts.availableReplicas >= desired - unavailable;
  const complete =
    counts.updatedReplicas === desired && counts.replicas === desired && counts.availableReplicas === desired;
  const progressing = before.find((c) => c.type === 'Progressing');
  const deadlineMs = (deployment.spec.progressDeadlineSeconds ?? 600) * 1000;
  const progressed = progressKey(counts) !== progressKey(deployment.status ?? {});
  const since = Date.parse(progressing?.lastUpdateTime ?? '') || Date.now();
  const late = !complete && !progressed && Date.now() - since > deadlineMs;
  const object = current === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${current}"`;
  const next: Condition = complete
    ? {
        type: 'Progressing',
        status: 'True',
        reason: 'NewReplicaSetAvailable',
        message: `${object} has successfully progressed.`,
      }
    : late
      ? {
          type: 'Progressing',
          status: 'False',
          reason: 'ProgressDeadlineExceeded',
          message: `${object} has timed out progressing.`,
        }
      : { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${object} is progressing.` };
  return [
    withTimes(before, {
      type: 'Available',
      status: available ? 'True' : 'False',
      reason: available ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      message: available ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    }),
    withTimes(before, next, progressed),
  ];
}

const progressKey = (counts: object): string =>
  ['replicas', 'updatedReplicas', 'availableReplicas']
    .map((field) => Number(Reflect.get(counts, field) ?? 0))
    .join('/');

function withTimes(before: readonly Condition[], next: Condition, updated = false): Condition {
  const old = before.find((condition) => condition.type === next.type);
  const now = nowSeconds();
  const sameStatus = old?.status === next.status;
  const same = sameStatus && old.reason === next.reason && old.message === next.message && !updated;
  return {
    ...next,
    lastUpdateTime: same ? (old.lastUpdateTime ?? now) : now,
    lastTransitionTime: sameStatus ? (old.lastTransitionTime ?? now) : now,
  };
}

function progressRequeue(deployment: Deployment, conditions: readonly Condition[]): ReconcileResult {
  const progressing = conditions.find((c) => c.type === 'Progressing');
  if (progressing?.reason !== 'ReplicaSetUpdated') return;
  return { requeueAfterMs: (deployment.spec.progressDeadlineSeconds ?? 600) * 1000 };
}
