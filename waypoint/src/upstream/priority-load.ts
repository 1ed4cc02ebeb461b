/**
 * Healthy endpoints of several priorities -> those that one request may choose from, as Envoy spreads the load (spec/waypoint.md
 * 5.5: overprovisioning factor 1.4, panic). Pure; called by pick.ts.
 */
import type { Candidate } from './candidates.ts';

/** Health of a priority in percent, above which it takes its whole load: 140 % of its healthy share. */
const overprovision = 140;

interface Level {
  readonly priority: number;
  readonly healthy: Candidate[];
  readonly all: Candidate[];
}

/** The endpoints of one priority; weights of localities that get a portion of the traffic are worked in. */
export const endpointsOf = (
  all: readonly Candidate[],
  healthy: readonly Candidate[],
  minHealthPercent: number,
  random: () => number,
): readonly Candidate[] => {
  const first = all[0];
  const isFlat = first === undefined || all.every(({ priority }) => priority === first.priority);
  const hasPortions = first?.portion !== undefined;
  if (isFlat && healthy.length === all.length) return hasPortions ? inPortions(all, healthy) : healthy;
  const levels = levelsOf(all, healthy);
  const loads = levels.map(healthOf);
  const total = loads.reduce((sum, load) => sum + load, 0);
  const level = levels[levelAt(loads, total, random)] as Level;
  const isPanic = total < 100 && share(level) < minHealthPercent;
  return inPortions(level.all, isPanic ? level.all : level.healthy);
};

/** The endpoints of priorities in which nothing was tried yet; all when there is no such. */
export const beyond = (all: readonly Candidate[], tried: ReadonlySet<string> | undefined): readonly Candidate[] => {
  if (tried === undefined || tried.size === 0) return all;
  const used = new Set(all.filter(({ endpoint }) => tried.has(endpoint.key)).map(({ priority }) => priority));
  const left = all.filter(({ priority }) => !used.has(priority));
  return left.length > 0 ? left : all;
};

const levelsOf = (all: readonly Candidate[], healthy: readonly Candidate[]): readonly Level[] => {
  const levels = new Map<number, Level>();
  for (const candidate of all) {
    const { priority } = candidate;
    const level = levels.get(priority) ?? { priority, healthy: [], all: [] };
    level.all.push(candidate);
    levels.set(priority, level);
  }
  for (const candidate of healthy) levels.get(candidate.priority)?.healthy.push(candidate);
  return [...levels.values()].toSorted((one, two) => one.priority - two.priority);
};

const share = ({ healthy, all }: Level): number => (healthy.length / all.length) * 100;
const healthOf = ({ healthy, all }: Level): number =>
  Math.min(100, Math.floor((overprovision * healthy.length) / all.length));

/** Healthy enough together: filled up from the best. Else all of them in proportion; nobody healthy: the best. */
const levelAt = (loads: readonly number[], total: number, random: () => number): number => {
  if ((loads[0] ?? 0) >= 100 || total === 0) return 0;
  let left = random() * Math.min(100, total);
  for (const [index, load] of loads.entries()) {
    if (left < load) return index;
    left -= load;
  }
  return loads.length - 1;
};

/** A locality that is ill passes a part of its portion on to the others. */
const inPortions = (all: readonly Candidate[], usable: readonly Candidate[]): readonly Candidate[] => {
  if (usable[0]?.portion === undefined) return usable;
  const known = new Map<string, number>();
  const used = new Map<string, number>();
  for (const { portion, weight } of all) add(known, portion?.name, weight);
  for (const { portion, weight } of usable) add(used, portion?.name, weight);
  return usable.map((candidate) => {
    const { portion, weight } = candidate;
    const name = portion?.name ?? '';
    const whole = used.get(name) ?? weight;
    const health = Math.min(1, ((overprovision / 100) * whole) / (known.get(name) ?? whole));
    return { ...candidate, weight: ((portion?.weight ?? 0) * health * weight) / whole };
  });
};

const add = (sums: Map<string, number>, name: string | undefined, weight: number): void => {
  if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + weight);
};
