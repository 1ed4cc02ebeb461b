// The pod of an ingress or egress gateway (spec control-plane 6.3, class `istio`). Pure; called by render.ts.
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
export function ingressPod(input: PodInput): object {
  const { settings, serviceAccount } = input;
  const { values } = settings;
  const { seccompProfile } = values;
  return {
    securityContext: values.gatewaySecurity ?? {
      sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
      ...(seccompProfile !== undefined && { seccompProfile }),
    },
    serviceAccountName: serviceAccount,
    containers: [
      {
        name: 'istio-proxy',
        ...imageOf(input),
        ...(Object.keys(values.proxyResources).length > 0 && { resources: values.proxyResources }),
        securityContext: securityContext(true),
        ports,
        args: ['proxy', 'router', '--domain', `$(POD_NAMESPACE).svc.${settings.domain}`, ...logArguments(input)],
        ...(values.lifecycle !== undefined && { lifecycle: values.lifecycle }),
        env: variables(input),
        ...probes,
        volumeMounts: [
          mount('workload-socket', '/var/run/secrets/workload-spiffe-uds'),
          mount('credential-socket', '/var/run/secrets/credential-uds'),
          mount('workload-certs', '/var/run/secrets/workload-spiffe-credentials'),
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
      { name: 'credential-socket', emptyDir: {} },
      { name: 'workload-certs', emptyDir: {} },
      { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
      { name: 'istio-data', emptyDir: {} },
      podinfoVolume,
      tokenVolume(values.tokenAudience),
      rootVolume(settings),
    ],
    ...pullSecrets(input),
  };
}

function variables(input: PodInput): object[] {
  const { settings, labels } = input;
  const { values } = settings;
  const view = labels[NETWORK];
  const network = view ?? settings.network;
  return [
    ...platformVariables(input),
    value('ISTIO_META_POD_PORTS', '[]'),
    value('ISTIO_META_APP_CONTAINERS', ''),
    limit('GOMEMLIMIT', 'limits.memory'),
    value('ISTIO_META_CLUSTER_ID', values.clusterName === '' ? settings.clusterId : values.clusterName),
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    value('ISTIO_META_INTERCEPTION_MODE', 'REDIRECT'),
    ...(network === '' ? [] : [value('ISTIO_META_NETWORK', network)]),
    ...identityVariables(input),
    ...metadataVariables(input),
    ...(view === undefined ? [] : [value('ISTIO_META_REQUESTED_NETWORK_VIEW', view)]),
  ];
}
