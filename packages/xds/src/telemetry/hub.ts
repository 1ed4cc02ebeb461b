// Flows of many proxies to a few watchers. In: who reports, who watches. Out: each watcher's flows, bounded, and how much each proxy
// shall send. Pure; called by service.ts. A slow watcher loses flows and is told how many; it never holds up a proxy or another watcher.
import type { Flow } from '@ambit/proto/telemetry';

/** What a proxy is to the hub. */
export interface ReporterFacts {
  /** `pod.namespace`. */
  readonly name: string;
  /** Namespace that the reporter may speak for; undefined = every one, as node proxies do. */
  readonly namespace: string | undefined;
  /** Told at once and on each change: flows a second, 0 = nobody watches. */
  readonly setLimit: (maxPerSecond: number) => void;
}

/** What a watcher gets at a time. */
export interface WatchedFlows {
  readonly flows: readonly Flow[];
  readonly dropped: number;
}

/** How many take part. */
export interface HubCounts {
  readonly reporters: number;
  readonly watchers: number;
}

/** Where flows are lost: before they came here, or because a watcher was slow (once for each that did not get the flow). */
export type FlowLoss = 'proxy' | 'watcher';

/** The hub. */
export interface FlowHub {
  addReporter(reporter: ReporterFacts): Disposable & {
    /** Takes what the proxy sent. */
    take(flows: readonly Flow[], dropped: number): void;
  };
  addWatcher(watcher: {
    /** Only flows with an end there; undefined = all. */
    readonly namespace: string | undefined;
    /** Of each proxy. */
    readonly maxPerSecond: number;
    /** There is something to take. */
    readonly onFlows: () => void;
  }): Disposable & { take(): WatchedFlows };
  readonly counts: HubCounts;
}

/** Flows that wait for one watcher. */
const MAX_WAITING = 4096;

interface Watcher {
  readonly namespace: string | undefined;
  readonly maxPerSecond: number;
  readonly onFlows: () => void;
  flows: Flow[];
  dropped: number;
}

const touches = (flow: Flow, namespace: string): boolean =>
  flow.source?.namespace === namespace ||
  flow.destination?.namespace === namespace ||
  flow.serviceNamespace === namespace;

/** Makes a hub; `onLost` is told of every loss. */
export function createFlowHub(onLost: (where: FlowLoss, count: number) => void = () => undefined): FlowHub {
  const reporters = new Set<ReporterFacts>();
  const watchers = new Set<Watcher>();
  let limit = 0;

  const adjust = (): void => {
    const next = Math.max(0, ...[...watchers].map(({ maxPerSecond }) => maxPerSecond));
    if (next === limit) return;
    limit = next;
    for (const reporter of reporters) reporter.setLimit(limit);
  };
  const give = (watcher: Watcher, flow: Flow): void => {
    if (watcher.flows.length < MAX_WAITING) watcher.flows.push(flow);
    else {
      watcher.dropped += 1;
      onLost('watcher', 1);
    }
  };

  return {
    addReporter(reporter) {
      reporters.add(reporter);
      reporter.setLimit(limit);
      /** A waypoint speaks for its own namespace only: what it says of others reaches nobody who watches just those. */
      const mayTell = (watcher: Watcher): boolean =>
        reporter.namespace === undefined || watcher.namespace === undefined || watcher.namespace === reporter.namespace;
      return {
        take(flows, dropped) {
          if (dropped > 0) onLost('proxy', dropped);
          for (const flow of flows) flow.reporter = reporter.name;
          for (const watcher of watchers) {
            const { namespace } = watcher;
            if (!mayTell(watcher)) continue;
            for (const flow of flows) if (namespace === undefined || touches(flow, namespace)) give(watcher, flow);
            watcher.dropped += dropped;
            if (watcher.flows.length > 0 || watcher.dropped > 0) watcher.onFlows();
          }
        },
        [Symbol.dispose]: () => void reporters.delete(reporter),
      };
    },
    addWatcher(options) {
      const watcher: Watcher = { ...options, flows: [], dropped: 0 };
      watchers.add(watcher);
      adjust();
      return {
        take() {
          const { flows, dropped } = watcher;
          [watcher.flows, watcher.dropped] = [[], 0];
          return { flows, dropped };
        },
        [Symbol.dispose]() {
          watchers.delete(watcher);
          adjust();
        },
      };
    },
    get counts() {
      return { reporters: reporters.size, watchers: watchers.size };
    },
  };
}
