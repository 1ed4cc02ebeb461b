// In: counts from connections and requests. Out: the Prometheus text of a process.
// Called by: metrics.ts of each folder (declares), connection records (count), the admin server (reads the text). One thread each.
// A bound series counts in a plain number; prom-client is touched only when the timer (or a scrape) flushes,
// because a labelled increment there costs microseconds. Series idle for long are removed.
// Only the parts that are used are loaded: the entry of prom-client reads eighty files more, half of them OpenTelemetry's.
import PromCounter from 'prom-client/lib/counter.js';
import PromGauge from 'prom-client/lib/gauge.js';
import PromRegistry from 'prom-client/lib/registry.js';
import { type Clock, systemClock } from './clock.ts';
import { HistogramMetric } from './histogram.ts';
import { collectProcessMetrics } from './process-metrics.ts';

/** Label values of one series. */
export type Labels<L extends string> = Readonly<Record<L, string>>;

/** Declaration of a metric. */
export interface MetricOptions<L extends string> {
  readonly name: string;
  readonly help: string;
  /** Label names; a closed set. */
  readonly labels?: readonly L[];
  /** Remove a series not touched for this long. Default: that of the registry for counters and histograms, never for gauges. */
  readonly idleExpiryMs?: number;
}

/** One counter series: bind once per connection, then add. */
export interface BoundCounter {
  add(amount?: number): void;
}
/** A counter metric. */
export interface Counter<L extends string> {
  bind(labels: Labels<L>): BoundCounter;
  add(labels: Labels<L>, amount?: number): void;
}
/** One gauge series. */
export interface BoundGauge {
  set(value: number): void;
  add(amount: number): void;
}
/** A gauge metric. */
export interface Gauge<L extends string> {
  bind(labels: Labels<L>): BoundGauge;
  set(labels: Labels<L>, value: number): void;
  add(labels: Labels<L>, amount: number): void;
  /** Removes one series. */
  remove(labels: Labels<L>): void;
}
/** One histogram series. */
export interface BoundHistogram {
  observe(value: number): void;
}
/** A histogram metric. */
export interface Histogram<L extends string> {
  bind(labels: Labels<L>): BoundHistogram;
  observe(labels: Labels<L>, value: number): void;
}

/** The metrics of a process or thread. */
export interface MetricsRegistry {
  counter<const L extends string = never>(options: MetricOptions<L>): Counter<L>;
  gauge<const L extends string = never>(options: MetricOptions<L> & { collect?: () => number }): Gauge<L>;
  histogram<const L extends string = never>(options: MetricOptions<L> & { buckets: readonly number[] }): Histogram<L>;
  /** Moves what was counted into the registry and drops idle series. The timer and `text` call it. */
  flush(): void;
  /** The exposition, after a flush. */
  text(): Promise<string>;
  /** Content type of `text`. */
  readonly contentType: string;
  /** Stops the timer. */
  close(): void;
}

/** Settings of {@link createMetricsRegistry}. */
export interface MetricsRegistryOptions {
  readonly clock?: Clock;
  /** Time between two flushes. Default 1000. */
  readonly flushEveryMs?: number;
  /** A counter or histogram series untouched for this long is removed. Default 15 minutes; 0 = never. */
  readonly idleExpiryMs?: number;
  /** Also collect prom-client's process metrics, from the first reading on. Default false. */
  readonly processMetrics?: boolean;
}

/** One series waiting for a flush. */
interface Series {
  readonly key: string;
  readonly owner: Metric;
  readonly labels: Record<string, string>;
  /** Hands the accumulated value to prom-client and clears it. */
  flush(): void;
}

/** What expiry needs to know of a metric. */
interface Metric {
  readonly idleExpiryMs: number;
  /** Last touch of each live series. */
  readonly touched: Map<string, { labels: Record<string, string>; atMs: number }>;
  remove(labels: Record<string, string>): void;
}

