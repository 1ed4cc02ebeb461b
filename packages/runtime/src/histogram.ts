// Histogram series that count by themselves: an observation in prom-client's own costs microseconds, because it hashes the labels
// every time. In: values. Out: what the registry of prom-client prints (the shape of its `get`). Called by metrics.ts.

/** One line of the exposition, as prom-client's registry takes it. */
interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Counts of one set of labels. */
export class HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  /** Counts a value; NaN is none. */
  observe(value: number): void {
    if (Number.isNaN(value)) return;
    const index = this.#bounds.findIndex((bound) => value <= bound);
    if (index !== -1) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
    this.#count += 1;
  }

  /** The samples of the series: cumulative buckets, sum, count. */
  samples(name: string): Sample[] {
    let below = 0;
    const buckets = this.#bounds.map((le, index): Sample => {
      below += this.#counts[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le }, sharedLabels: this.labels, value: below };
    });
    const one = (suffix: string, value: number, labels: Sample['labels'] = {}): Sample => ({
      metricName: `${name}_${suffix}`,
      labels,
      sharedLabels: this.labels,
      value,
    });
    return [...buckets, one('bucket', this.#count, { le: '+Inf' }), one('sum', this.#sum), one('count', this.#count)];
  }
}

/** A metric for the registry of prom-client. */
export class HistogramMetric {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, HistogramSeries>();

  /** `bounds` ascending. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = [...bounds];
  }

  /** The series of a key, made when it is new. */
  at(key: string, labels: Readonly<Record<string, string>>): HistogramSeries {
    let series = this.#series.get(key);
    if (series === undefined) this.#series.set(key, (series = new HistogramSeries(labels, this.#bounds)));
    return series;
  }

  /** Forgets a series; the next observation begins at zero. */
  remove(key: string): void {
    this.#series.delete(key);
  }

  /** Forgets everything. */
  reset(): void {
    this.#series.clear();
  }

  /** What the registry prints. */
  async get() {
    const { name, help, type } = this;
    const values = [...this.#series.values()].flatMap((series) => series.samples(name));
    return { name, help, type, aggregator: 'sum', values };
  }
}
