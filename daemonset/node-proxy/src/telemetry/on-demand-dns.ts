/**
 * Resolutions of workloads that only have a host name in; counts per source and name out. One per data thread.
 *
 * `outbound/connect.ts` counts each attempt, cached or not; the thread's report takes them once per second
 * (`istio_on_demand_dns_total`, spec/node-proxy.md 9.1).
 */
import type { ConnectionParty } from './connection-record.ts';
import { labelValue, SOURCE_LABELS, sourceLabels } from './source-labels.ts';

/** Labels of the metric, in exposition order. */
export const ON_DEMAND_DNS_LABELS = [...SOURCE_LABELS, 'hostname'] as const;

/** What was counted for one label set since the last report. */
export interface OnDemandDnsDelta {
  /** Values in the order of {@link ON_DEMAND_DNS_LABELS}. */
  readonly labels: readonly string[];
  readonly count: number;
}

/** Counts of one data thread. */
export class OnDemandDns {
  readonly #counts = new Map<string, { labels: readonly string[]; count: number }>();

  count(source: ConnectionParty, hostname: string): void {
    const labels = [...sourceLabels(source), hostname].map(labelValue);
    const key = labels.join('\u0000');
    const held = this.#counts.get(key);
    if (held === undefined) this.#counts.set(key, { labels, count: 1 });
    else held.count += 1;
  }

  /** Counts since the last call. */
  take(): OnDemandDnsDelta[] {
    const taken = [...this.#counts.values()];
    this.#counts.clear();
    return taken;
  }
}
