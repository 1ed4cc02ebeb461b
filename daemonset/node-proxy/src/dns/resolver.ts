/**
 * An asked name and type in; a local answer, or "forward it" out. Pure; used by `server.ts` and `outbound/socks5.ts`.
 *
 * Which names are answered and how the service is chosen: spec/node-proxy.md 11.2 to 11.5.
 */
import { bestService, type Service, serviceKey, type Snapshot, type Workload } from '@ambit/state';
import ipaddr from 'ipaddr.js';
import { type DnsAnswer, TYPE_A, TYPE_AAAA, TYPE_CNAME } from './message.ts';
import { candidates, podSearchDomains, withWildcards } from './names.ts';

/** Seconds that clients may keep an answer. */
export const TTL_SECONDS = 30;

/** What the resolver knows about the asking pod and this proxy. */
export interface ResolveContext {
  readonly client: Workload;
  readonly clusterDomain: string;
  /** Search list; undefined: that of a pod in the client's namespace. */
  readonly searchDomains: readonly string[] | undefined;
  readonly preferredNamespace: string | undefined;
  readonly ipv6: boolean;
  readonly random: () => number;
}

/** The decision about one query. */
export type DnsDecision =
  | { readonly kind: 'forward' }
  | { readonly kind: 'answer'; readonly answers: readonly DnsAnswer[]; readonly result: string };

/** Decides one query. `name` is lower case without the final dot. */
export function resolveName(snapshot: Snapshot, name: string, type: number, context: ResolveContext): DnsDecision {
  if (type !== TYPE_A && type !== TYPE_AAAA) return { kind: 'forward' };
  const match = findService(snapshot, name, context);
  if (match === undefined) return { kind: 'forward' };
  const family = type === TYPE_A ? 4 : 6;
  if (!answersFamily(match.service, family, context)) {
    return { kind: 'answer', answers: [], result: 'service does not support this record type' };
  }
  const addresses = addressesOf(snapshot, match.service, family, context);
  if (addresses.length === 0) return { kind: 'answer', answers: [], result: 'no records' };
  const records = shuffle(addresses, context.random);
  const owner = match.cname ?? name;
  const answers: DnsAnswer[] = records.map((ip) => ({
    name: owner,
    type,
    address: Uint8Array.from(ipaddr.parse(ip).toByteArray()),
  }));
  if (match.cname !== undefined) answers.unshift({ name, type: TYPE_CNAME, target: match.cname });
  return { kind: 'answer', answers, result: 'success' };
}

/** Addresses of a host name for the SOCKS5 listener: the first usable one, or undefined. */
export function resolveHostname(
  snapshot: Snapshot,
  name: string,
  family: 4 | 6,
  context: ResolveContext,
): string | undefined {
  const match = findService(snapshot, name, context);
  if (match === undefined || !answersFamily(match.service, family, context)) return undefined;
  return addressesOf(snapshot, match.service, family, context)[0];
}

interface Match {
  readonly service: Service;
  /** Set when the answer needs a CNAME: a search domain was cut off and the match is no wildcard. */
  readonly cname: string | undefined;
}

function findService(snapshot: Snapshot, asked: string, context: ResolveContext): Match | undefined {
  const { client, clusterDomain } = context;
  const searchDomains = context.searchDomains ?? podSearchDomains(client.namespace, clusterDomain);
  for (const candidate of candidates(asked, { namespace: client.namespace, clusterDomain, searchDomains })) {
    for (const hostname of withWildcards(candidate.name)) {
      const known = snapshot.servicesByHostname.get(hostname);
      if (known === undefined) continue;
      const usable = known.filter(
        (service) => service.vips.length > 0 || service.hostname.endsWith(`.svc.${clusterDomain}`),
      );
      const service = bestService(usable, client.namespace, context.preferredNamespace);
      if (service === undefined) continue;
      const isWildcard = hostname !== candidate.name;
      return { service, cname: candidate.stripped && !isWildcard ? candidate.name : undefined };
    }
  }
  return undefined;
}

function answersFamily(service: Service, family: 4 | 6, context: ResolveContext): boolean {
  if (family === 6 && !context.ipv6) return false;
  if (service.ipFamilies === 'IPV4') return family === 4;
  if (service.ipFamilies === 'IPV6') return family === 6;
  return true;
}

function addressesOf(snapshot: Snapshot, service: Service, family: 4 | 6, context: ResolveContext): readonly string[] {
  const isFamily = (ip: string): boolean => ip.includes(':') === (family === 6);
  if (service.vips.length > 0) {
    return service.vips
      .filter(({ network, ip }) => network === context.client.network && isFamily(ip))
      .map(({ ip }) => ip);
  }
  const allowAll = service.loadBalancer?.healthPolicy === 'ALLOW_ALL';
  const result: string[] = [];
  for (const { workload } of snapshot.endpoints.get(serviceKey(service))?.values() ?? []) {
    const ip = workload.ips.find(isFamily);
    if (ip !== undefined && (workload.healthy || allowAll)) result.push(ip);
  }
  return result;
}

function shuffle<T>(items: readonly T[], random: () => number): readonly T[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const held = result[at];
    const moved = result[other];
    if (held === undefined || moved === undefined) continue;
    result[at] = moved;
    result[other] = held;
  }
  return result;
}
