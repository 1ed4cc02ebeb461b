// istio.workload.Address to a workload or a service. Called by store.ts for every WDS resource; pure.

import type { Address } from '@ambit/proto/workload';

import type { Service } from '../service.ts';
import type { Workload } from '../workload.ts';
import { refusing } from './fields.ts';
import { translateService } from './service.ts';
import { translateWorkload } from './workload.ts';

/** What an Address resource became. */
export type AddressTranslation =
  | { readonly kind: 'workload'; readonly workload: Workload; readonly warnings: readonly string[] }
  | { readonly kind: 'service'; readonly service: Service; readonly warnings: readonly string[] }
  | { readonly kind: 'reject'; readonly reason: string };

/** Translates one resource; never throws. */
export function translateAddress(message: Address): AddressTranslation {
  return refusing((): AddressTranslation => {
    const warnings: string[] = [];
    switch (message.type.case) {
      case 'workload':
        return { kind: 'workload', workload: translateWorkload(message.type.value), warnings };
      case 'service':
        return { kind: 'service', service: translateService(message.type.value, warnings), warnings };
      default:
        return { kind: 'reject', reason: 'unknown address type' };
    }
  });
}
