// ambient.WaypointMissing: objects that name a waypoint which is not there: their traffic bypasses its policies (AMB0102).
import { USE_WAYPOINT, USE_WAYPOINT_NAMESPACE } from '../../labels.ts';
import { listOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';

/** See the file's comment. */
export const waypointMissingAnalyzer: Analyzer = {
  name: 'ambient.WaypointMissing',
  description: 'Finds objects whose waypoint does not exist or has no address',
  inputs: ['Namespace', 'Service', 'Pod', 'ServiceEntry', 'WorkloadEntry', 'Gateway'],
  analyze: ({ objects }, report) => {
    for (const kind of ['Namespace', 'Service', 'ServiceEntry', 'WorkloadEntry', 'Pod'] as const) {
      for (const subject of objects.all(kind)) {
        const name = subject.labels[USE_WAYPOINT];
        if (name === undefined || name === '' || name === 'none') continue;
        const fullName = `${subject.labels[USE_WAYPOINT_NAMESPACE] ?? subject.scope}/${name}`;
        const gateway = objects.find('Gateway', fullName);
        if (gateway !== undefined && listOf(gateway.status['addresses']).length > 0) continue;
        const why = gateway === undefined ? 'does not exist' : 'has no address yet';
        report(
          messageOf(
            'AMB0102',
            subject,
            `The waypoint ${fullName} ${why}: traffic goes directly and HTTP policies are not enforced.`,
            `.metadata.labels.${USE_WAYPOINT}`,
          ),
        );
      }
    }
  },
};
