// Tells when the services of the cluster change, merging bursts.
// Comes in: Services and EndpointSlices. Goes out: one call per burst with a reader of the current table. Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import type { EndpointSlice, Service } from '../controllers/objects.ts';
import { buildServiceTable } from './service-table.ts';
import type { ServiceRoute } from './service-table.ts';

/** A running watch; `table` computes the routes as one node sees them. */
export interface ServiceWatcher {
  table(nodeName: string): ServiceRoute[];
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
  ];
  return {
    table: (nodeName) =>
      buildServiceTable(
        api.list<Service>('services').items,
        api.list<EndpointSlice>('endpointslices.discovery.k8s.io').items,
        nodeName,
      ),
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
