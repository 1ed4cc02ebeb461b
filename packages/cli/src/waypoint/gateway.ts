// In: name, namespace, kind of traffic. Out: the Gateway object of a waypoint. Pure. Called by the waypoint commands and the demo.
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../cluster/kinds.ts';
import { CliError } from '../errors.ts';

/** Class of Gateways that are waypoints. */
export const waypointClass = 'istio-waypoint';

/** Builds the Gateway. `none` is a reserved name: the label value means "no waypoint". */
export function waypointGateway(options: {
  readonly name: string;
  readonly namespace: string;
  readonly for?: string;
}): KubernetesObject {
  if (options.name === 'none')
    throw new CliError('ERR_CLI_INVALID', '"none" cannot be the name of a waypoint', {
      hint: 'the label value none means no waypoint',
    });
  return {
    ...kinds.gateway,
    metadata: {
      name: options.name,
      namespace: options.namespace,
      ...(options.for === undefined ? {} : { labels: { [labels.waypointFor]: options.for } }),
    },
    spec: { gatewayClassName: waypointClass, listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
  };
}

/** True for Gateways that are waypoints. */
export const isWaypoint = (gateway: KubernetesObject): boolean =>
  (gateway['spec'] as { gatewayClassName?: string } | undefined)?.gatewayClassName === waypointClass;
