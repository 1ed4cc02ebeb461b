// Pieces of PromQL that the dashboards share. Pure. Called by the other files of this folder.

/** Rate over an interval that fits the scrape. */
export const rate = (selector: string): string => `rate(${selector}[$__rate_interval])`;
const sumBy = (labels: string, selector: string): string => `sum by (${labels}) (${rate(selector)})`;
const legend = (labels: string): string =>
  labels
    .split(', ')
    .map((label) => `{{${label}}}`)
    .join(' ');
/** Rate by labels, and a legend that names them. */
export const by = (labels: string, selector: string) => ({ expr: sumBy(labels, selector), legend: legend(labels) });

/** Percentiles of a histogram. */
export const percentiles = (selector: string, quantiles: readonly number[] = [0.5, 0.9, 0.99]) =>
  quantiles.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (${rate(selector)}))`,
    legend: `p${quantile * 100}`,
  }));

/** What part of a rate another one is. */
export const share = (part: string, whole: string): string => `sum(${rate(part)}) / sum(${rate(whole)})`;

/** Requests are counted once: by the waypoint, or by whoever sends where there is none. */
export const requests = 'reporter=~"source|waypoint"';
/** Connections are counted once: by the side that takes them. */
export const taken = 'reporter="destination"';
