// Waypoints that run a proxy which we have no configuration for (decision W1): a condition on their Gateway says so, and goes
// when one of our own waypoints connects for it. In: clients as they come. Out: server-side applies of one condition. Any replica
// may write: all would write the same. Owned by app.ts; main thread.
import type { KubeClient } from '@ambit/kube';
import { KubeError } from '@ambit/kube';
import type { Model } from '@ambit/model';
import type { Gateway } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { now } from '../gateways/classes.ts';

/** Type of the condition. */
export const PROXY_CONDITION = 'ambit.io/ProxyServed';
const FIELD_MANAGER = 'ambit-foreign-waypoints';
/** A refused proxy comes again and again. */
const PAUSE_MS = 60_000;
/** Gateways that are remembered. */
const MAX_REMEMBERED = 10_000;

/** Told about waypoints as they connect. */
export interface ForeignWaypoints {
  /** A proxy of this Gateway (`<namespace>/<name>`) was turned away, for this reason. */
  refused(gateway: string, reason: string): void;
  /** One of our own waypoints is served for it. */
  served(gateway: string): void;
}

/** Makes the writer. */
export function createForeignWaypoints(client: KubeClient, current: () => Model, log: Logger): ForeignWaypoints {
  const lastMs = new Map<string, number>();

  const write = async (gateway: string, reason: string | undefined): Promise<void> => {
    const [namespace = '', name = ''] = gateway.split('/');
    const object = current().object('Gateway', gateway) as Gateway | undefined;
    if (object === undefined) return;
    const known = object.status?.conditions?.find(({ type }) => type === PROXY_CONDITION);
    if (reason === undefined ? known === undefined : known?.message === reason) return;
    const { generation } = object.metadata;
    const condition = {
      type: PROXY_CONDITION,
      status: 'False',
      reason: 'ForeignProxy',
      message: reason ?? '',
      lastTransitionTime: now(),
      ...(generation !== undefined && { observedGeneration: generation }),
    };
    const body = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name, namespace },
      status: { conditions: reason === undefined ? [] : [condition] },
    };
    try {
      await client.apply(body, { fieldManager: FIELD_MANAGER, subresource: 'status' });
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return;
      lastMs.delete(gateway);
      log.warn('condition of a Gateway not written', { gateway, error: explain(error) });
    }
  };
  return {
    refused(gateway, reason) {
      if (Date.now() - (lastMs.get(gateway) ?? -PAUSE_MS) < PAUSE_MS) return;
      if (lastMs.size >= MAX_REMEMBERED) lastMs.clear();
      lastMs.set(gateway, Date.now());
      background(log, 'foreign waypoint', write(gateway, reason));
    },
    served(gateway) {
      lastMs.delete(gateway);
      background(log, 'foreign waypoint', write(gateway, undefined));
    },
  };
}
