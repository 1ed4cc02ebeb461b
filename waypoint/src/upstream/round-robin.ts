/**
 * Weighted round robin that spreads an endpoint's turns evenly (spec/waypoint.md 5.5). In: the candidates of a backend. Out: the
 * next one. Turns are kept by endpoint, so that a change of the set disturbs nobody else. Called by pick.ts; data thread.
 */

/** One that may be chosen. */
export interface Turn {
  readonly endpoint: { readonly key: string };
  readonly weight: number;
}

/** Backends of which turns are kept; the one unused for longest is forgotten. */
const maxBackends = 10_000;

/** The turns of all backends. */
export class RoundRobin {
  readonly #credits = new Map<string, Map<string, number>>();

  /** Every candidate gains its weight, the one with the most pays for all. Newcomers start anywhere in their first round. */
  next<T extends Turn>(backend: string, candidates: readonly T[], random: () => number): T | undefined {
    const known = this.#credits.get(backend);
    const credits = new Map<string, number>();
    let total = 0;
    let best: T | undefined;
    let most = Number.NEGATIVE_INFINITY;
    for (const candidate of candidates) {
      const { endpoint, weight } = candidate;
      const credit = (known?.get(endpoint.key) ?? random() * weight) + weight;
      credits.set(endpoint.key, credit);
      total += weight;
      if (credit <= most) continue;
      most = credit;
      best = candidate;
    }
    if (best !== undefined) credits.set(best.endpoint.key, most - total);
    this.#credits.delete(backend);
    this.#credits.set(backend, credits);
    if (this.#credits.size > maxBackends) this.#credits.delete(this.#credits.keys().next().value as string);
    return best;
  }
}
