// StatefulSets: pods with numbers for names, made, ended and renewed in order, each with its own volume claims.
// Comes in: StatefulSets and pods. Goes out: pods, claims, ControllerRevisions, status. Main thread.
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject, ControllerRevision, Pod, PodTemplate, StatefulSet } from './objects.ts';
import { ownerReferenceTo } from './owner-reference.ts';
import { canonicalJson, podFromTemplate, templateHash } from './pod-from-template.ts';
import { controllerOf, isPodAvailable, isPodFinished, isPodReady } from './selector.ts';
import { planStatefulStep } from './stateful-plan.ts';
import type { StatefulPod, StatefulWish } from './stateful-plan.ts';
import { createRevision, newestOf, REVISION_HASH, REVISIONS, revisionsOf } from './revisions.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

const SETS = 'statefulsets.apps';

/** Starts the StatefulSet controller. */
export function startStatefulSetController(context: ControllerContext): Controller {
  const queue = createWorkQueue('statefulset', context.log, (key) => reconcile(context, key));
  return controllerOfParts(
    queue,
    context.api.watch<StatefulSet>(SETS, {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<Pod>('pods', {}, ({ object }) => {
      const owner = controllerOf(object.metadata);
      if (owner?.kind === 'StatefulSet') queue.add(`${object.metadata.namespace ?? ''}/${owner.name}`);
    }),
  );
}

/** The number at the end of a pod's name, or -1. */
function ordinalOf(set: StatefulSet, pod: Pod): number {
  const number = Number(pod.metadata.name.slice(set.metadata.name.length + 1));
  return pod.metadata.name.startsWith(`${set.metadata.name}-`) && Number.isInteger(number) ? number : -1;
}

function podsOf(context: ControllerContext, set: StatefulSet): StatefulPod[] {
  const now = Date.now();
  return context.api
    .list<Pod>('pods', { namespace: set.metadata.namespace ?? '' })
    .items.filter((pod) => controllerOf(pod.metadata)?.uid === set.metadata.uid)
    .map((pod) => ({
      name: pod.metadata.name,
      ordinal: ordinalOf(set, pod),
      revision: pod.metadata.labels?.[REVISION_HASH] ?? '',
      ready: isPodReady(pod),
      available: isPodAvailable(pod, set.spec.minReadySeconds ?? 0, now),
      finished: isPodFinished(pod),
      terminating: pod.metadata.deletionTimestamp !== undefined,
    }));
}

function wishOf(set: StatefulSet, updateRevision: string): StatefulWish {
  const strategy = set.spec.updateStrategy;
  return {
    replicas: set.spec.replicas ?? 1,
    start: set.spec.ordinals?.start ?? 0,
    isParallel: set.spec.podManagementPolicy === 'Parallel',
    isOnDelete: strategy?.type === 'OnDelete',
    partition: strategy?.rollingUpdate?.partition ?? 0,
    currentRevision: set.status?.currentRevision ?? updateRevision,
    updateRevision,
  };
}

async function reconcile(context: ControllerContext, key: string): Promise<ReconcileResult> {
  const { namespace, name } = splitKey(key);
  const set = context.api.get<StatefulSet>(SETS, name, namespace);
  if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
  const updateRevision = `${name}-${templateHash(set.spec.template)}`;
  await ensureRevision(context, set, updateRevision);
  const wish = wishOf(set, updateRevision);
  const step = planStatefulStep(podsOf(context, set), wish);
  for (const podName of step.remove) await removePod(context, set, podName);
  for (const { ordinal, revision } of step.create) await createPod(context, set, ordinal, revision);
  return writeStatus(context, set, podsOf(context, set), wish);
}

async function ensureRevision(context: ControllerContext, set: StatefulSet, name: string): Promise<void> {
  const namespace = set.metadata.namespace ?? 'default';
  const own = revisionsOf(context, set);
  const newest = newestOf(own);
  const present = own.find((each) => each.metadata.name === name);
  if (present === undefined) return createRevision(context, set, { name, hash: name, revision: newest + 1 });
  // A template that comes back is the newest again, so that `rollout undo` counts on.
  if (present.revision < newest) await context.api.patch(REVISIONS, name, namespace, { revision: newest + 1 });
}

/** The template of a revision; the set's own where the revision is gone. */
function templateOf(context: ControllerContext, set: StatefulSet, revision: string): PodTemplate {
  const stored = context.api.get<ControllerRevision>(REVISIONS, revision, set.metadata.namespace);
  const data = stored?.data as { spec?: { template?: PodTemplate & { $patch?: string } } } | undefined;
  if (data?.spec?.template === undefined) return set.spec.template;
  const { $patch: _directive, ...template } = data.spec.template;
  return template;
}

async function createPod(
  context: ControllerContext,
  set: StatefulSet,
  ordinal: number,
  revision: string,
): Promise<void> {
  const name = `${set.metadata.name}-${ordinal}`;
  const claims = (set.spec.volumeClaimTemplates ?? []).map((claim) => ({
    claim,
    volume: claim.metadata.name,
    claimName: `${claim.metadata.name}-${name}`,
  }));
  for (const { claim, claimName } of claims) await ensureClaim(context, set, claim, claimName);
  const template = templateOf(context, set, revision);
  const named = new Set(claims.map(({ volume }) => volume));
  const pod = podFromTemplate(set, template, {
    labels: {
      [REVISION_HASH]: revision,
      'statefulset.kubernetes.io/pod-name': name,
      'apps.kubernetes.io/pod-index': String(ordinal),
    },
    spec: {
      hostname: name,
      ...(set.spec.serviceName === undefined ? {} : { subdomain: set.spec.serviceName }),
      volumes: [
        ...(template.spec.volumes ?? []).filter((volume) => !named.has(volume.name)),
        ...claims.map(({ volume, claimName }) => ({ name: volume, persistentVolumeClaim: { claimName } })),
      ],
    },
  });
  const { generateName: _prefix, ...metadata } = pod.metadata as Pod['metadata'] & { generateName?: string };
  try {
    await context.api.create<Pod>('pods', { ...pod, metadata: { ...metadata, name } });
  } catch (error) {
    if (isAlreadyExists(error)) return;
    const why = (error as Error).message;
    context.events.record(
      set,
      'Warning',
      'FailedCreate',
      `create Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${why}`,
    );
    throw error;
  }
  context.events.record(
    set,
    'Normal',
    'SuccessfulCreate',
    `create Pod ${name} in StatefulSet ${set.metadata.name} successful`,
  );
}

async function ensureClaim(
  context: ControllerContext,
  set: StatefulSet,
  template: AnyObject & { spec?: object },
  name: string,
): Promise<void> {
  const namespace = set.metadata.namespace ?? 'default';
  if (context.api.get('persistentvolumeclaims', name, namespace) !== undefined) return;
  const claim: AnyObject & { spec?: object } = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      namespace,
      labels: { ...template.metadata.labels, ...set.spec.selector.matchLabels },
      ...(set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === 'Delete'
        ? { ownerReferences: [ownerReferenceTo(set)] }
        : {}),
    },
    ...(template.spec === undefined ? {} : { spec: template.spec }),
  };
  await context.api.create('persistentvolumeclaims', claim).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
}

