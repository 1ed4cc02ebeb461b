// Disruption budgets: how many pods may be taken away, for people and `kubectl drain` to see.
// Comes in: budgets and pods. Goes out: the budgets' status. Eviction itself counts anew (api/write/disruption.ts). Main thread.
import { countBudget, isCovered, wantedReplicas } from '../api/write/disruption.ts';
import { controllerOfParts, keyOf, nowSeconds, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject, Condition, Pod } from './objects.ts';
import { canonicalJson } from './pod-from-template.ts';
import { createWorkQueue } from './work-queue.ts';

const BUDGETS = 'poddisruptionbudgets.policy';

interface Budget extends AnyObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Starts the controller of disruption budgets. */
export function startDisruptionController(context: ControllerContext): Controller {
  const { api } = context;
  const queue = createWorkQueue('disruption', context.log, (key) => reconcile(context, key));
  const wake = (pod: Pod): void => {
    for (const budget of api.list<Budget>(BUDGETS, { namespace: pod.metadata.namespace ?? '' }).items)
      if (isCovered(budget, pod)) queue.add(keyOf(budget));
  };
  return controllerOfParts(
    queue,
    api.watch<Budget>(BUDGETS, {}, ({ object }) => queue.add(keyOf(object))),
    api.watch<Pod>('pods', {}, ({ object }) => wake(object)),
  );
}

async function reconcile({ api }: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const budget = api.get<Budget>(BUDGETS, name, namespace);
  if (budget === undefined) return;
  const pods = api.list<Pod>('pods', { namespace }).items;
  const count = countBudget(budget, pods, (pod) =>
    wantedReplicas(pod, (resource, inside, owner) => api.get(resource, owner, inside)),
  );
  const isAllowed = count.disruptionsAllowed > 0;
  const before = budget.status?.conditions?.find((each) => each.type === 'DisruptionAllowed');
  const condition = {
    type: 'DisruptionAllowed',
    status: isAllowed ? 'True' : 'False',
    reason: isAllowed ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    observedGeneration: budget.metadata.generation ?? 0,
    lastTransitionTime:
      before?.status === (isAllowed ? 'True' : 'False') ? (before.lastTransitionTime ?? nowSeconds()) : nowSeconds(),
  };
  const status = { ...count, observedGeneration: budget.metadata.generation ?? 0, conditions: [condition] };
  if (canonicalJson({ ...budget.status, ...status }) === canonicalJson(budget.status ?? {})) return;
  await api.patch(BUDGETS, name, namespace, { status }, { subresource: 'status' });
}
