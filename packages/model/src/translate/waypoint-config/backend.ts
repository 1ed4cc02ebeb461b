// A port of a service as a destination (spec waypoint 2.3 T5). Pure.
import { Backend_Kind, BackendSchema } from '@ambit/proto/waypoint';
import type { View } from '../../index/view.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { type ConfigResource, configResource } from './config-resource.ts';
import { membersOf, policyOf, ruleOf } from './destination-rule.ts';
import { backendKey } from './keys.ts';
import { backendFields } from './traffic-policy.ts';

const RESOLUTION_KINDS: Readonly<Record<string, Backend_Kind>> = {
  NONE: Backend_Kind.PASSTHROUGH,
  DNS: Backend_Kind.DNS,
  DNS_ROUND_ROBIN: Backend_Kind.DNS_ROUND_ROBIN,
  DYNAMIC_DNS: Backend_Kind.DYNAMIC_DNS,
};

/** The Backend of one port, or of a subset of it; undefined when the service has no such port or subset. */
export function backendOf(
  view: View,
  service: ServiceDefinition,
  port: number,
  subset = '',
): ConfigResource | undefined {
  const declared = (service.message.ports ?? []).find((p) => p.servicePort === port);
  if (declared === undefined) return undefined;
  const rule = ruleOf(view, service);
  const chosen = rule?.subsets?.find((s) => s.name === subset);
  if (subset !== '' && chosen === undefined) return undefined;
  const policy = rule && policyOf(rule, port, subset);
  return configResource(BackendSchema, backendKey(service, port, subset), {
    ...(chosen && {
      subset,
      subsetLabels: { ...chosen.labels },
      members: membersOf(view, service, chosen.labels ?? {}),
    }),
    ...(policy && backendFields(policy)),
    meta: { kind: service.kind, namespace: service.namespace, name: service.name },
    hostname: service.hostname,
    port,
    kind: kindOf(view, service),
    protocol: declared.appProtocol ?? 0,
    serviceNamespace: service.namespace,
    serviceName: service.name,
    subjectAltNames: [...(service.message.subjectAltNames ?? [])],
  });
}

function kindOf(view: View, service: ServiceDefinition): Backend_Kind {
  if (service.kind === 'Service') return Backend_Kind.SERVICE;
  const entry = view.get('ServiceEntry', `${service.namespace}/${service.name}`);
  // Endpoints of every other resolution are workloads of the mesh.
  return RESOLUTION_KINDS[entry?.spec?.resolution ?? 'NONE'] ?? Backend_Kind.SERVICE;
}
