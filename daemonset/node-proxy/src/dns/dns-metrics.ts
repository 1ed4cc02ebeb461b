/**
 * DNS queries in, counts per label set out. One per data thread; a timer takes the deltas (spec/node-proxy.md 11.7).
 */

/** Labels and counts of one series since the last take. */
export interface DnsDelta {
  readonly queryType: string;
  readonly protocol: 'udp' | 'tcp';
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly requests: number;
  readonly upstreamRequests: number;
  readonly upstreamFailures: number;
  /** Seconds of each forwarded query. */
  readonly upstreamSeconds: readonly number[];
}

/** What happened to one query. */
export interface DnsOutcome {
  readonly queryType: string;
  readonly protocol: 'udp' | 'tcp';
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  /** Set when the query was forwarded. */
  readonly upstream?: { readonly seconds: number; readonly failed: boolean };
}

interface Counts {
  requests: number;
  upstreamRequests: number;
  upstreamFailures: number;
  upstreamSeconds: number[];
}

/** Most durations kept between two takes; the rest is counted but not observed. */
const MAX_DURATIONS = 4096;

/** Counts DNS queries of one thread. */
export class DnsMetrics {
  #series = new Map<string, { readonly labels: DnsOutcome; readonly counts: Counts }>();

  count(outcome: DnsOutcome): void {
    const key = [outcome.queryType, outcome.protocol, outcome.canonicalService, outcome.canonicalRevision].join(
      '\u0000',
    );
    let held = this.#series.get(key);
    if (held === undefined) {
      held = {
        labels: outcome,
        counts: { requests: 0, upstreamRequests: 0, upstreamFailures: 0, upstreamSeconds: [] },
      };
      this.#series.set(key, held);
    }
    const { counts } = held;
    counts.requests += 1;
    if (outcome.upstream === undefined) return;
    counts.upstreamRequests += 1;
    if (outcome.upstream.failed) counts.upstreamFailures += 1;
    if (counts.upstreamSeconds.length < MAX_DURATIONS) counts.upstreamSeconds.push(outcome.upstream.seconds);
  }

  /** Counts since the last call. */
  take(): DnsDelta[] {
    const taken = [...this.#series.values()].map(({ labels, counts }) => ({
      queryType: labels.queryType,
      protocol: labels.protocol,
      canonicalService: labels.canonicalService,
      canonicalRevision: labels.canonicalRevision,
      ...counts,
    }));
    this.#series = new Map();
    return taken;
  }
}

const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'a',
  2: 'ns',
  5: 'cname',
  6: 'soa',
  12: 'ptr',
  15: 'mx',
  16: 'txt',
  28: 'aaaa',
  33: 'srv',
  65: 'https',
  255: 'any',
};

/** Label value of a query type: a closed set, `other` for the rest (a client must not create series at will). */
export function queryTypeName(type: number): string {
  return TYPE_NAMES[type] ?? 'other';
}
