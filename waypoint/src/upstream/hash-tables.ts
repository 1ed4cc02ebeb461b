/**
 * Tables of consistent hashing, kept as long as the endpoints of a backend are the same (spec/waypoint.md 2.5, 5.5).
 * In: candidates, a hash policy and the hash of a request. Out: one of them. Called by pick.ts; one per data thread.
 */
import { buildMaglev, buildRing, type Hash64, type HashTable } from '@ambit/l7';
import type { HashPolicy } from '@ambit/proto/waypoint';
import { addressText } from './address-text.ts';
import type { Candidate } from './candidates.ts';

/** Backends of which tables are kept; the one unused for longest is forgotten. */
const maxBackends = 1000;

interface Known {
  readonly candidates: readonly Candidate[];
  readonly table: HashTable;
}

/** What a policy says about its table. */
export type TableShape = Pick<HashPolicy, 'maglev' | 'size'>;

/** The tables of all backends. */
export class HashTables {
  readonly #known = new Map<string, Known>();

  /** The endpoint of a hash; undefined when there is none. */
  choose(
    backend: string,
    { maglev, size }: TableShape,
    candidates: readonly Candidate[],
    hash: Hash64,
  ): Candidate | undefined {
    // Several rules may hash the same backend in different ways.
    const key = `${backend} ${maglev ? 'maglev' : 'ring'} ${size}`;
    const known = this.#known.get(key);
    let table = known?.table;
    if (known === undefined || table === undefined || !areSame(known.candidates, candidates)) {
      const hosts = candidates.map(({ endpoint, weight }) => ({ name: addressText(endpoint), weight }));
      table = maglev ? buildMaglev(hosts, size || undefined) : buildRing(hosts, size || undefined);
    }
    if (known?.candidates !== candidates) {
      this.#known.delete(key);
      this.#known.set(key, { candidates, table });
      if (this.#known.size > maxBackends) this.#known.delete(this.#known.keys().next().value as string);
    }
    return candidates[table.at(hash) ?? -1];
  }
}

/** Other objects, same endpoints: something else of the mesh changed. */
const areSame = (one: readonly Candidate[], two: readonly Candidate[]): boolean =>
  one === two ||
  (one.length === two.length &&
    one.every(({ endpoint, weight }, index) => {
      const other = two[index];
      return other?.endpoint.key === endpoint.key && other.weight === weight;
    }));
