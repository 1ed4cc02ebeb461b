// A managed Gateway -> the objects that run it (spec control-plane 6.3). In: the Gateway, its class and settings. Out:
// ServiceAccount, Deployment, Service, and the scalers that only an overlay brings to life. Pure; called by deployer.ts.
import type { Gateway, KubernetesObject, Service } from '@ambit/resources';
import type { ClassInfo } from './class-info.ts';
import {
  GATEWAY_NAME,
  identityLabels,
  infrastructureAnnotations,
  infrastructureLabels,
  type ListenerPort,
  namesOf,
  servicePorts,
  type TextMap,
} from './gateway-metadata.ts';
import type { GatewayValues } from './gateway-values.ts';
import { ingressPod } from './ingress-pod.ts';
import { waypointPod } from './waypoint-pod.ts';

/** What the objects depend on besides the Gateway. */
export interface RenderSettings {
  readonly image: string;
  readonly systemNamespace: string;
  readonly revision: string;
  readonly clusterId: string;
  readonly domain: string;
  readonly trustDomain: string;
  readonly meshId: string;
  readonly network: string;
  /** Non-default fields of the mesh's `defaultConfig`, which the proxy reads as JSON. */
  readonly proxyConfig: Readonly<Record<string, unknown>>;
  /** Labels and annotations of a Gateway without `spec.infrastructure` go to its objects. */
  readonly copiesMetadata: boolean;
  /** Waypoints are on: other gateways are kept out of ambient. */
  readonly waypoints: boolean;
  /** Deployments that run upstream's proxy are taken over (decision W1). Default false. */
  readonly replacesForeign?: boolean;
  /** Waypoints report flows to this control plane (decision W12). Default false. */
  readonly reportsFlows?: boolean;
  /** Chart values. */
  readonly values: GatewayValues;
}

/** Everything that the pod templates need. */
export interface PodInput {
  readonly gateway: Gateway;
  readonly info: ClassInfo;
  readonly settings: RenderSettings;
  readonly deployment: string;
  readonly serviceAccount: string;
  /** `spec.infrastructure` or the Gateway's own. */
  readonly labels: TextMap;
}

/** The objects of a Gateway, in the order in which they are applied. `listeners`: those of the Gateway and of accepted sets. */
export function renderGateway(
  gateway: Gateway,
  info: ClassInfo,
  settings: RenderSettings,
  listeners: readonly ListenerPort[] = gateway.spec?.listeners ?? [],
): KubernetesObject[] {
  const { deployment, serviceAccount } = namesOf(gateway, info);
  const labels = infrastructureLabels(gateway, settings);
  const annotations = infrastructureAnnotations(gateway, settings);
  const identity = identityLabels(gateway, info);
  const name = gateway.metadata.name ?? '';
  const meta = (objectName: string, defaults: TextMap = {}): KubernetesObject['metadata'] & {} => {
    const all = { ...defaults, ...annotations };
    return {
      name: objectName,
      namespace: gateway.metadata.namespace ?? '',
      labels: { ...labels, ...identity },
      ...(Object.keys(all).length > 0 && { annotations: all }),
      ownerReferences: [
        { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name, uid: gateway.metadata.uid ?? '' },
      ],
    };
  };
  const input: PodInput = { gateway, info, settings, deployment, serviceAccount, labels };
  const isWaypoint = info.template === 'waypoint';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta(serviceAccount) },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: meta(deployment),
      spec: {
        selector: { matchLabels: { [GATEWAY_NAME]: name } },
        template: {
          metadata: {
            labels: {
              'sidecar.istio.io/inject': 'false',
              ...(isWaypoint && { 'istio.io/dataplane-mode': 'none' }),
              'service.istio.io/canonical-name': deployment,
              'service.istio.io/canonical-revision': 'latest',
              ...labels,
              ...identity,
            },
            annotations: {
              ...annotations,
              'istio.io/rev': settings.revision === '' ? 'default' : settings.revision,
              'prometheus.io/path': '/stats/prometheus',
              'prometheus.io/port': '15020',
              'prometheus.io/scrape': 'true',
            },
          },
          spec: isWaypoint ? waypointPod(input) : ingressPod(input),
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta(deployment, isWaypoint ? { 'networking.istio.io/traffic-distribution': 'PreferClose' } : {}),
      spec: serviceSpec(gateway, info, listeners),
    },
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: meta(deployment),
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment }, maxReplicas: 1 },
    },
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: meta(deployment),
      spec: { selector: { matchLabels: { [GATEWAY_NAME]: name } } },
    },
  ];
}

function serviceSpec(
  gateway: Gateway,
  info: ClassInfo,
  listeners: readonly ListenerPort[],
): NonNullable<Service['spec']> {
  const type = gateway.metadata.annotations?.['networking.istio.io/service-type'] ?? info.serviceType;
  const address = gateway.spec?.addresses?.[0]?.value;
  return {
    type,
    ipFamilyPolicy: 'PreferDualStack',
    selector: { [GATEWAY_NAME]: gateway.metadata.name ?? '' },
    ports: servicePorts(listeners),
    ...(type === 'LoadBalancer' && address !== undefined && { loadBalancerIP: address }),
  };
}
