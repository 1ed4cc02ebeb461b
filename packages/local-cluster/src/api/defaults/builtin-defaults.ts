/**
 * Defaults of builtin kinds that clients rely on (spec/local-cluster.md 6). In: object, resource, live object of an
 * update; out: filled copy. Called by every write before admission. Pure.
 */

import { suffixOf } from '../write/metadata.ts';
import { definitionDefaults } from '../definitions/definition-defaults.ts';
import { isObject, listAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { fill, mapList, mapObject, podAdmission, podSpecDefaults } from './pod-defaults.ts';
import { jobSelector, workloadSpecs } from './workload-defaults.ts';

type Defaulter = (object: JsonObject, before: JsonObject | undefined) => JsonObject;

const onSpec =
  (change: (spec: JsonObject) => JsonObject): Defaulter =>
  (object) =>
    mapObject(object, 'spec', change);

function podDefaults(object: JsonObject, before: JsonObject | undefined): JsonObject {
  const filled = mapObject(object, 'spec', podSpecDefaults);
  if (before !== undefined) return filled;
  const suffix = suffixOf(textAt(object, 'metadata', 'uid'));
  const admitted = mapObject(filled, 'spec', (spec) => podAdmission(spec, suffix, true));
  return fill(admitted, { status: { phase: 'Pending', qosClass: qosOf(admitted['spec']) } });
}

/** Quality of service class by requests and limits. */
export function qosOf(spec: unknown): string {
  const containers = [...listAt(spec, 'containers'), ...listAt(spec, 'initContainers')].filter(isObject);
  const all = containers.map((container) => (isObject(container['resources']) ? container['resources'] : {}));
  const isBare = all.every((item) =>
    ['limits', 'requests'].every((key) => Object.keys(isObject(item[key]) ? item[key] : {}).length === 0),
  );
  if (isBare) return 'BestEffort';
  const isGuaranteed = all.every((item) =>
    ['cpu', 'memory'].every((name) => {
      const limit = textAt(item, 'limits', name);
      return limit !== '' && textAt(item, 'requests', name) === limit;
    }),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}

function serviceDefaults(object: JsonObject, before: JsonObject | undefined): JsonObject {
  const result = mapObject(object, 'spec', (spec) => {
    const type = typeof spec['type'] === 'string' ? spec['type'] : 'ClusterIP';
    const external = type === 'ExternalName';
    let filled = fill(spec, {
      type,
      sessionAffinity: 'None',
      ...(external ? {} : { internalTrafficPolicy: 'Cluster', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }),
      ...(type === 'NodePort' || type === 'LoadBalancer' ? { externalTrafficPolicy: 'Cluster' } : {}),
      ...(type === 'LoadBalancer' ? { allocateLoadBalancerNodePorts: true } : {}),
    });
    filled = agreeingAddresses(keepAddresses(agreeingAddresses(filled), before));
    if (filled['sessionAffinity'] === 'ClientIP')
      filled = fill(filled, { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } });
    return mapList(filled, 'ports', (port) => {
      const target = port['targetPort'];
      const isUnset = target === undefined || target === 0 || target === '';
      return fill(isUnset ? { ...port, targetPort: port['port'] } : port, { protocol: 'TCP' });
    });
  });
  return fill(result, { status: { loadBalancer: {} } });
}

/** Of `clusterIP` and `clusterIPs`, the one that is missing or empty follows the other. */
function agreeingAddresses({ clusterIP, clusterIPs, ...spec }: JsonObject): JsonObject {
  const [first] = Array.isArray(clusterIPs) ? clusterIPs : [];
  const one = clusterIP === undefined || clusterIP === '' ? first : clusterIP;
  if (one === undefined) return spec;
  return { ...spec, clusterIP: one, clusterIPs: first === undefined ? [one] : (clusterIPs ?? [one]) };
}

/** A Service that becomes an external name loses the address it had; another one that is sent stays, to be refused. */
function withoutOldAddress(spec: JsonObject, old: JsonObject): JsonObject {
  const { clusterIP, clusterIPs: _all, ...rest } = spec;
  return clusterIP === old['clusterIP'] ? rest : spec;
}

/** A Service that is no longer reached through nodes loses the node ports it had. */
function withoutOldNodePorts(spec: JsonObject, oldPorts: readonly JsonObject[]): JsonObject {
  const old = new Set(oldPorts.map((port) => port['nodePort']));
  return mapList(spec, 'ports', ({ nodePort, ...port }) =>
    nodePort === undefined || old.has(nodePort) ? port : { ...port, nodePort },
  );
}

/** An update that leaves out the allocated addresses and node ports keeps them. */
function keepAddresses(spec: JsonObject, before: JsonObject | undefined): JsonObject {
  const old = isObject(before?.['spec']) ? before['spec'] : undefined;
  if (old === undefined) return spec;
  const oldPorts = listAt(old, 'ports').filter(isObject);
  const usesNodePorts = spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer';
  let result = usesNodePorts ? spec : withoutOldNodePorts(spec, oldPorts);
  if (spec['type'] === 'ExternalName') return withoutOldAddress(result, old);
  if (old['type'] !== 'ExternalName' && old['clusterIP'] !== undefined) {
    result = fill(result, { clusterIP: old['clusterIP'], clusterIPs: old['clusterIPs'] });
  }
  if (!usesNodePorts) return result;
  return mapList(result, 'ports', (port) => {
    const match = oldPorts.find(
      (other) => other['port'] === port['port'] && (other['protocol'] ?? 'TCP') === (port['protocol'] ?? 'TCP'),
    );
    return match?.['nodePort'] === undefined ? port : fill(port, { nodePort: match['nodePort'] });
  });
}

function namespaceDefaults(object: JsonObject, before: JsonObject | undefined): JsonObject {
  const name = textAt(object, 'metadata', 'name');
  const result = mapObject(object, 'metadata', (metadata) => ({
    ...metadata,
    labels: { ...(isObject(metadata['labels']) ? metadata['labels'] : {}), 'kubernetes.io/metadata.name': name },
  }));
  if (before !== undefined) return { ...result, spec: fill(isObject(result['spec']) ? result['spec'] : {}, {}) };
  return { ...result, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };
}

function secretDefaults(object: JsonObject): JsonObject {
  const { stringData, ...rest } = object;
  const result = fill(rest, { type: 'Opaque' });
  if (!isObject(stringData)) return result;
  const data: JsonObject = { ...(isObject(result['data']) ? result['data'] : {}) };
  for (const [key, value] of Object.entries(stringData)) data[key] = Buffer.from(String(value)).toString('base64');
  return { ...result, data };
}

function webhookDefaults(mutating: boolean): Defaulter {
  return (object) =>
    mapList(object, 'webhooks', (webhook) => {
      const filled = fill(webhook, {
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        timeoutSeconds: 10,
        ...(mutating ? { reinvocationPolicy: 'Never' } : {}),
      });
      const ruled = mapList(filled, 'rules', (rule) => fill(rule, { scope: '*' }));
      return mapObject(ruled, 'clientConfig', (config) =>
        mapObject(config, 'service', (service) => fill(service, { port: 443 })),
      );
    });
}

const constraints = (value: JsonObject): JsonObject =>
  mapList(
    fill(value, { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} }),
    'resourceRules',
    (rule) => fill(rule, { scope: '*' }),
  );

