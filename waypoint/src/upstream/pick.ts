/**
 * Backend + snapshot -> one endpoint and the identity it must have (spec/waypoint.md 1.8, 5.5).
 * Path 4, step 7. Pure apart from the counters of active requests; data thread.
 */
import type { Hash64 } from '@ambit/l7';
import { type Backend, Backend_Kind, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import type { Snapshot, Workload } from '@ambit/state';
import type { FrontendPort } from '../updates/compiled-config.ts';
import { ActiveCounts } from './active-counts.ts';
import { type Candidate, candidatesOf, dynamicNameOf, hostsOf, isNamed } from './candidates.ts';
import { HashTables, type TableShape } from './hash-tables.ts';
import type { Names } from './names.ts';
import { createOutlierDetector, type TryResult } from './outlier.ts';
import { beyond, endpointsOf } from './priority-load.ts';
import { RoundRobin } from './round-robin.ts';
import { WarmUp } from './warm-up.ts';

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
  /** Name that the request is for (`Host`, or the server name of TLS), for DYNAMIC_DNS. */
  readonly host?: string | undefined;
  /** Keys of endpoints that this request has already tried and should avoid. */
  readonly avoid: ReadonlySet<string>;
  /** Keys of endpoints whose priorities are left out, as long as there are others (`retryRemoteLocalities`). */
  readonly beyond?: ReadonlySet<string> | undefined;
  /** Consistent hashing: the same hash leads to the same endpoint. */
  readonly hashed?: { readonly hash: Hash64; readonly shape: TableShape } | undefined;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/** Chooses endpoints and knows how busy each is. One per data thread. */
export interface Picker {
  /** Waits for the addresses of a backend that has names, or of the name of the request; undefined when there is nothing to wait for. */
  prepare(backend: Backend | undefined, snapshot: Snapshot, host: string | undefined): Promise<void> | undefined;
  /** Undefined: no usable endpoint (503 UH). */
  pick(input: PickInput): UpstreamEndpoint | undefined;
  /** Counts how a try ended, for outlier detection. */
  report(backend: Backend | undefined, endpoint: UpstreamEndpoint, result: TryResult): void;
  /** Another thread found an endpoint ill. */
  eject(backend: string, endpointKey: string, forMs: number): void;
  /** Counts a request in work; dispose when it is over. */
  begin(endpoint: UpstreamEndpoint): Disposable;
}

/** Settings of {@link createPicker}. */
export interface PickerOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Addresses of backends that have names; without it they have no endpoints. */
  readonly names?: Names;
  /** An endpoint is left out for so many milliseconds. */
  readonly onEjected?: (backend: string, endpointKey: string, forMs: number) => void;
}

/** Makes a picker. */
export const createPicker = (options: PickerOptions = {}): Picker => {
  const { now = () => performance.now(), names, onEjected } = options;
  const outliers = createOutlierDetector();
  const totals = new Map<string, number>();
  const active = new ActiveCounts();
  const turns = new RoundRobin();
  const tables = new HashTables();
  const warmUp = new WarmUp();
  /** Ejected endpoints are left out. */
  const withoutOutliers = (backend: Backend | undefined, all: readonly Candidate[]): readonly Candidate[] => {
    if (backend?.outlier === undefined) return all;
    const name = backendKeyOf(backend);
    totals.set(name, all.length);
    const nowMs = now();
    return all.filter(({ endpoint }) => !outliers.isEjected(name, endpoint.key, nowMs));
  };
  const warm = (backend: Backend, all: readonly Candidate[]): readonly Candidate[] =>
    warmUp.apply(backendKeyOf(backend), backend.lb, all, now());
  return {
    prepare: (backend, snapshot, host) => {
      if (backend === undefined) return undefined;
      if (isNamed(backend)) return names?.prepare(hostsOf(backend, snapshot).map((named) => named.host));
      const name = backend.kind === Backend_Kind.DYNAMIC_DNS ? dynamicNameOf(backend, host) : undefined;
      return name === undefined ? undefined : names?.prepare([name], 'dynamic');
    },
    pick: (input) => {
      const known = beyond(candidatesOf(input, names), input.beyond);
      const healthy = withoutOutliers(input.backend, known);
      const bound = input.prefers === undefined ? undefined : healthy.find(({ endpoint }) => input.prefers?.(endpoint));
      if (bound !== undefined && !input.avoid.has(bound.endpoint.key)) return bound.endpoint;
      const all = endpointsOf(known, healthy, input.backend?.outlier?.minHealthPercent ?? 0, input.random);
      const { hashed } = input;
      if (hashed !== undefined) {
        const name = input.backend === undefined ? (input.frontend?.key ?? '') : backendKeyOf(input.backend);
        return tables.choose(name, hashed.shape, all, hashed.hash)?.endpoint;
      }
      const warmed = input.backend?.lb === undefined ? all : warm(input.backend, all);
      const fresh = input.avoid.size === 0 ? warmed : warmed.filter(({ endpoint }) => !input.avoid.has(endpoint.key));
      const candidates = fresh.length > 0 ? fresh : warmed;
      if (candidates.length < 2) return candidates[0]?.endpoint;
      switch (input.backend?.lb?.algo ?? LoadBalancer_Algo.LEAST_REQUEST) {
        case LoadBalancer_Algo.ROUND_ROBIN: {
          const name = input.backend === undefined ? (input.frontend?.key ?? '') : backendKeyOf(input.backend);
          return turns.next(name, candidates, input.random)?.endpoint;
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
      const forMs = outliers.report(name, backend.outlier, endpoint.key, result, totals.get(name) ?? 1, now());
      if (forMs !== undefined) onEjected?.(name, endpoint.key, forMs);
    },
    eject: (backend, key, forMs) => outliers.eject(backend, key, forMs, now()),
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
  let total = 0;
  for (const { weight } of candidates) total += weight;
  let left = random * total;
  for (const candidate of candidates) {
    if (left < candidate.weight) return candidate;
    left -= candidate.weight;
  }
  return candidates.at(-1) as Candidate;
};
