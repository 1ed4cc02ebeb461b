// Autoscalers: the target stays between its bounds. Nothing measures pods here, so that what a metric would ask for is told
// as not known, as a Kubernetes without a metrics server tells it.
// Comes in: HorizontalPodAutoscalers and their targets. Goes out: the target's scale, status, Events. Main thread.
import { controllerOfParts, keyOf, nowSeconds, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject, Condition } from './objects.ts';
import { canonicalJson } from './pod-from-template.ts';
import { createWorkQueue } from './work-queue.ts';

const AUTOSCALERS = 'horizontalpodautoscalers.autoscaling';
/** Kinds of targets whose changes are noticed at once. */
const TARGETS = ['deployments.apps', 'statefulsets.apps', 'replicasets.apps'];

interface Autoscaler extends AnyObject {
  readonly spec: {
    readonly scaleTargetRef: { readonly apiVersion?: string; readonly kind: string; readonly name: string };
    readonly minReplicas?: number;
    readonly maxReplicas: number;
  };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly lastScaleTime?: string };
}

interface Target extends AnyObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly replicas?: number };
}

/** What bounds alone ask for; undefined where they are kept. Zero replicas switch autoscaling off. */
export function boundedReplicas(
  { minReplicas = 1, maxReplicas }: Pick<Autoscaler['spec'], 'minReplicas' | 'maxReplicas'>,
  wanted: number,
): { readonly replicas: number; readonly reason: string } | undefined {
  if (wanted === 0) return undefined;
  if (wanted > maxReplicas) {
    return { replicas: maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas' };
  }
  if (wanted < minReplicas) {
    return { replicas: minReplicas, reason: 'Current number of replicas below Spec.MinReplicas' };
  }
  return undefined;
}

/** Starts the controller of autoscalers. */
export function startAutoscalerController(context: ControllerContext): Controller {
  const { api } = context;
  const queue = createWorkQueue('autoscaler', context.log, (key) => reconcile(context, key));
  const wake = (target: AnyObject): void => {
    for (const each of api.list<Autoscaler>(AUTOSCALERS, { namespace: target.metadata.namespace ?? '' }).items) {
      const { name } = each.spec.scaleTargetRef;
      if (name === target.metadata.name) queue.add(keyOf(each));
    }
  };
  return controllerOfParts(
    queue,
    api.watch<Autoscaler>(AUTOSCALERS, {}, ({ object }) => queue.add(keyOf(object))),
    ...TARGETS.map((resource) => api.watch<AnyObject>(resource, {}, ({ object }) => wake(object))),
  );
}

type NewCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

const unmeasured = 'the HPA was unable to compute the replica count: no metrics are served in a local cluster';

async function reconcile(context: ControllerContext, key: string): Promise<void> {
  const { api, events } = context;
  const { namespace, name } = splitKey(key);
  const autoscaler = api.get<Autoscaler>(AUTOSCALERS, name, namespace);
  if (autoscaler === undefined) return;
  const { apiVersion = 'apps/v1', kind, name: targetName } = autoscaler.spec.scaleTargetRef;
  const resource = api.resourceOf(apiVersion, kind)?.resource;
  const target = resource === undefined ? undefined : api.get<Target>(resource, targetName, namespace);
  if (resource === undefined || target === undefined) {
    const message = `the HPA controller was unable to get the target's current scale: ${kind} "${targetName}" not found`;
    return writeStatus(context, autoscaler, {}, [
      { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message },
    ]);
  }
  const wanted = target.spec?.replicas ?? 1;
  const bounded = boundedReplicas(autoscaler.spec, wanted);
  if (bounded !== undefined) {
    const scale = { spec: { replicas: bounded.replicas } };
    await api.patch(resource, targetName, namespace, scale, { subresource: 'scale' });
    const message = `New size: ${bounded.replicas}; reason: ${bounded.reason}`;
    events.record(autoscaler, 'Normal', 'SuccessfulRescale', message);
  }
  const count = {
    currentReplicas: target.status?.replicas ?? 0,
    desiredReplicas: bounded?.replicas ?? wanted,
    ...(bounded !== undefined && { lastScaleTime: nowSeconds() }),
  };
  const isOff = wanted === 0;
  return writeStatus(context, autoscaler, count, [
    {
      type: 'AbleToScale',
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    },
    {
      type: 'ScalingActive',
      status: 'False',
      reason: isOff ? 'ScalingDisabled' : 'FailedGetResourceMetric',
      message: isOff ? 'scaling is disabled since the replica count of the target is zero' : unmeasured,
    },
  ]);
}

async function writeStatus(
  { api }: ControllerContext,
  autoscaler: Autoscaler,
  count: object,
  conditions: readonly NewCondition[],
): Promise<void> {
  const { name, namespace, generation = 0 } = autoscaler.metadata;
  const old = autoscaler.status?.conditions ?? [];
  const dated = conditions.map((condition) => {
    const before = old.find(({ type, status }) => type === condition.type && status === condition.status);
    return { ...condition, lastTransitionTime: before?.lastTransitionTime ?? nowSeconds() };
  });
  const status = { ...count, observedGeneration: generation, conditions: dated };
  if (canonicalJson({ ...autoscaler.status, ...status }) === canonicalJson(autoscaler.status ?? {})) return;
  await api.patch(AUTOSCALERS, name, namespace, { status }, { subresource: 'status' });
}
