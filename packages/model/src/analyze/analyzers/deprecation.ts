// deprecation.DeprecationAnalyzer: fields and kinds that are gone or going (IST0002).
import { mapOf, mapsOf, numberOf, optionalMap, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';

const REMOVED_GROUP = 'rbac.istio.io';
const REMOVED_KINDS = ['ClusterRbacConfig', 'RbacConfig', 'ServiceRole', 'ServiceRoleBinding'];

/** See the file's comment. */
export const deprecationAnalyzer: Analyzer = {
  name: 'deprecation.DeprecationAnalyzer',
  description: 'Checks for deprecated Istio types and fields',
  inputs: ['VirtualService', 'Sidecar', 'CustomResourceDefinition'],
  analyze: ({ objects }, report) => {
    for (const service of objects.all('VirtualService')) {
      for (const rule of mapsOf(service.spec['http'])) {
        if (numberOf(mapOf(mapOf(rule['fault'])['delay'])['percent']) <= 0) continue;
        report(
          messageOf(
            'IST0002',
            service,
            'Deprecated: HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage',
          ),
        );
      }
    }
    for (const sidecar of objects.all('Sidecar')) {
      if (optionalMap(mapOf(sidecar.spec['outboundTrafficPolicy'])['egressProxy']) === undefined) continue;
      report(messageOf('IST0002', sidecar, 'Deprecated: OutboundTrafficPolicy.EgressProxy ignored'));
    }
    for (const definition of objects.all('CustomResourceDefinition')) {
      // Upstream sees no groups of definitions in files.
      if (definition.place !== undefined) continue;
      const kind = textOf(mapOf(definition.spec['names'])['kind']);
      if (definition.spec['group'] !== REMOVED_GROUP || !REMOVED_KINDS.includes(kind)) continue;
      const text = `Deprecated: Custom resource type ${REMOVED_GROUP} ${kind} is removed`;
      report(messageOf('IST0002', definition, text));
    }
  },
};
