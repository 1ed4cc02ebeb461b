// The pod of a waypoint or an east-west gateway (spec control-plane 6.3). Pure; called by render.ts.
import { NETWORK } from './gateway-metadata.ts';
import {
  field,
  identityVariables,
  imageOf,
  limit,
  logArguments,
  metadataVariables,
  mount,
  platformVariables,
  podinfoVolume,
  ports,
  probes,
  pullSecrets,
  rootVolume,
  securityContext,
  tokenVolume,
  value,
} from './pod-parts.ts';
import type { PodInput } from './render.ts';

/** `spec` of the pod template. */
export function waypointPod(input: PodInput): object {
  const { settings, serviceAccount } = input;
  const { values } = settings;
  const seccompProfile = values.seccompProfile;
  return {
    ...values.scheduling,
    serviceAccountName: serviceAccount,
    containers: [
      {
        name: 'istio-proxy',
        ports,
        ...imageOf(input),
        args: [
          'proxy',
          'waypoint',
          '--domain',
          `$(POD_NAMESPACE).svc.${settings.domain}`,
          '--serviceCluster',
          `${serviceAccount}.$(POD_NAMESPACE)`,
          ...logArguments(input),
        ],
        env: variables(input),
        ...(Object.keys(values.waypointResources).length > 0 && { resources: values.waypointResources }),
        ...probes,
        securityContext: {
          ...securityContext(!values.isOpenShift),
          ...(seccompProfile !== undefined && { seccompProfile }),
        },
        volumeMounts: [
          mount('workload-socket', '/var/run/secrets/workload-spiffe-uds'),
          mount('istiod-ca-cert', '/var/run/secrets/istio'),
          mount('istio-data', '/var/lib/istio/data'),
          mount('istio-envoy', '/etc/istio/proxy'),
          mount('istio-token', '/var/run/secrets/tokens'),
          mount('istio-podinfo', '/etc/istio/pod'),
        ],
      },
    ],
    volumes: [
      { name: 'workload-socket', emptyDir: {} },
      { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
      { name: 'go-proxy-envoy', emptyDir: { medium: 'Memory' } },
      { name: 'istio-data', emptyDir: {} },
      { name: 'go-proxy-data', emptyDir: {} },
      podinfoVolume,
      tokenVolume('istio-ca'),
      rootVolume(settings),
    ],
    ...pullSecrets(input),
  };
}

function variables(input: PodInput): object[] {
  const { settings, labels, info } = input;
  const network = labels[NETWORK] ?? settings.network;
  const isEastWest = info.controllerName === 'istio.io/eastwest-controller';
  return [
    field('ISTIO_META_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    ...platformVariables(input),
    ...metadataVariables(input),
    limit('GOMEMLIMIT', 'limits.memory'),
    value(
      'ISTIO_META_CLUSTER_ID',
      settings.values.clusterName === '' ? settings.clusterId : settings.values.clusterName,
    ),
    ...(network === '' ? [] : [value('ISTIO_META_NETWORK', network)]),
    ...(network !== '' && isEastWest ? [value('ISTIO_META_REQUESTED_NETWORK_VIEW', network)] : []),
    value('ISTIO_META_INTERCEPTION_MODE', 'REDIRECT'),
    ...identityVariables(input),
  ];
}
