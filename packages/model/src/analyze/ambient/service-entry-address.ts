// ambient.ServiceEntryWithoutAddress: names that resolve to nothing the node proxy could redirect (AMB0107).
import { listOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';

/** See the file's comment. */
export const serviceEntryAddressAnalyzer: Analyzer = {
  name: 'ambient.ServiceEntryWithoutAddress',
  description: 'Finds ServiceEntries that have no address, assigned or given',
  // Assigned addresses stand in the status, which only a cluster has: hence a runtime kind.
  inputs: ['ServiceEntry', 'Namespace'],
  analyze: ({ objects }, report) => {
    for (const entry of objects.all('ServiceEntry')) {
      const { resolution } = entry.spec;
      if (resolution === undefined || resolution === 'NONE') continue;
      if ([entry.spec, entry.status].some((part) => listOf(part['addresses']).length > 0)) continue;
      const text =
        'The ServiceEntry has no address, given or assigned: the node proxy cannot tell its traffic apart, and no waypoint sees it.';
      report(messageOf('AMB0107', entry, text));
    }
  },
};
