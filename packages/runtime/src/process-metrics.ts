// In: a registry of prom-client. Out: the metrics of the process in it (`process_*`, `nodejs_*`). Called by metrics.ts with the first reading, so
// that a start does not wait for the modules behind them.
import { createRequire } from 'node:module';
import type { Counter, Registry } from 'prom-client';

/** Adds the process metrics; counters of processor time begin with what was used so far. Once per registry. */
export function collectProcessMetrics(registry: Registry): void {
  const { collectDefaultMetrics } = createRequire(import.meta.url)('prom-client') as typeof import('prom-client');
  collectDefaultMetrics({ register: registry });
  const { user, system } = process.cpuUsage();
  const add = (name: string, micros: number): void => {
    (registry.getSingleMetric(name) as Counter | undefined)?.inc(micros / 1e6);
  };
  add('process_cpu_user_seconds_total', user);
  add('process_cpu_system_seconds_total', system);
  add('process_cpu_seconds_total', user + system);
}
