// Host ports of pods as routes of their node: `<node address>:<hostPort>` leads to the pod. Pure.
// Comes in: pods. Goes out: routes that nftables rules are made from. Called by the service watcher.
import { isIPv4 } from 'node:net';
import type { Pod } from '../controllers/objects.ts';
import { isPodFinished } from '../controllers/selector.ts';
import type { ServiceRoute } from './service-table.ts';

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

/** Whether a pod asks for ports of its node; one in the node's own namespace has them anyway. */
export const hasHostPorts = ({ spec }: Pod): boolean =>
  spec.hostNetwork !== true &&
  spec.containers.some(({ ports = [] }) => ports.some(({ hostPort = 0 }) => hostPort !== 0));

/** Routes of the node's host ports, by pod and port; a pod without an address has none yet. */
export function hostPortRoutes(pods: readonly Pod[], nodeName: string): ServiceRoute[] {
  return pods
    .filter((pod) => pod.spec.nodeName === nodeName && hasHostPorts(pod) && !isPodFinished(pod))
    .flatMap((pod) => pod.spec.containers.flatMap(({ ports = [] }) => ports.flatMap((port) => routeOf(pod, port))));
}

type Port = NonNullable<Pod['spec']['containers'][number]['ports']>[number];

function routeOf(
  { metadata, status }: Pod,
  { name = '', containerPort, hostPort = 0, protocol }: Port,
): ServiceRoute[] {
  const transport = (protocol ?? 'TCP').toLowerCase();
  const ip = status?.podIP ?? '';
  const nodeIp = status?.hostIP ?? '';
  // The values end in rule text: whatever is not plainly an address or a port is left out.
  if (!isIPv4(ip) || !isIPv4(nodeIp) || !isPort(hostPort) || !isPort(containerPort)) return [];
  if (transport !== 'tcp' && transport !== 'udp') return [];
  return [
    {
      service: `pod ${metadata.namespace ?? ''}/${metadata.name}`,
      portName: name,
      protocol: transport,
      port: hostPort,
      addresses: [nodeIp],
      nodePort: undefined,
      endpoints: [{ ip, port: containerPort }],
      affinitySeconds: undefined,
    },
  ];
}
