// Gives ServiceEntries virtual addresses in their status while this replica leads (spec control-plane 2.9.1).
// In: ServiceEntries. Out: status patches, one at a time. Main thread.
import { type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { ServiceEntry } from '@ambit/resources';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { whenWanted } from '../when-wanted.ts';
import { assignVips, type VipChange, type VipRanges } from './assign.ts';

const RETRY_MS = 2_000;

/** Settings of {@link allocateVips}. */
export interface AllocatorOptions {
  readonly client: KubeClient;
  readonly ranges: VipRanges;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Assigns addresses until `signal` aborts. */
export function allocateVips({ client, ranges, log, signal }: AllocatorOptions): void {
  const want = whenWanted({
    name: 'service entry addresses',
    isOver: () => signal.aborted,
    async look() {
      // Before all entries are known an address in use could be given away.
      await informer.synced;
      for (const change of assignVips([...informer.list()] as ServiceEntry[], ranges)) {
        if (signal.aborted) return;
        await write(change);
      }
    },
    log,
  });
  const informer = startInformer({ client, kind: 'ServiceEntry', log, onChanges: want });
  signal.addEventListener('abort', () => informer.close());

  async function write({ entry, addresses }: VipChange): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = entry.metadata;
    // The version makes sure that we answer to what we have seen.
    const body = { metadata: { resourceVersion }, status: { addresses } };
    try {
      await client.patch({ kind: 'ServiceEntry', namespace, name }, body, { type: 'merge', subresource: 'status' });
      log.info('service entry addresses assigned', { serviceEntry: `${namespace}/${name}`, count: addresses.length });
    } catch (error) {
      // Somebody changed or deleted it: the watch tells, and we look again.
      if (KubeError.is(error, 'ERR_KUBE_CONFLICT', 'ERR_KUBE_NOT_FOUND')) return;
      log.warn('service entry addresses not written, trying again', { error: explain(error) });
      setTimeout(want, RETRY_MS).unref();
    }
  }
}
