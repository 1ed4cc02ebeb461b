// Checks of a running mesh. In: a cluster. Out: findings. Called by run.ts.
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../cluster/kinds.ts';
import {
  conditionOf,
  isRolledOut,
  nameOf,
  namespaceOf,
  numberIn,
  restartsOf,
  statusOf,
} from '../cluster/object-fields.ts';
import { captureOf, isEnding, unprotectedOf } from '../mesh/capture.ts';
import { blockingPolicies } from '../mesh/network-policies.ts';
import { countVersions, skewOf, versionOf } from '../version/versions.ts';
import { bindingOf } from '../waypoint/binding.ts';
import { isWaypoint } from '../waypoint/gateway.ts';
import type { Check } from './cluster-checks.ts';
import type { Finding } from './finding.ts';

function workloadFinding(category: string, kind: string, name: string, object: KubernetesObject | undefined): Finding {
  const what = `${kind} ${name}`;
  if (object === undefined) return { category, state: 'failed', text: `${what} does not exist`, hint: 'ambit install' };
  const status = statusOf(object);
  const [ready, wanted] =
    kind === 'Deployment'
      ? [numberIn(status, 'readyReplicas'), numberIn(status, 'replicas')]
      : [numberIn(status, 'numberReady'), numberIn(status, 'desiredNumberScheduled')];
  return isRolledOut(object)
    ? { category, state: 'ok', text: `${what} ${ready}/${wanted} ready, version ${versionOf(object)}` }
    : {
        category,
        state: 'failed',
        text: `${what} ${ready}/${wanted} ready`,
        hint: `kubectl -n ${namespaceOf(object)} describe ${kind.toLowerCase()} ${name}`,
      };
}

const components: Check = async (api) => {
  const namespace = api.istioNamespace;
  const [controlPlanes, agent, proxy] = await Promise.all([
    api.list(kinds.deployment, { namespace, labelSelector: 'app=istiod' }),
    api.get({ ...kinds.daemonSet, namespace, name: 'istio-cni-node' }),
    api.get({ ...kinds.daemonSet, namespace, name: 'ztunnel' }),
  ]);
  return [
    ...(controlPlanes.length === 0
      ? [workloadFinding('control-plane', 'Deployment', 'istiod', undefined)]
      : controlPlanes.map((one) =>
          workloadFinding('control-plane', 'Deployment', nameOf(one), { ...one, kind: 'Deployment' }),
        )),
    workloadFinding('node-agent', 'DaemonSet', 'istio-cni-node', agent),
    workloadFinding('node-proxy', 'DaemonSet', 'ztunnel', proxy),
  ];
};

const restarts: Check = async (api) => {
  const pods = await api.list(kinds.pod, { namespace: api.istioNamespace });
  const restarted = pods.filter((pod) => restartsOf(pod) > 0);
  return restarted.map((pod) => ({
    category: 'agent-restarts',
    state: 'warning',
    text: `pod ${nameOf(pod)} restarted ${restartsOf(pod)} times`,
    hint: `kubectl -n ${api.istioNamespace} logs ${nameOf(pod)} --previous`,
  }));
};

const versionSkew: Check = async (api) => {
  const namespace = api.istioNamespace;
  const [controlPlanes, pods] = await Promise.all([
    api.list(kinds.deployment, { namespace, labelSelector: 'app=istiod' }),
    api.list(kinds.pod, { namespace }),
  ]);
  if (controlPlanes.length === 0) return [];
  const controlPlane = controlPlanes.map(versionOf).toSorted().at(-1) ?? 'unknown';
  const daemons = countVersions(
    pods.filter(
      (pod) => pod.metadata?.labels?.['app'] === 'ztunnel' || pod.metadata?.labels?.['k8s-app'] === 'istio-cni-node',
    ),
  );
  const problems = daemons.flatMap(({ version }) => skewOf(controlPlane, version) ?? []);
  return problems.length === 0
    ? [
        {
          category: 'version-skew',
          state: 'ok',
          text: `control plane ${controlPlane}, nodes ${daemons.map(({ version, count }) => `${version} (${count})`).join(', ') || 'none'}`,
        },
      ]
    : problems.map((text) => ({
        category: 'version-skew',
        state: 'failed',
        text,
        hint: 'upgrade in the order control plane, node agent, node proxy',
      }));
};

const trust: Check = async (api) => {
  const namespaces = (await api.list(kinds.namespace))
    .filter((one) => one.metadata?.labels?.[labels.dataplaneMode] === 'ambient')
    .map(nameOf);
  const published = new Set(
    (await api.list(kinds.configMap, { labelSelector: 'istio.io/config=true' }))
      .filter((map) => nameOf(map) === 'istio-ca-root-cert')
      .map(namespaceOf),
  );
  const missing = namespaces.filter((name) => !published.has(name));
  return [
    missing.length === 0
      ? { category: 'ca-and-trust', state: 'ok', text: `root certificate published in ${published.size} namespaces` }
      : {
          category: 'ca-and-trust',
          state: 'failed',
          text: `ConfigMap istio-ca-root-cert is missing in ${missing.join(', ')}`,
          hint: 'kubectl -n istio-system logs deploy/istiod',
        },
  ];
};

