/** Eviction of a pod: a deletion that disruption budgets may refuse with 429. In: a request; out: an answer. Called by subresources.ts. */

import { listAt, textAt, valueAt } from '../json.ts';
import { statusError } from '../status.ts';
import { countBudget, refusalOfEviction, wantedReplicas } from '../write/disruption.ts';
import { liveObject } from '../write/update.ts';
import { decodeObject } from './decode-body.ts';
import type { Exchange } from './exchange.ts';
import type { ResourceRequest } from './resource-request.ts';
import { targetOf } from './resource-request.ts';
import { deleteAdmitted } from './resources.ts';

function refuseWhereBudgetsSaySo({ services, info }: ResourceRequest, pod: unknown): void {
  const { store } = services.environment;
  const namespace = info.namespace ?? '';
  const refusal = refusalOfEviction(pod, store.list('poddisruptionbudgets.policy', namespace), (budget) =>
    countBudget(budget, store.list('pods', namespace), (each) =>
      wantedReplicas(each, (resource, inside, name) => store.get(resource, inside, name)),
    ),
  );
  if (refusal === undefined) return;
  if (refusal.kind === 'several-budgets') {
    const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw statusError(500, 'InternalError', message, {});
  }
  const { budget, count } = refusal;
  throw statusError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${budget} needs ${count.desiredHealthy} healthy pods and has ${count.currentHealthy} currently`,
      },
    ],
  });
}

const isDryRun = (exchange: Exchange, object: unknown): boolean =>
  [...exchange.query.getAll('dryRun'), ...listAt(object, 'deleteOptions', 'dryRun')].includes('All');

/** Serves POST on `pods/<name>/eviction`. */
export async function serveEviction(request: ResourceRequest): Promise<void> {
  const { exchange, info, resource, services } = request;
  const bytes = await exchange.body();
  const { object } = decodeObject(bytes, exchange.header('content-type'), resource, 'Eviction', 'policy/v1');
  const pod = liveObject(services.environment, targetOf(request, undefined));
  refuseWhereBudgetsSaySo(request, pod);
  const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
  const text = (...path: string[]): string | undefined => textAt(object, 'deleteOptions', ...path) || undefined;
  await deleteAdmitted(request, info.namespace, info.name ?? '', {
    gracePeriodSeconds: number(valueAt(object, ['deleteOptions', 'gracePeriodSeconds'])),
    propagationPolicy: text('propagationPolicy'),
    orphanDependents: undefined,
    uid: text('preconditions', 'uid'),
    resourceVersion: text('preconditions', 'resourceVersion'),
    dryRun: isDryRun(exchange, object),
  });
  await exchange.value(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}