/** Makes an empty registry with a running flush timer. */
export function createMetricsRegistry(options: MetricsRegistryOptions = {}): MetricsRegistry {
  const { clock = systemClock, flushEveryMs = 1000, idleExpiryMs = 900_000, processMetrics = false } = options;
  const registry = new PromRegistry();
  const metrics: Metric[] = [];
  let dirty: Series[] = [];
  let closed = false;
  let awaitsProcessMetrics = processMetrics;

  const track = (expiryMs: number, remove: (labels: Record<string, string>) => void): Metric => {
    const metric: Metric = { idleExpiryMs: expiryMs, touched: new Map(), remove };
    metrics.push(metric);
    return metric;
  };
  const markDirty = (series: Series): void => {
    dirty.push(series);
  };
  const flush = (): void => {
    const now = clock.now();
    const batch = dirty;
    dirty = [];
    for (const series of batch) {
      series.flush();
      series.owner.touched.set(series.key, { labels: series.labels, atMs: now });
    }
    for (const metric of metrics) expire(metric, now);
  };

  let timer: Disposable | undefined;
  const arm = (): void => {
    timer = clock.setTimeout(() => {
      if (closed) return;
      flush();
      arm();
    }, flushEveryMs);
  };
  arm();

  return {
    contentType: registry.contentType,
    counter(declared) {
      const prom = new PromCounter(promOptions(declared, registry));
      const metric = track(declared.idleExpiryMs ?? idleExpiryMs, (labels) => prom.remove(labels));
      const bind = (labels: Record<string, string>): BoundCounter => {
        let pending = 0;
        const series = seriesOf(metric, labels, () => {
          prom.inc(labels, pending);
          pending = 0;
        });
        return {
          add(amount = 1) {
            if (!(amount > 0)) return;
            if (pending === 0) markDirty(series);
            pending += amount;
          },
        };
      };
      return { bind, add: (labels, amount) => bind(labels).add(amount) };
    },
    gauge(declared) {
      const { collect } = declared;
      const prom: PromGauge = new PromGauge({
        ...promOptions(declared, registry),
        ...(collect === undefined ? {} : { collect: () => prom.set(collect()) }),
      });
      const metric = track(declared.idleExpiryMs ?? 0, (labels) => prom.remove(labels));
      const bind = (labels: Record<string, string>): BoundGauge => {
        let pending = false;
        let delta = 0;
        let value: number | undefined;
        const series = seriesOf(metric, labels, () => {
          if (value !== undefined) prom.set(labels, value);
          if (delta !== 0) prom.inc(labels, delta);
          value = undefined;
          delta = 0;
          pending = false;
        });
        const touch = (): void => {
          if (pending) return;
          pending = true;
          markDirty(series);
        };
        return {
          set(next) {
            touch();
            value = next;
            delta = 0;
          },
          add(amount) {
            touch();
            delta += amount;
          },
        };
      };
      return {
        bind,
        set: (labels, value) => bind(labels).set(value),
        add: (labels, amount) => bind(labels).add(amount),
        remove: (labels) => {
          flush();
          prom.remove(labels);
        },
      };
    },
    histogram(declared) {
      const histogram = new HistogramMetric(declared.name, declared.help, declared.buckets);
      // The registry asks for no more than these; the type of prom-client names its own class.
      registry.registerMetric(histogram as never);
      const metric = track(declared.idleExpiryMs ?? idleExpiryMs, (labels) => histogram.remove(keyOf(labels)));
      const bind = (labels: Record<string, string>): BoundHistogram => {
        let isDirty = false;
        const series = seriesOf(metric, labels, () => {
          isDirty = false;
        });
        return {
          observe(value) {
            if (!isDirty) {
              isDirty = true;
              markDirty(series);
            }
            histogram.at(series.key, labels).observe(value);
          },
        };
      };
      if ((declared.labels ?? []).length === 0) histogram.at(keyOf({}), {});
      return { bind, observe: (labels, value) => bind(labels).observe(value) };
    },
    flush,
    async text() {
      flush();
      if (awaitsProcessMetrics) collectProcessMetrics(registry);
      awaitsProcessMetrics = false;
      return registry.metrics();
    },
    close() {
      closed = true;
      timer?.[Symbol.dispose]();
    },
  };
}

function promOptions<L extends string>(
  declared: MetricOptions<L>,
  registry: PromRegistry,
): { name: string; help: string; labelNames: string[]; registers: PromRegistry[] } {
  return { name: declared.name, help: declared.help, labelNames: [...(declared.labels ?? [])], registers: [registry] };
}

/** Unit separator: cannot collide with what a label value contains in practice. */
function keyOf(labels: Readonly<Record<string, string>>): string {
  return Object.values(labels).join('\u001f');
}

function seriesOf(owner: Metric, labels: Record<string, string>, flush: () => void): Series {
  return { key: keyOf(labels), owner, labels, flush };
}

function expire(metric: Metric, now: number): void {
  if (metric.idleExpiryMs === 0) return;
  for (const [key, { labels, atMs }] of metric.touched) {
    if (now - atMs < metric.idleExpiryMs) continue;
    metric.touched.delete(key);
    metric.remove(labels);
  }
}
