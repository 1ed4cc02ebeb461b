// Addresses and user ids handed out to the pods of one cluster process. Pure bookkeeping. Main thread.
import { LocalClusterError } from '../errors.ts';
import { FIRST_POD, LAST_POD } from '../network/topology.ts';
import type { NodePlace } from '../network/topology.ts';

/** Hands out pod addresses of one node, the longest unused first. */
export interface AddressLease {
  take(): string;
  release(ip: string): void;
}

/** Makes the lease of one node. `take` throws ERR_LOCAL_CLUSTER_ADDRESSES when all are used. */
export function createAddressLease(node: NodePlace): AddressLease {
  const free = Array.from({ length: LAST_POD - FIRST_POD + 1 }, (_, i) => `${node.podPrefix}.${FIRST_POD + i}`);
  return {
    take: () => {
      const ip = free.shift();
      if (ip === undefined) {
        throw new LocalClusterError('ERR_LOCAL_CLUSTER_ADDRESSES', `no free pod address on ${node.name}`, {
          hint: 'remove pods or start the cluster with more nodes',
        });
      }
      return ip;
    },
    release: (ip) => {
      free.push(ip);
    },
  };
}

const FIRST_USER = 100_000;
const LAST_USER = 165_000;
let nextUser = FIRST_USER;

/** A user id that no other pod of this process got recently. */
export function takeUserId(): number {
  const user = nextUser;
  nextUser = nextUser >= LAST_USER ? FIRST_USER : nextUser + 1;
  return user;
}
