/**
 * Bound series by their label values, so that a request costs one look-up, with a guard against too many series
 * (spec/waypoint.md 7.1). In: label values. Out: what was bound for them. Data thread.
 */

/** Series per metric; beyond that peers are counted together as `other`. */
export const MAX_SERIES = 20_000;
/** A series that was not used for this long makes room. */
const idleMs = 600_000;
/** Pace of looking for idle series while the cache is full. */
const sweepMs = 60_000;

/** Finds or makes the series of label values. */
export interface SeriesCache<Values extends object, Series> {
  get(values: Values): Series;
  readonly size: number;
}

/** Makes a cache. `bind` makes a series; `asOther` replaces what makes the values many. `now` in milliseconds. */
export const createSeriesCache = <Values extends object, Series>(
  bind: (values: Values) => Series,
  asOther: (values: Values) => Values,
  options: { readonly maxSeries?: number; readonly now?: () => number } = {},
): SeriesCache<Values, Series> => {
  const { maxSeries = MAX_SERIES, now = Date.now } = options;
  const entries = new Map<string, { readonly series: Series; usedAt: number }>();
  let sweptAt = Number.NEGATIVE_INFINITY;
  const sweep = (at: number): void => {
    if (at - sweptAt < sweepMs) return;
    sweptAt = at;
    for (const [key, { usedAt }] of entries) if (at - usedAt > idleMs) entries.delete(key);
  };
  const add = (key: string, values: Values, at: number): Series => {
    const series = bind(values);
    entries.set(key, { series, usedAt: at });
    return series;
  };
  const find = (key: string, at: number): Series | undefined => {
    const entry = entries.get(key);
    if (entry !== undefined) entry.usedAt = at;
    return entry?.series;
  };
  return {
    get size() {
      return entries.size;
    },
    get: (values) => {
      const at = now();
      const key = keyOf(values);
      const known = find(key, at);
      if (known !== undefined) return known;
      if (entries.size >= maxSeries) sweep(at);
      if (entries.size < maxSeries) return add(key, values, at);
      const other = asOther(values);
      const otherKey = keyOf(other);
      return find(otherKey, at) ?? add(otherKey, other, at);
    },
  };
};

const keyOf = (values: object): string => Object.values(values).join('\u001f');
