// Which pod of a StatefulSet to make or to end next. Pure; the controller acts on one answer after the other.

/** One pod of the set, by its number. */
export interface StatefulPod {
  readonly name: string;
  readonly ordinal: number;
  /** Name of the revision it was made from. */
  readonly revision: string;
  readonly ready: boolean;
  /** Ready for `minReadySeconds`. */
  readonly available: boolean;
  readonly finished: boolean;
  readonly terminating: boolean;
}

/** What the set asks for. */
export interface StatefulWish {
  readonly replicas: number;
  /** The first number. */
  readonly start: number;
  /** `Parallel`: numbers do not wait for each other when the set grows or shrinks. */
  readonly isParallel: boolean;
  /** `OnDelete`: pods are renewed only when somebody deletes them. */
  readonly isOnDelete: boolean;
  /** Numbers below `start + partition` keep the current revision. */
  readonly partition: number;
  readonly currentRevision: string;
  readonly updateRevision: string;
}

/** Pods to delete by name, numbers to create with their revision. */
export interface StatefulStep {
  readonly remove: string[];
  readonly create: { readonly ordinal: number; readonly revision: string }[];
}

const isHealthy = (pod: StatefulPod | undefined): boolean =>
  pod !== undefined && pod.available && !pod.terminating && !pod.finished;

/** Plans one step: missing numbers upwards, surplus numbers downwards, then renewal downwards, each waiting for the last. */
export function planStatefulStep(pods: readonly StatefulPod[], wish: StatefulWish): StatefulStep {
  const step: StatefulStep = { remove: [], create: [] };
  const byOrdinal = new Map(pods.map((pod) => [pod.ordinal, pod]));
  const isWanted = (ordinal: number): boolean => ordinal >= wish.start && ordinal < wish.start + wish.replicas;
  if (!planGrowth(byOrdinal, wish, step)) return step;
  const surplus = pods.filter((pod) => !isWanted(pod.ordinal)).sort((a, b) => b.ordinal - a.ordinal);
  for (const pod of surplus) {
    if (!pod.terminating) step.remove.push(pod.name);
    if (!wish.isParallel) return step;
  }
  if (surplus.length === 0 && !wish.isOnDelete) planRenewal(byOrdinal, wish, step);
  return step;
}

/** False while a number has to be waited for. */
function planGrowth(pods: ReadonlyMap<number, StatefulPod>, wish: StatefulWish, step: StatefulStep): boolean {
  for (let index = 0; index < wish.replicas; index += 1) {
    const ordinal = wish.start + index;
    const pod = pods.get(ordinal);
    if (pod === undefined) {
      const isOld = !wish.isOnDelete && index < wish.partition;
      step.create.push({ ordinal, revision: isOld ? wish.currentRevision : wish.updateRevision });
      if (!wish.isParallel) return false;
    } else if (pod.finished && !pod.terminating) {
      // A pod that ended for good is made anew under the same name.
      step.remove.push(pod.name);
      if (!wish.isParallel) return false;
    } else if (!isHealthy(pod) && !wish.isParallel) {
      // Also where only its renewal could help, as upstream: somebody has to delete the pod.
      return false;
    }
  }
  return step.create.length === 0;
}

function planRenewal(pods: ReadonlyMap<number, StatefulPod>, wish: StatefulWish, step: StatefulStep): void {
  for (let index = wish.replicas - 1; index >= wish.partition; index -= 1) {
    const pod = pods.get(wish.start + index);
    if (pod === undefined) return;
    if (pod.revision !== wish.updateRevision && !pod.terminating) {
      step.remove.push(pod.name);
      return;
    }
    if (!isHealthy(pod)) return;
  }
}
