/**
 * Backend + snapshot -> one endpoint and the identity it must have (spec/waypoint.md 1.8, 5.5).
 * Path 4, step 7. Pure apart from the counters of active requests; data thread.
 */
import { chooseByHash } from '@ambit/l7';
import { type Backend, Backend_Kind, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import {
  type Endpoint,
  findWorkload,
  identityOf,
  rankOf,
  type Service,
  type Snapshot,
  targetPortOf,
  type Workload,
} from '@ambit/state';
import type { FrontendPort } from '../updates/compiled-config.ts';
import { ActiveCounts } from './active-counts.ts';
import type { Names } from './names.ts';
import { createOutlierDetector, type TryResult } from './outlier.ts';

/** Where a try goes. */
export interface UpstreamEndpoint {
  readonly ip: string;
  readonly port: number;
  readonly transport: 'hbone' | 'tcp';
  /** Identities of which one must be the peer's; only for `hbone`. */
  readonly expected: readonly string[];
  readonly workload: Workload | undefined;
  /** Equal for endpoints that may share connections. */
  readonly key: string;
}

/** What a pick depends on. */
export interface PickInput {
  readonly backend: Backend | undefined;
  /** Undefined for calls of the waypoint itself, which always have a backend. */
  readonly frontend: FrontendPort | undefined;
  /** Address that the client dialled, for PASSTHROUGH and workload frontends. */
  readonly destinationIp: string | undefined;
  readonly snapshot: Snapshot;
  readonly network: string;
  /** The waypoint's own workload, the reference of locality preferences; undefined while it is unknown. */
  readonly self: Workload | undefined;
  /** True for the endpoint that a session is bound to. */
  readonly prefers?: ((endpoint: UpstreamEndpoint) => boolean) | undefined;
  /** Keys of endpoints that this request has already tried and should avoid. */
  readonly avoid: ReadonlySet<string>;
  /** Key of consistent hashing; the same key leads to the same endpoint. */
  readonly hashKey?: string | undefined;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/** Chooses endpoints and knows how busy each is. One per data thread. */
export interface Picker {
  /** Waits for the addresses of a backend that has names; undefined when there is nothing to wait for. */
  prepare(backend: Backend | undefined, snapshot: Snapshot): Promise<void> | undefined;
  /** Undefined: no usable endpoint (503 UH). */
  pick(input: PickInput): UpstreamEndpoint | undefined;
  /** Counts how a try ended, for outlier detection. */
  report(backend: Backend | undefined, endpoint: UpstreamEndpoint, result: TryResult): void;
  /** Counts a request in work; dispose when it is over. */
  begin(endpoint: UpstreamEndpoint): Disposable;
}

interface Candidate {
  readonly endpoint: UpstreamEndpoint;
  readonly weight: number;
}

/** Settings of {@link createPicker}. */
export interface PickerOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Addresses of backends that have names; without it they have no endpoints. */
  readonly names?: Names;
}

/** Makes a picker. */
export const createPicker = (options: PickerOptions = {}): Picker => {
  const { now = () => performance.now(), names } = options;
  const outliers = createOutlierDetector();
  const totals = new Map<string, number>();
  const active = new ActiveCounts();
  const turns = new Map<string, number>();
  /** Ejected endpoints are left out, unless too few would remain (`minHealthPercent`). */
  const withoutOutliers = (backend: Backend | undefined, all: readonly Candidate[]): readonly Candidate[] => {
    if (backend?.outlier === undefined) return all;
    const name = backendKeyOf(backend);
    totals.set(name, all.length);
    const nowMs = now();
    const healthy = all.filter(({ endpoint }) => !outliers.isEjected(name, endpoint.key, nowMs));
    const share = (healthy.length / Math.max(1, all.length)) * 100;
    return share < backend.outlier.minHealthPercent ? all : healthy;
  };
  return {
    prepare: (backend, snapshot) =>
      isNamed(backend) ? names?.prepare(hostsOf(backend, snapshot).map(({ host }) => host)) : undefined,
    pick: (input) => {
      const known = candidatesOf(input, names);
      const all = withoutOutliers(input.backend, known);
      const bound = input.prefers === undefined ? undefined : all.find(({ endpoint }) => input.prefers?.(endpoint));
      if (bound !== undefined && !input.avoid.has(bound.endpoint.key)) return bound.endpoint;
      if (input.hashKey !== undefined)
        return chooseByHash(all, input.hashKey, ({ endpoint }) => endpoint.key)?.endpoint;
      const fresh = all.filter(({ endpoint }) => !input.avoid.has(endpoint.key));
      const candidates = fresh.length > 0 ? fresh : all;
      if (candidates.length < 2) return candidates[0]?.endpoint;
      switch (input.backend?.lb?.algo ?? LoadBalancer_Algo.LEAST_REQUEST) {
        case LoadBalancer_Algo.ROUND_ROBIN: {
          const name = input.backend === undefined ? (input.frontend?.key ?? '') : backendKeyOf(input.backend);
          const turn = turns.get(name) ?? Math.floor(input.random() * candidates.length);
          turns.set(name, turn + 1);
          return candidates[turn % candidates.length]?.endpoint;
        }
        case LoadBalancer_Algo.HASH: // the request has nothing to hash
        case LoadBalancer_Algo.RANDOM:
          return byWeight(candidates, input.random()).endpoint;
        default:
          return leastBusy(candidates, active, input.random).endpoint;
      }
    },
    report: (backend, endpoint, result) => {
      if (backend?.outlier === undefined) return;
      const name = backendKeyOf(backend);
      outliers.report(name, backend.outlier, endpoint.key, result, totals.get(name) ?? 1, now());
    },
    begin: ({ key }) => active.hold(key),
  };
};

/** Names a backend for counters. */
export const backendKeyOf = ({ serviceNamespace, hostname, port, subset }: Backend): string =>
  `${serviceNamespace}/${hostname}/${port}/${subset}`;

/** Power of two choices on load per weight. */
const leastBusy = (candidates: readonly Candidate[], active: ActiveCounts, random: () => number): Candidate => {
  const one = byWeight(candidates, random());
  const two = byWeight(candidates, random());
  const load = ({ endpoint, weight }: Candidate): number => (active.of(endpoint.key) + 1) / weight;
  return load(two) < load(one) ? two : one;
};

const byWeight = (candidates: readonly Candidate[], random: number): Candidate => {
  let left = random * candidates.reduce((sum, { weight }) => sum + weight, 0);
  for (const candidate of candidates) {
    if (left < candidate.weight) return candidate;
    left -= candidate.weight;
  }
  return candidates.at(-1) as Candidate;
};

const candidatesOf = (input: PickInput, names: Names | undefined): Candidate[] => {
  const { backend, frontend, snapshot } = input;
  if (backend === undefined)
    return frontend === undefined ? [] : workloadCandidates(input, frontend.workloadUid, frontend.port);
  if (backend.noTraffic) return [];
  switch (backend.kind) {
    case Backend_Kind.SERVICE:
      return serviceCandidates(input, backend);
    case Backend_Kind.STATIC:
      return staticCandidates(backend);
    case Backend_Kind.PASSTHROUGH: {
      const { destinationIp, network } = input;
      const workload = destinationIp === undefined ? undefined : findWorkload(snapshot, network, destinationIp);
      if (workload !== undefined) return workloadCandidates(input, workload.uid, backend.port || (frontend?.port ?? 0));
      return destinationIp === undefined ? [] : [plain(destinationIp, backend.port || (frontend?.port ?? 0), 1)];
    }
    case Backend_Kind.DNS:
    case Backend_Kind.DNS_ROUND_ROBIN:
      return namedCandidates(backend, snapshot, names);
    default:
      return []; // names of requests, and inference pools: not yet
  }
};

const isNamed = (backend: Backend | undefined): backend is Backend =>
  backend !== undefined && (backend.kind === Backend_Kind.DNS || backend.kind === Backend_Kind.DNS_ROUND_ROBIN);

interface NamedHost {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
}

/** Names behind a backend: its own endpoints, else the members of its service, else its host name. Members with tunnels have no names. */
const hostsOf = (backend: Backend, snapshot: Snapshot): NamedHost[] => {
  if (backend.endpoints.length > 0) {
    return backend.endpoints.flatMap(({ address, port, weight, hbone }) =>
      hbone ? [] : [{ host: address, port: port || backend.port, weight: weight || 1 }],
    );
  }
  const key = `${backend.serviceNamespace}/${backend.hostname}`;
  const service = snapshot.services.get(key);
  const members = [...(snapshot.endpoints.get(key)?.values() ?? [])];
  if (service === undefined || members.length === 0) {
    return backend.hostname.startsWith('*') ? [] : [{ host: backend.hostname, port: backend.port, weight: 1 }];
  }
  const subset = backend.subset === '' ? undefined : new Set(backend.members);
  return members.flatMap((member) => {
    const { workload } = member;
    const port = targetPortOf(service, member, backend.port);
    const host = workload.hostname || workload.ips[0];
    const isOut = workload.protocol === 'HBONE' || workload.capacity === 0 || subset?.has(workload.uid) === false;
    return port === undefined || host === undefined || isOut ? [] : [{ host, port, weight: workload.capacity }];
  });
};

/** Every address is an endpoint; with DNS_ROUND_ROBIN only the first of each name. */
const namedCandidates = (backend: Backend, snapshot: Snapshot, names: Names | undefined): Candidate[] =>
  hostsOf(backend, snapshot).flatMap(({ host, port, weight }) => {
    const addresses = names?.addressesOf(host) ?? [];
    const used = backend.kind === Backend_Kind.DNS ? addresses : addresses.slice(0, 1);
    return used.map((ip) => plain(ip, port, weight));
  });

const serviceCandidates = (input: PickInput, backend: Backend): Candidate[] => {
  const key = `${backend.serviceNamespace}/${backend.hostname}`;
  const service = input.snapshot.services.get(key);
  const members = input.snapshot.endpoints.get(key);
  if (service === undefined || members === undefined) return [];
  const subset = backend.subset === '' ? undefined : new Set(backend.members);
  const usable: Endpoint[] = [];
  for (const [uid, member] of members) {
    if (subset !== undefined && !subset.has(uid)) continue;
    if (isUsable(member.workload, service, input.network)) usable.push(member);
  }
  return keepPreferred(usable, service, input.self).flatMap((member) => {
    const port = targetPortOf(service, member, backend.port);
    return port === undefined ? [] : [endpointOf(member.workload, port, service.subjectAltNames)];
  });
};

const isUsable = (workload: Workload, service: Service, network: string): boolean => {
  if (!workload.healthy && service.loadBalancer?.healthPolicy !== 'ALLOW_ALL') return false;
  return workload.capacity > 0 && workload.ips.length > 0 && workload.network === network;
};

const keepPreferred = (
  members: readonly Endpoint[],
  service: Service,
  self: Workload | undefined,
): readonly Endpoint[] => {
  const balancer = service.loadBalancer;
  if (balancer === undefined || self === undefined || balancer.mode === 'STANDARD' || balancer.mode === 'PASSTHROUGH')
    return members;
  let best: Endpoint[] = [];
  let bestRank = -1;
  for (const member of members) {
    const { rank, matched } = rankOf(self, member.workload, balancer.routingPreferences);
    if (balancer.mode === 'STRICT' && matched < balancer.routingPreferences.length) continue;
    if (rank > bestRank) {
      best = [member];
      bestRank = rank;
    } else if (rank === bestRank) best.push(member);
  }
  return best;
};

const workloadCandidates = (input: PickInput, uid: string | undefined, port: number): Candidate[] => {
  const workload = uid === undefined ? undefined : input.snapshot.workloads.get(uid);
  return workload === undefined || workload.ips.length === 0 || workload.network !== input.network
    ? []
    : [endpointOf(workload, port, [])];
};

const endpointOf = (workload: Workload, port: number, extraNames: readonly string[]): Candidate => {
  const ip = workload.ips[0] as string;
  const isTunnelled = workload.protocol === 'HBONE';
  const expected = isTunnelled ? [identityOf(workload), ...extraNames] : [];
  return {
    weight: workload.capacity,
    endpoint: {
      ip,
      port,
      transport: isTunnelled ? 'hbone' : 'tcp',
      expected,
      workload,
      key: `${isTunnelled ? 'hbone' : 'tcp'} ${ip} ${port} ${expected.join(' ')}`,
    },
  };
};

const plain = (ip: string, port: number, weight: number): Candidate => ({
  weight,
  endpoint: { ip, port, transport: 'tcp', expected: [], workload: undefined, key: `tcp ${ip} ${port}` },
});

const staticCandidates = (backend: Backend): Candidate[] =>
  backend.endpoints
    .filter((endpoint) => !endpoint.hbone || backend.subjectAltNames.length > 0)
    .map((endpoint) => {
      const made = plain(endpoint.address, endpoint.port || backend.port, endpoint.weight || 1);
      if (!endpoint.hbone) return made;
      const expected = backend.subjectAltNames;
      const key = `hbone ${endpoint.address} ${endpoint.port} ${expected.join(' ')}`;
      return { ...made, endpoint: { ...made.endpoint, transport: 'hbone', expected, key } };
    });
