/**
 * Slow start: endpoints that are new get a part of their share that grows with their age (DestinationRule `warmup`,
 * spec/waypoint.md 3.11). In: the candidates of a backend and the time. Out: the same with smaller weights. Only for round robin and
 * least request. Called by pick.ts; data thread.
 */
import { type LoadBalancer, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import type { Turn } from './round-robin.ts';

/** Since when the endpoints of backends with slow start are known. */
export class WarmUp {
  readonly #seen = new Map<string, Map<string, number>>();

  /** Weights as of now. An endpoint that went and comes back is new. */
  apply<T extends Turn>(backend: string, lb: LoadBalancer | undefined, all: readonly T[], nowMs: number): readonly T[] {
    const durationMs = Number(lb?.warmup?.seconds ?? 0n) * 1000 + (lb?.warmup?.nanos ?? 0) / 1e6;
    if (lb === undefined || durationMs <= 0 || !grows(lb.algo)) return all;
    const before = this.#seen.get(backend);
    const seen = new Map<string, number>();
    for (const { endpoint } of all) seen.set(endpoint.key, before?.get(endpoint.key) ?? nowMs);
    this.#seen.set(backend, seen);
    return all.map((candidate) => {
      const ageMs = nowMs - (seen.get(candidate.endpoint.key) ?? nowMs);
      return ageMs >= durationMs
        ? candidate
        : { ...candidate, weight: candidate.weight * shareOf(lb, ageMs, durationMs) };
    });
  }
}

const grows = (algo: LoadBalancer_Algo): boolean =>
  algo === LoadBalancer_Algo.LEAST_REQUEST || algo === LoadBalancer_Algo.ROUND_ROBIN;

/** Age in whole seconds, at least one; at least the smallest share, of 10 % where none is said. */
const shareOf = ({ warmupMin, warmupAggression }: LoadBalancer, ageMs: number, durationMs: number): number => {
  const age = Math.max(1, Math.floor(ageMs / 1000)) * 1000;
  const share = (age / durationMs) ** (1 / (warmupAggression > 0 ? warmupAggression : 1));
  return Math.min(1, Math.max((warmupMin || 10) / 100, share));
};
