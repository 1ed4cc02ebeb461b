// Tells when the services of the cluster change, merging bursts.
// Comes in: Services, EndpointSlices, pods with host ports. Goes out: one call per burst with a reader of the current table. Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import type { EndpointSlice, Pod, Service } from '../controllers/objects.ts';
import { hasHostPorts, hostPortRoutes } from './host-ports.ts';
import { buildServiceTable } from './service-table.ts';
import type { ServiceRoute } from './service-table.ts';

/** A running watch; `table` computes the routes as one node sees them. */
export interface ServiceWatcher {
  table(nodeName: string): ServiceRoute[];
  /** Host ports of the pods of a node. */
  hostPorts(nodeName: string): ServiceRoute[];
  onChange(listener: () => void): void;
  close(): void;
}

const MERGE_MS = 10;

/** Starts watching. */
export function watchServices(api: ObjectApi): ServiceWatcher {
  const listeners: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;
  const changed = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const listener of listeners) listener();
    }, MERGE_MS);
  };
  const watches = [
    api.watch<Service>('services', {}, changed),
    api.watch<EndpointSlice>('endpointslices.discovery.k8s.io', {}, changed),
    api.watch<Pod>('pods', {}, ({ object }) => {
      if (hasHostPorts(object)) changed();
    }),
  ];
  return {
    table: (nodeName) =>
      buildServiceTable(
        api.list<Service>('services').items,
        api.list<EndpointSlice>('endpointslices.discovery.k8s.io').items,
        nodeName,
      ),
    hostPorts: (nodeName) => hostPortRoutes(api.list<Pod>('pods').items, nodeName),
    onChange: (listener) => {
      listeners.push(listener);
      changed();
    },
    close: () => {
      clearTimeout(timer);
      for (const watch of watches) watch[Symbol.dispose]();
    },
  };
}
