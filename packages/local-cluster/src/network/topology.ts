// Addresses and names of everything the cluster's network consists of. Pure.
// Every node is a namespace; a transit namespace joins them; nothing is added to the host's own.

/** One node's place in the network. */
export interface NodePlace {
  /** 1 and up. */
  readonly index: number;
  readonly name: string;
  /** `172.30.0.<n>` (netns) or `127.18.0.<n>` (loopback). */
  readonly ip: string;
  /** First three numbers of the pod range: `10.244.1` (netns) or `127.244.1` (loopback). */
  readonly podPrefix: string;
  /** Name of the node's namespace under /run/netns; undefined in loopback mode. */
  readonly netns: string | undefined;
}

/** The most nodes that the address plan holds. */
export const MAX_NODES = 200;
/** Pod addresses per node: 2 to 254. */
export const FIRST_POD = 2;
/** See FIRST_POD. */
export const LAST_POD = 254;
/** Port at which the API server listens inside each node. */
export const NODE_API_PORT = 6443;
/** Port at which the cluster DNS listens inside each node. */
export const NODE_DNS_PORT = 53;
/** Port of a node's service relay in loopback mode. */
export const RELAY_PORT = 1080;

/** The prefix of all namespaces of one cluster. */
export function netnsPrefix(id: string): string {
  return `ambit-${id}-`;
}

/** The namespace that joins the nodes. */
export function transitNetns(id: string): string {
  return `${netnsPrefix(id)}transit`;
}

/**
 * Plans the nodes `node-1` to `node-<count>`. `offset` moves the addresses of loopback nodes, so that several clusters
 * fit on one machine; the first one has 0.
 */
export function planNodes(id: string, mode: 'netns' | 'loopback', count: number, offset = 0): NodePlace[] {
  return Array.from({ length: count }, (_, i) => {
    const index = i + 1;
    return {
      index,
      name: `node-${index}`,
      ip: mode === 'netns' ? `172.30.0.${index}` : `127.18.0.${index + offset}`,
      podPrefix: mode === 'netns' ? `10.244.${index}` : `127.244.${index + offset}`,
      netns: mode === 'netns' ? `${netnsPrefix(id)}n${index}` : undefined,
    };
  });
}
