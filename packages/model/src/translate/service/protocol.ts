// Application protocol of a service port (spec control-plane 2.9 W21). In: port fields. Out: istio.workload.AppProtocol.
import type { ServicePort } from '@ambit/resources';
import { AppProtocol } from '../../wire.ts';

/** What a port speaks, in the words of upstream; `unsupported` when nothing is known. */
export type PortProtocol =
  | 'tcp'
  | 'udp'
  | 'grpc'
  | 'grpc-web'
  | 'http'
  | 'http_proxy'
  | 'http2'
  | 'https'
  | 'tls'
  | 'mongo'
  | 'redis'
  | 'mysql'
  | 'unsupported';

const NAMES: ReadonlySet<string> = new Set([
  'tcp',
  'udp',
  'grpc',
  'grpc-web',
  'http',
  'http_proxy',
  'http2',
  'https',
  'tls',
  'mongo',
  'redis',
  'mysql',
]);
const APP_PROTOCOLS: Readonly<Record<string, PortProtocol>> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
};
// Ports whose servers speak first, where waiting for client bytes to detect HTTP would hang.
const SERVER_FIRST_PORTS = new Set([25, 53, 3306, 27017]);

/** Protocol of a Kubernetes Service port. */
export function portProtocol(port: ServicePort): PortProtocol {
  if (port.protocol === 'UDP') return 'udp';
  const known = port.appProtocol === undefined ? undefined : APP_PROTOCOLS[port.appProtocol];
  const protocol = known ?? protocolOfText(port.appProtocol ?? port.name ?? '');
  return protocol === 'unsupported' && SERVER_FIRST_PORTS.has(port.port) ? 'tcp' : protocol;
}

/** Protocol that a port name or a protocol text stands for: its part before the first dash. */
export function protocolOfText(text: string): PortProtocol {
  const lower = text.toLowerCase();
  if (lower.startsWith('grpc-web')) return 'grpc-web';
  const dash = lower.indexOf('-');
  const name = dash < 0 ? lower : lower.slice(0, dash);
  return NAMES.has(name) ? (name as PortProtocol) : 'unsupported';
}

/** The wire number of a protocol; what it cannot say is UNKNOWN. */
export function appProtocolOf(protocol: PortProtocol): number {
  switch (protocol) {
    case 'http':
      return AppProtocol.HTTP11;
    case 'http2':
      return AppProtocol.HTTP2;
    case 'grpc':
      return AppProtocol.GRPC;
    case 'tls':
    case 'https':
      return AppProtocol.TLS;
    case 'tcp':
      return AppProtocol.TCP;
    default:
      return AppProtocol.UNKNOWN;
  }
}