async function removePod(context: ControllerContext, set: StatefulSet, name: string): Promise<void> {
  await context.api.delete('pods', name, set.metadata.namespace).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  context.events.record(
    set,
    'Normal',
    'SuccessfulDelete',
    `delete Pod ${name} in StatefulSet ${set.metadata.name} successful`,
  );
}

async function writeStatus(
  context: ControllerContext,
  set: StatefulSet,
  pods: readonly StatefulPod[],
  wish: StatefulWish,
): Promise<ReconcileResult> {
  const live = pods.filter((pod) => !pod.finished && !pod.terminating);
  const count = (test: (pod: StatefulPod) => boolean): number => live.filter(test).length;
  const updated = count((pod) => pod.revision === wish.updateRevision);
  const ready = count((pod) => pod.ready);
  const available = count((pod) => pod.available);
  const isRenewed = updated === wish.replicas && ready === wish.replicas && pods.length === wish.replicas;
  const currentRevision = isRenewed && !wish.isOnDelete ? wish.updateRevision : wish.currentRevision;
  const status = {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: available,
    currentReplicas: count((pod) => pod.revision === currentRevision),
    updatedReplicas: updated,
    currentRevision,
    updateRevision: wish.updateRevision,
    collisionCount: 0,
  };
  if (canonicalJson({ ...set.status, ...status }) !== canonicalJson(set.status ?? {}))
    await context.api.patch(SETS, set.metadata.name, set.metadata.namespace, { status }, { subresource: 'status' });
  if (ready > available) return { requeueAfterMs: 250 };
}
