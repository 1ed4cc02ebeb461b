// service.PortNameAnalyzer: ports whose name says nothing about their protocol (IST0118, IST0150).
import type { ServicePort } from '@ambit/resources';
import { GATEWAY_MANAGED } from '../../labels.ts';
import { portProtocol } from '../../translate/service/protocol.ts';
import { mapsOf, numberOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { isControlPlane } from '../in-mesh.ts';
import { messageOf } from '../message.ts';

const MANAGED = new Set(['istio.io-gateway-controller', 'istio.io-mesh-controller', 'istio.io-eastwest-controller']);

/** See the file's comment. */
export const servicePortNamesAnalyzer: Analyzer = {
  name: 'service.PortNameAnalyzer',
  description: 'Checks the port names associated with each service',
  inputs: ['Service'],
  analyze: ({ objects }, report) => {
    for (const service of objects.all('Service')) {
      if (isControlPlane(service) || MANAGED.has(service.labels[GATEWAY_MANAGED] ?? '')) continue;
      const isExternal = service.spec['type'] === 'ExternalName';
      for (const [index, port] of mapsOf(service.spec['ports']).entries()) {
        const name = textOf(port['name']);
        const isUnsupported = portProtocol(port as unknown as ServicePort) === 'unsupported';
        if (!isUnsupported && !(isExternal && name === 'tcp')) continue;
        const path = `.spec.ports[${index}].port`;
        const target = port['targetPort'] ?? 0;
        report(
          isExternal
            ? messageOf(
                'IST0150',
                service,
                'Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and unmatched traffic for ports serving TCP protocol from being forwarded correctly',
                path,
              )
            : messageOf(
                'IST0118',
                service,
                `Port name ${name} (port: ${numberOf(port['port'])}, targetPort: ${String(target as number | string)}) doesn't follow the naming convention of Istio port.`,
                path,
              ),
        );
      }
    }
  },
};
