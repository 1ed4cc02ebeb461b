// In: metrics in the text format of Prometheus. Out: samples. Pure. Called by node and proxy views.

/** Sum of all samples of a name; undefined when there is none. */
export function sampleOf(metrics: string, name: string): number | undefined {
  let sum: number | undefined;
  for (const line of metrics.split('\n')) {
    if (!line.startsWith(name)) continue;
    const next = line[name.length];
    if (next !== '{' && next !== ' ') continue;
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    if (Number.isFinite(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}