const roleRefDefaults: Defaulter = (object) => {
  const referred = mapObject(object, 'roleRef', (ref) => fill(ref, { apiGroup: 'rbac.authorization.k8s.io' }));
  return mapList(referred, 'subjects', (subject) =>
    subject['kind'] === 'User' || subject['kind'] === 'Group'
      ? fill(subject, { apiGroup: 'rbac.authorization.k8s.io' })
      : subject,
  );
};

const noDisruption = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };

const defaulters: Readonly<Record<string, Defaulter>> = {
  // Fields that JSON always shows, as clients of the real server see them.
  'ingresses.networking.k8s.io': (object) => fill(object, { status: { loadBalancer: {} } }),
  'poddisruptionbudgets.policy': (object) => fill(object, { status: noDisruption }),
  resourcequotas: (object) => fill(object, { status: {} }),
  'clusterroles.rbac.authorization.k8s.io': (object) => fill(object, { rules: null }),
  'roles.rbac.authorization.k8s.io': (object) => fill(object, { rules: null }),
  pods: podDefaults,
  services: serviceDefaults,
  namespaces: namespaceDefaults,
  secrets: secretDefaults,
  nodes: (object) => ({ ...object, spec: object['spec'] ?? {} }),
  persistentvolumeclaims: onSpec((spec) => fill(spec, { volumeMode: 'Filesystem' })),
  'customresourcedefinitions.apiextensions.k8s.io': definitionDefaults,
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhookDefaults(true),
  'validatingwebhookconfigurations.admissionregistration.k8s.io': webhookDefaults(false),
  'validatingadmissionpolicies.admissionregistration.k8s.io': onSpec((spec) =>
    mapObject(fill(spec, { failurePolicy: 'Fail' }), 'matchConstraints', constraints),
  ),
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': onSpec((spec) =>
    mapObject(spec, 'matchResources', constraints),
  ),
  'rolebindings.rbac.authorization.k8s.io': roleRefDefaults,
  'clusterrolebindings.rbac.authorization.k8s.io': roleRefDefaults,
  'networkpolicies.networking.k8s.io': onSpec((spec) =>
    fill(spec, { policyTypes: spec['egress'] === undefined ? ['Ingress'] : ['Ingress', 'Egress'] }),
  ),
  'endpointslices.discovery.k8s.io': (object) =>
    mapList(object, 'ports', (port) => fill(port, { name: '', protocol: 'TCP' })),
  endpoints: (object) =>
    mapList(object, 'subsets', (subset) => mapList(subset, 'ports', (port) => fill(port, { protocol: 'TCP' }))),
  'horizontalpodautoscalers.autoscaling': onSpec((spec) => fill(spec, { minReplicas: 1 })),
  'priorityclasses.scheduling.k8s.io': (object) => fill(object, { preemptionPolicy: 'PreemptLowerPriority' }),
  'storageclasses.storage.k8s.io': (object) =>
    fill(object, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
};

/** A builtin object with its defaults. */
export function builtinDefaults(resource: Resource, object: JsonObject, before: JsonObject | undefined): JsonObject {
  const spec = workloadSpecs[resource.storageName];
  if (spec !== undefined) {
    const filled = fill(mapObject(object, 'spec', spec), { status: {} });
    return resource.storageName === 'jobs.batch' && before === undefined ? jobSelector(filled) : filled;
  }
  return defaulters[resource.storageName]?.(object, before) ?? object;
}