const redirection: Check = async (api) => {
  const [namespaces, pods] = await Promise.all([api.list(kinds.namespace), api.list(kinds.pod)]);
  return namespaces
    .filter((namespace) => namespace.metadata?.labels?.[labels.dataplaneMode] === 'ambient')
    .flatMap((namespace): readonly Finding[] => {
      const inside = pods.filter((pod) => namespaceOf(pod) === nameOf(namespace) && !isEnding(pod));
      const captures = inside.map((pod) => ({ pod, capture: captureOf(pod, namespace) }));
      const waiting = captures.flatMap(({ pod, capture }) =>
        capture.kind === 'waiting' ? [`${nameOf(pod)}: ${capture.reason}`] : [],
      );
      const captured = captures.filter(({ capture }) => capture.kind === 'captured').length;
      const apart = inside.length - captured;
      const unprotected = inside.reduce((sum, pod) => sum + unprotectedOf(pod), 0);
      return [
        waiting.length === 0
          ? {
              category: 'redirection',
              state: 'ok',
              text: `namespace ${nameOf(namespace)}: ${captured} pods captured${apart === 0 ? '' : `, ${apart} left out on purpose`}`,
            }
          : {
              category: 'redirection',
              state: 'failed',
              text: `namespace ${nameOf(namespace)}: ${waiting.join('; ')}`,
              hint: `kubectl -n ${api.istioNamespace} logs ds/istio-cni-node`,
            },
        ...(unprotected === 0
          ? []
          : [
              {
                category: 'unprotected-connections',
                state: 'warning' as const,
                text: `namespace ${nameOf(namespace)}: ${unprotected} connections opened before capture are plaintext`,
                hint: `ambit mesh status ${nameOf(namespace)}`,
              },
            ]),
      ];
    });
};

const networkPolicies: Check = async (api) => {
  const [policies, pods] = await Promise.all([api.list(kinds.networkPolicy), api.list(kinds.pod)]);
  const captured = pods.filter((pod) => pod.metadata?.annotations?.[labels.redirection] === 'enabled');
  const blocking = policies.flatMap((policy) => {
    const namespace = namespaceOf(policy);
    return blockingPolicies(
      [policy],
      captured.filter((pod) => namespaceOf(pod) === namespace),
    ).map((one) => ({ namespace, ...one }));
  });
  if (blocking.length === 0)
    return [
      { category: 'network-policy', state: 'ok', text: `${policies.length} NetworkPolicies, none keeps tunnels out` },
    ];
  return blocking.map(({ namespace, name, pods: selected, patch }) => ({
    category: 'network-policy',
    state: 'failed',
    text: `${namespace}/${name} does not admit 15008: callers in the mesh will time out at ${selected.join(', ')}`,
    hint: `kubectl -n ${namespace} patch networkpolicy ${name} --type json -p '${patch}'`,
  }));
};

const waypoints: Check = async (api) => {
  const gateways = (await api.list(kinds.gateway)).filter(isWaypoint);
  return gateways.map((gateway): Finding => {
    const programmed = conditionOf(gateway, 'Programmed');
    const what = `waypoint ${namespaceOf(gateway)}/${nameOf(gateway)}`;
    return programmed?.status === 'True'
      ? { category: 'waypoints', state: 'ok', text: `${what} is programmed` }
      : {
          category: 'waypoints',
          state: 'failed',
          text: `${what}: ${programmed?.message ?? 'no status yet'}`,
          hint: 'ambit waypoint status -A',
        };
  });
};

const danglingLabels: Check = async (api) => {
  const [gateways, namespaces, services] = await Promise.all([
    api.list(kinds.gateway),
    api.list(kinds.namespace),
    api.list(kinds.service),
  ]);
  const users = [
    ...namespaces.map((one) => ({
      object: { ...one, kind: 'Namespace', metadata: { ...one.metadata, namespace: nameOf(one) } },
      what: `namespace ${nameOf(one)}`,
    })),
    ...services.map((one) => ({
      object: { ...one, kind: 'Service' },
      what: `service ${namespaceOf(one)}/${nameOf(one)}`,
    })),
  ];
  return users.flatMap(({ object, what }): readonly Finding[] => {
    const binding = bindingOf(object, undefined, gateways);
    if (binding.kind !== 'broken' || binding.reason !== 'it does not exist') return [];
    const [home = '', name = ''] = binding.waypoint.split('/');
    return [
      {
        category: 'dangling-labels',
        state: 'warning',
        text: `${what} names the waypoint ${binding.waypoint}, which does not exist`,
        hint: `ambit waypoint apply -n ${home} --name ${name}`,
      },
    ];
  });
};

const policies: Check = async (api) => {
  const all = await api.list(kinds.authorizationPolicy);
  const refused = all.flatMap((policy): readonly Finding[] =>
    ['ZtunnelAccepted', 'WaypointAccepted'].flatMap((type) => {
      const condition = conditionOf(policy, type);
      return condition?.status === 'False'
        ? [
            {
              category: 'policies',
              state: 'failed' as const,
              text: `${namespaceOf(policy)}/${nameOf(policy)}: ${condition.message ?? condition.reason ?? type}`,
              hint: 'ambit analyze -A',
            },
          ]
        : [];
    }),
  );
  return refused.length > 0
    ? refused
    : [{ category: 'policies', state: 'ok', text: `${all.length} authorization policies, none refused` }];
};

/** In the order in which they are printed. */
export const meshChecks: readonly Check[] = [
  components,
  restarts,
  versionSkew,
  trust,
  redirection,
  networkPolicies,
  waypoints,
  danglingLabels,
  policies,
];
