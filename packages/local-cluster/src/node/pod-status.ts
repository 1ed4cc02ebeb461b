// The status of a pod from what its containers do. Pure.
// Comes in: the pod as stored and its containers' statuses. Goes out: PodStatus as kubectl and the control plane read it.
import type { Condition, ContainerStatus, Pod, PodStatus } from '../controllers/objects.ts';

/** What the worker knows about its pod. */
export interface PodObservation {
  readonly podIp: string | undefined;
  readonly hostIp: string;
  readonly startTime: string;
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  /** Debug containers; they count for nothing else. */
  readonly ephemeral: readonly ContainerStatus[];
  /** No container will run again. */
  readonly isOver: boolean;
  readonly isTerminating: boolean;
  /** Why the sandbox is not there yet. */
  readonly problem: { reason: string; message: string } | undefined;
}

/** Builds the status; conditions of other writers are kept, times change only with their condition. */
export function buildPodStatus(pod: Pod, seen: PodObservation, now: string): PodStatus {
  const isInitialized = seen.init.every((each) => each.state.terminated?.exitCode === 0 || isRunningSidecar(pod, each));
  const containersReady =
    isInitialized &&
    !seen.isTerminating &&
    seen.main.every((each) => each.ready) &&
    seen.init.every((each) => each.ready || !isSidecar(pod, each.name));
  const gates = (pod.spec.readinessGates ?? []).every((gate) =>
    pod.status?.conditions?.some((c) => c.type === gate.conditionType && c.status === 'True'),
  );
  const phase = phaseOf(pod, seen, isInitialized);
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  const unready = seen.main.filter((each) => !each.ready).map((each) => each.name);
  const why: Partial<Condition> = isOver
    ? { reason: 'PodCompleted' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const conditions = mergeConditions(
    pod.status?.conditions ?? [],
    [
      condition('PodReadyToStartContainers', seen.podIp !== undefined && !isOver),
      condition('Initialized', isInitialized, isInitialized ? {} : { reason: 'ContainersNotInitialized' }),
      condition(
        'Ready',
        containersReady && gates,
        containersReady && gates ? {} : containersReady ? { reason: 'ReadinessGatesNotReady' } : why,
      ),
      condition('ContainersReady', containersReady, containersReady ? {} : why),
      condition('PodScheduled', true),
    ],
    now,
  );
  return {
    phase,
    conditions,
    hostIP: seen.hostIp,
    hostIPs: [{ ip: seen.hostIp }],
    ...(seen.podIp === undefined ? {} : { podIP: seen.podIp, podIPs: [{ ip: seen.podIp }] }),
    startTime: seen.startTime,
    qosClass: qosClassOf(pod),
    ...(seen.init.length === 0 ? {} : { initContainerStatuses: [...seen.init] }),
    ...(seen.ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: [...seen.ephemeral] }),
    containerStatuses: seen.main.map((each) => withProblem(each, seen.problem)),
  };
}

function withProblem(status: ContainerStatus, problem: PodObservation['problem']): ContainerStatus {
  if (problem === undefined || status.state.waiting === undefined) return status;
  return {
    ...status,
    state: { waiting: { reason: 'ContainerCreating', message: `${problem.reason}: ${problem.message}` } },
  };
}

const isSidecar = (pod: Pod, name: string): boolean =>
  pod.spec.initContainers?.some((each) => each.name === name && each.restartPolicy === 'Always') ?? false;

const isRunningSidecar = (pod: Pod, status: ContainerStatus): boolean =>
  isSidecar(pod, status.name) && status.started === true;

function phaseOf(pod: Pod, seen: PodObservation, isInitialized: boolean): string {
  const failedInit = seen.init.some((each) => (each.state.terminated?.exitCode ?? 0) !== 0);
  if (seen.isOver) {
    const failed = failedInit || seen.main.some((each) => (each.state.terminated?.exitCode ?? 1) !== 0);
    return failed ? 'Failed' : 'Succeeded';
  }
  if (!isInitialized) return 'Pending';
  const begun = seen.main.every(
    (each) => each.state.waiting === undefined || each.restartCount > 0 || each.lastState.terminated !== undefined,
  );
  return begun ? 'Running' : pod.status?.phase === 'Running' ? 'Running' : 'Pending';
}

function condition(type: string, holds: boolean, extra: Partial<Condition> = {}): Condition {
  return { type, status: holds ? 'True' : 'False', ...extra };
}

function mergeConditions(before: readonly Condition[], next: readonly Condition[], now: string): Condition[] {
  const own = new Set(next.map((each) => each.type));
  const kept = before.filter((each) => !own.has(each.type));
  const timed = next.map((each) => {
    const old = before.find((candidate) => candidate.type === each.type);
    const time = old?.status === each.status ? (old.lastTransitionTime ?? now) : now;
    return { ...each, lastProbeTime: null, lastTransitionTime: time };
  });
  return [...timed, ...kept];
}

function qosClassOf(pod: Pod): string {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const isEmpty = (list: object | undefined): boolean => list === undefined || Object.keys(list).length === 0;
  if (containers.every((each) => isEmpty(each.resources?.limits) && isEmpty(each.resources?.requests)))
    return 'BestEffort';
  const isGuaranteed = containers.every((each) =>
    ['cpu', 'memory'].every((name) => {
      const limit = each.resources?.limits?.[name];
      return limit !== undefined && (each.resources?.requests?.[name] ?? limit) === limit;
    }),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}
