// Addresses of load balancers, from a local range. Cluster addresses and node ports are given when a Service is stored
// (service-allocation.ts).
// Comes in: Services. Goes out: status.loadBalancer. What is stored counts as taken, so addresses survive a restart. Main
// thread.
import type { Service } from './objects.ts';
import { addressAt, createNumberPool, offsetOf } from './address-pool.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { createWorkQueue } from './work-queue.ts';

/** The range of load-balancer addresses, reachable like ClusterIPs. */
export const LOAD_BALANCER_BASE = '10.97.0.0';

/** Starts the allocator; services that are present keep what they have. */
export function startServiceAddressController(context: ControllerContext): Controller {
  const balancers = createNumberPool(1, 65_534);
  const note = (service: Service, action: 'take' | 'release'): void => {
    for (const { ip } of service.status?.loadBalancer?.ingress ?? []) {
      if (ip !== undefined) balancers[action](offsetOf(LOAD_BALANCER_BASE, ip));
    }
  };

  const reconcile = async (key: string): Promise<void> => {
    const { namespace, name } = splitKey(key);
    const service = context.api.get<Service>('services', name, namespace);
    if (service === undefined || service.metadata.deletionTimestamp !== undefined) return;
    const ingress = service.status?.loadBalancer?.ingress ?? [];
    if (service.spec.type !== 'LoadBalancer' || ingress.length > 0) return;
    const offset = balancers.next();
    if (offset === undefined) throw new Error(`no free address is left in the range of ${LOAD_BALANCER_BASE}`);
    const status = { loadBalancer: { ingress: [{ ip: addressAt(LOAD_BALANCER_BASE, offset), ipMode: 'VIP' }] } };
    await context.api.patch('services', name, namespace, { status }, { subresource: 'status' });
  };

  const queue = createWorkQueue('service-address', context.log, reconcile);
  return controllerOfParts(
    queue,
    context.api.watch<Service>('services', {}, ({ type, object }) => {
      note(object, type === 'DELETED' ? 'release' : 'take');
      if (type !== 'DELETED') queue.add(keyOf(object));
    }),
  );
}
