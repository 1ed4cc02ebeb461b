/**
 * What a connection needs to know in; the names that must be asked of the control plane first, out. Data thread.
 *
 * Only with `XDS_ON_DEMAND`: `outbound/listener.ts` and `inbound/listener.ts` wait here before they decide. The main
 * thread asks, publishes the answer and then says so, in this order (spec/node-proxy.md 4.4).
 */
import {
  findServiceByVip,
  findWorkload,
  type GatewayAddress,
  type IpPort,
  serviceKey,
  type Snapshot,
} from '@ambit/state';
import type { Clock } from '@ambit/runtime/clock';

/** Fetches what a connection needs. */
export interface OnDemand {
  /** Resolves when the address and everything that routing it refers to was asked for; never rejects. */
  fetch(network: string, ip: IpPort['ip']): Promise<void>;
}

/** How long "there is no such address" is believed; what appears meanwhile is found after it. */
export const ABSENT_MS = 5000;
/** Names kept as absent; beyond it all are forgotten. */
const MAX_ABSENT = 8192;
/** An address, its waypoint, the endpoints of that, their gateway: what refers to more is not waited for. */
const MAX_ROUNDS = 4;

/** Makes the fetcher of a data thread. `ask` resolves when the answers to all names are in the snapshot, or late. */
export function createOnDemand(options: {
  readonly snapshot: () => Snapshot;
  readonly ask: (names: readonly string[]) => Promise<void>;
  readonly clock: Clock;
}): OnDemand {
  const { snapshot, ask, clock } = options;
  const absentUntilMs = new Map<string, number>();
  const isWorthAsking = (name: string): boolean => (absentUntilMs.get(name) ?? 0) <= clock.now();
  return {
    async fetch(network, ip) {
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const names = missingNames(snapshot(), network, ip).filter(isWorthAsking);
        if (names.length === 0) return;
        await ask(names);
        const still = new Set(missingNames(snapshot(), network, ip));
        if (absentUntilMs.size > MAX_ABSENT) absentUntilMs.clear();
        for (const name of names) {
          if (still.has(name)) absentUntilMs.set(name, clock.now() + ABSENT_MS);
          else absentUntilMs.delete(name);
        }
      }
    },
  };
}

/** Names that routing to an address refers to and that the snapshot does not hold. */
export function missingNames(snapshot: Snapshot, network: string, ip: string): readonly string[] {
  const service = findServiceByVip(snapshot, network, ip, undefined);
  const workload = findWorkload(snapshot, network, ip);
  if (service === undefined && workload === undefined) return [`${network}/${ip}`];
  const members = service === undefined ? undefined : snapshot.endpoints.get(serviceKey(service))?.values();
  const references = [
    service?.waypoint,
    ...(service?.weightedWaypoints ?? []).map(({ destination }) => destination),
    workload?.waypoint,
    workload?.networkGateway,
    ...[...(members ?? [])].map((member) => member.workload.networkGateway),
  ];
  return [...new Set(references.flatMap((reference) => missingGateway(snapshot, reference)))];
}

function missingGateway(snapshot: Snapshot, reference: GatewayAddress | undefined): readonly string[] {
  if (reference === undefined) return [];
  const { destination } = reference;
  if (destination.kind === 'address') {
    const { network, ip } = destination;
    const isKnown =
      findServiceByVip(snapshot, network, ip, undefined) !== undefined ||
      findWorkload(snapshot, network, ip) !== undefined;
    return isKnown ? [] : [`${network}/${ip}`];
  }
  const key = `${destination.namespace}/${destination.hostname}`;
  return snapshot.services.has(key) || snapshot.workloadsByHostname.has(key) ? [] : [key];
}
