// In: the body that the plugin posts. Out: what it says, checked. Pure. Called by cmdadd-route.ts; written by run-plugin.ts.
// Source: spec node-agent 6.4.
import { addressFamily } from '../rules/address-text.ts';

/** A pod whose sandbox the container runtime is making. */
export interface AddRequest {
  /** Path of the pod's network namespace on the node. */
  readonly netns: string;
  readonly name: string;
  readonly namespace: string;
  /** The pod's UID as the container runtime knows it; empty when it does not tell, or when the plugin is upstream's. */
  readonly uid: string;
  readonly ips: readonly string[];
}

/** Most addresses of one pod that are looked at. */
const addressLimit = 32;

/** Fields by lower-case name, because the peer may be Istio's plugin, whose decoder ignores case. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const unmapped = (ip: string): string =>
  ip.toLowerCase().startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;

/** Reads the body; undefined when it is no such request. Addresses that are none are left out: anybody on the node may write to the socket. */
export function parseAddRequest(text: string): AddRequest | undefined {
  let body: Readonly<Record<string, unknown>>;
  try {
    body = fieldsOf(JSON.parse(text));
  } catch {
    return undefined;
  }
  const list = Array.isArray(body['ips']) ? (body['ips'] as unknown[]).slice(0, addressLimit) : [];
  const ips = list
    .map((entry) => unmapped(textOf(fieldsOf(fieldsOf(entry)['address'])['ip'])))
    .filter((ip) => addressFamily(ip) !== 0);
  const request = {
    netns: textOf(body['netns']),
    name: textOf(body['podname']),
    namespace: textOf(body['podnamespace']),
    uid: textOf(body['poduid']),
    ips,
  };
  return request.netns === '' || request.name === '' || request.namespace === '' ? undefined : request;
}
