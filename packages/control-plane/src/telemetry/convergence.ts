// How long until proxies know of a change: the time from the change of the model to the response that carries it, per proxy. In: changes,
// connections, responses. Out: `pilot_proxy_convergence_time`, which dashboards and Kiali read. Main thread. Called by metrics.ts.
import type { MetricsRegistry } from '@ambit/runtime/metrics';
import type { ClientInfo } from '@ambit/xds/server';

/** What is told to it. */
export interface Convergence {
  changed(): void;
  /** A new proxy has to be told nothing of earlier changes: its first responses hold all. */
  connected(client: ClientInfo): void;
  sent(client: ClientInfo): void;
}

/** Registers the histogram. `nowMs` is a monotonic clock. */
export function createConvergence(
  registry: MetricsRegistry,
  nowMs: () => number = () => performance.now(),
): Convergence {
  const time = registry
    .histogram({
      name: 'pilot_proxy_convergence_time',
      help: 'Seconds from a change of configuration to the response that tells a proxy of it.',
      buckets: [0.1, 0.5, 1, 3, 5, 10, 20, 30],
    })
    .bind({});
  let change = 0;
  let changedAtMs = 0;
  const told = new WeakMap<ClientInfo, number>();
  return {
    changed() {
      change += 1;
      changedAtMs = nowMs();
    },
    connected: (client) => void told.set(client, change),
    sent(client) {
      // Only the first response after a change counts; one change may need several.
      if ((told.get(client) ?? change) === change) return;
      told.set(client, change);
      time.observe((nowMs() - changedAtMs) / 1000);
    },
  };
}
