// ambient.RouteWithoutWaypoint: routes attached to Services that no waypoint serves (AMB0106).
import { USE_WAYPOINT } from '../../labels.ts';
import { mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';

/** See the file's comment. */
export const routeWithoutWaypointAnalyzer: Analyzer = {
  name: 'ambient.RouteWithoutWaypoint',
  description: 'Finds routes whose Service has no waypoint',
  inputs: ['HTTPRoute', 'GRPCRoute', 'Service', 'Namespace'],
  analyze: ({ objects }, report) => {
    for (const kind of ['HTTPRoute', 'GRPCRoute'] as const) {
      for (const route of objects.all(kind)) {
        for (const parent of mapsOf(route.spec['parentRefs'])) {
          if (textOf(parent['kind']) !== 'Service' || !['', 'core'].includes(textOf(parent['group']))) continue;
          const namespace = textOf(parent['namespace']) || route.namespace;
          const service = objects.find('Service', `${namespace}/${textOf(parent['name'])}`);
          if (service === undefined) continue;
          const label = service.labels[USE_WAYPOINT] ?? objects.find('Namespace', namespace)?.labels[USE_WAYPOINT];
          if (label !== undefined && label !== '' && label !== 'none') continue;
          const text = `The route applies to the Service ${service.fullName}, which has no waypoint: nothing evaluates it. Label the Service or its namespace with ${USE_WAYPOINT}.`;
          report(messageOf('AMB0106', route, text));
        }
      }
    }
  },
};
