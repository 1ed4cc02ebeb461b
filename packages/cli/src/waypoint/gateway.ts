// In: name, namespace, kind of traffic, scaling. Out: the objects of a waypoint. Pure. Called by the waypoint commands and the demo.
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';

/** Class of Gateways that are waypoints. */
export const waypointClass = 'istio-waypoint';

/** What `waypoint generate` and `apply` can be told. */
export interface WaypointWishes {
  readonly name: string;
  readonly namespace: string;
  readonly for?: string;
  readonly revision?: string;
  readonly min?: number;
  readonly max?: number;
  /** Percent of the requested CPU at which replicas are added. */
  readonly cpuTarget?: number;
  /** Pods that must stay when nodes are drained. */
  readonly pdb?: number;
}

/** Builds the Gateway. `none` is a reserved name: the label value means "no waypoint". */
export function waypointGateway(wishes: WaypointWishes): KubernetesObject {
  const { name, namespace, revision } = wishes;
  if (name === 'none')
    throw new CliError('ERR_CLI_INVALID', '"none" cannot be the name of a waypoint', {
      hint: 'the label value none means no waypoint',
    });
  const set = {
    ...(wishes.for === undefined ? {} : { [labels.waypointFor]: wishes.for }),
    ...(revision === undefined || revision === 'default' ? {} : { [labels.revision]: revision }),
  };
  return {
    ...kinds.gateway,
    metadata: { name, namespace, ...(Object.keys(set).length === 0 ? {} : { labels: set }) },
    spec: {
      gatewayClassName: waypointClass,
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
      ...(scalingOptions(wishes) === undefined
        ? {}
        : { infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name: optionsName(name) } } }),
    },
  };
}

const optionsName = (waypoint: string): string => `${waypoint}-options`;

/** The ConfigMap that carries scaling wishes (`infrastructure.parametersRef`); undefined without any. */
export function scalingOptions({
  name,
  namespace,
  min,
  max,
  cpuTarget,
  pdb,
}: WaypointWishes): KubernetesObject | undefined {
  const autoscaler = {
    ...(min === undefined ? {} : { minReplicas: min }),
    ...(max === undefined ? {} : { maxReplicas: max }),
    ...(cpuTarget === undefined
      ? {}
      : {
          metrics: [
            {
              type: 'Resource',
              resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpuTarget } },
            },
          ],
        }),
  };
  const data = {
    ...(Object.keys(autoscaler).length === 0 ? {} : { horizontalPodAutoscaler: JSON.stringify({ spec: autoscaler }) }),
    ...(pdb === undefined ? {} : { podDisruptionBudget: JSON.stringify({ spec: { minAvailable: pdb } }) }),
  };
  if (Object.keys(data).length === 0) return undefined;
  return { ...kinds.configMap, metadata: { name: optionsName(name), namespace }, data };
}

/** True for Gateways that are waypoints. */
export const isWaypoint = (gateway: KubernetesObject): boolean =>
  (gateway['spec'] as { gatewayClassName?: string } | undefined)?.gatewayClassName === waypointClass;

/** The traffic type in force; `isDefault` when no label says so. */
export function trafficTypeOf(gateway: KubernetesObject): { readonly type: string; readonly isDefault: boolean } {
  const type = gateway.metadata?.labels?.[labels.waypointFor];
  return type === undefined ? { type: 'service', isDefault: true } : { type, isDefault: false };
}

/** Identity that a waypoint proves towards the pods behind it: its service account carries its name. */
export const waypointPrincipal = (gateway: KubernetesObject, trustDomain: string): string =>
  `${trustDomain}/ns/${namespaceOf(gateway)}/sa/${nameOf(gateway)}`;
