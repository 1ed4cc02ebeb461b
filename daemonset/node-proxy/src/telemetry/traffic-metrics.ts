/**
 * Connection facts in, plain-number counters per label set out.
 *
 * Each data thread owns one `TrafficMetrics`; `connection-record.ts` counts into it and a timer of the thread takes the
 * deltas with `take()` and posts them to the main thread, which owns the Prometheus registry (`metrics.ts`). Labels and
 * their order: spec/node-proxy.md 9.1.
 */
import type { ConnectionFacts, ConnectionParty, ConnectionService } from './connection-record.ts';
import type { ResponseFlag } from './response-flags.ts';
import { labelValue, SOURCE_LABELS, sourceLabels } from './source-labels.ts';

/** Label names of the TCP metrics, in exposition order. */
export const TRAFFIC_LABELS = [
  'reporter',
  ...SOURCE_LABELS,
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  'destination_workload',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
] as const;

/** Running counts of one label set. Written by the record, read and reset by `take()`. */
export interface TrafficSeries {
  opened: number;
  closed: number;
  failed: number;
  /** Client to server bytes. */
  received: number;
  /** Server to client bytes. */
  sent: number;
}

/** Running counts with how many records write to them; a set with a live record is never forgotten. */
export interface LiveSeries extends TrafficSeries {
  live: number;
}

/** What changed for one label set since the last `take()`. Plain data, crosses threads. */
export interface TrafficDelta extends TrafficSeries {
  /** Values in the order of `TRAFFIC_LABELS`. */
  readonly labels: readonly string[];
}

interface Held {
  readonly labels: readonly string[];
  readonly counts: LiveSeries;
  reported: TrafficSeries;
  idleTakes: number;
  /** No longer taken: whoever remembers it asks anew. */
  isForgotten: boolean;
}

/** The series of the last connection between two records. */
interface Remembered {
  readonly reporter: ConnectionFacts['reporter'];
  readonly service: ConnectionService | undefined;
  readonly mutualTls: boolean;
  readonly held: Held;
}

const EMPTY: TrafficSeries = { opened: 0, closed: 0, failed: 0, received: 0, sent: 0 };

/** Takes a label set may stay unchanged before it is dropped here. */
const IDLE_TAKES_LIMIT = 300;

/** Counts traffic of one data thread. */
export class TrafficMetrics {
  readonly #series = new Map<string, Held>();
  /** By source and destination, which are the same objects for each connection between the same records (`party.ts`). */
  readonly #remembered = new WeakMap<ConnectionParty, WeakMap<ConnectionParty, Remembered>>();

  /** The counters of these facts. The object stays valid: counts added later are still taken. */
  series(facts: ConnectionFacts, flag: ResponseFlag = '-'): LiveSeries {
    const { source, destination, service, reporter, mutualTls } = facts;
    if (flag !== '-' || source === undefined || destination === undefined) return this.#find(facts, flag).counts;
    let bySource = this.#remembered.get(source);
    if (bySource === undefined) this.#remembered.set(source, (bySource = new WeakMap()));
    const before = bySource.get(destination);
    const isSame =
      before?.service === service &&
      before?.reporter === reporter &&
      before.mutualTls === mutualTls &&
      !before.held.isForgotten;
    if (isSame) return before.held.counts;
    const held = this.#find(facts, flag);
    bySource.set(destination, { reporter, service, mutualTls, held });
    return held.counts;
  }

  #find(facts: ConnectionFacts, flag: ResponseFlag): Held {
    const labels = labelsOf(facts, flag);
    const key = labels.join('\u0000');
    let held = this.#series.get(key);
    if (held === undefined) {
      held = { labels, counts: { ...EMPTY, live: 0 }, reported: { ...EMPTY }, idleTakes: 0, isForgotten: false };
      this.#series.set(key, held);
    }
    return held;
  }

  /** Changes since the last call; label sets without open connections and without change are forgotten in time. */
  take(): TrafficDelta[] {
    const deltas: TrafficDelta[] = [];
    for (const [key, held] of this.#series) {
      const delta = subtract(held.labels, held.counts, held.reported);
      if (delta === undefined) {
        held.idleTakes += 1;
        if (held.idleTakes > IDLE_TAKES_LIMIT && held.counts.live === 0) {
          held.isForgotten = true;
          this.#series.delete(key);
        }
        continue;
      }
      held.idleTakes = 0;
      held.reported = { ...held.counts };
      deltas.push(delta);
    }
    return deltas;
  }
}

function subtract(labels: readonly string[], now: TrafficSeries, before: TrafficSeries): TrafficDelta | undefined {
  const delta = {
    labels,
    opened: now.opened - before.opened,
    closed: now.closed - before.closed,
    failed: now.failed - before.failed,
    received: now.received - before.received,
    sent: now.sent - before.sent,
  };
  const changed = delta.opened + delta.closed + delta.failed + delta.received + delta.sent;
  return changed === 0 ? undefined : delta;
}

/** The label values of a connection, in the order of `TRAFFIC_LABELS`; empty or missing becomes `unknown`. */
export function labelsOf(facts: ConnectionFacts, flag: ResponseFlag): readonly string[] {
  const source: ConnectionParty = facts.source ?? {};
  const { principal: _principal, ...withoutPrincipal } = source;
  const shown = facts.mutualTls ? source : withoutPrincipal;
  const destination: ConnectionParty = facts.destination ?? {};
  return [
    facts.reporter,
    ...sourceLabels(shown),
    facts.service?.hostname,
    facts.service?.namespace,
    facts.service?.name,
    destination.workload,
    destination.canonicalService,
    destination.canonicalRevision,
    destination.namespace,
    destination.principal,
    destination.app,
    destination.version,
    destination.cluster,
    'tcp',
    flag,
    facts.mutualTls ? 'mutual_tls' : 'unknown',
    source.region,
    source.zone,
    destination.region,
    destination.zone,
  ].map(labelValue);
}
