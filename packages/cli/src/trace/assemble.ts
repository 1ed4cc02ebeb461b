// Flows of several proxies -> what one connection or request passed. In: flows as they come, in any order. Out: traces, when no further hop
// is to be expected. Pure. Called by trace.ts.
// The hops of a tunnel share the id of its CONNECT; node proxies of other makes are joined by the client's address. A waypoint keeps its
// connections to workloads, so what lies behind it is reported only when it fails or closes.
import type { Flow } from '../traffic/access-line.ts';
import { hostOf } from '../traffic/flow-address.ts';
import { isDenied } from '../traffic/verdict-of-flow.ts';

/** What to follow. */
export interface TraceTarget {
  /** Addresses of the pods that connect. */
  readonly sourceIps: ReadonlySet<string>;
  /** `namespace/workload` of these pods, for hops that see another address. */
  readonly sources: ReadonlySet<string>;
  /** Host name of the service; undefined when an address was named. */
  readonly service: string | undefined;
  readonly destinationIp: string;
}

/** One request, or one connection without any. */
export interface Trace {
  /** Decides what it was: the request, else the connection. */
  readonly main: Flow;
  /** In the order of the way; what has not been reported is missing. */
  readonly outbound: Flow | undefined;
  readonly waypoint: Flow | undefined;
  readonly inbound: Flow | undefined;
}

interface Group {
  outbound: Flow | undefined;
  inbound: Flow | undefined;
  requests: { readonly flow: Flow; readonly atMs: number }[];
  /** Requests of it have been shown, so that its end is no news. */
  isShown: boolean;
  changedAtMs: number;
}

/** How long a trace waits for its other hops: proxies report once a second. */
const SETTLE_MS = 2500;
/** Connections that are remembered. */
const MAX_GROUPS = 5000;
/** Ends behind waypoints that are remembered, and for how long. */
const MAX_BEHIND = 1000;
const BEHIND_MS = 3000;

const isFrom = (flow: Flow, { sourceIps, sources }: TraceTarget): boolean =>
  sourceIps.has(hostOf(flow.sourceAddress)) || sources.has(flow.source);

const isTo = (flow: Flow, { service, destinationIp }: TraceTarget): boolean =>
  service === undefined ? hostOf(flow.destinationAddress) === destinationIp : flow.service === service;

/** Joins hops. */
export class TraceAssembler {
  readonly #target: TraceTarget;
  readonly #groups = new Map<string, Group>();
  #behind: Flow[] = [];

  constructor(target: TraceTarget) {
    this.#target = target;
  }

  /** Takes one flow; one that does not concern the target is left out. */
  add(flow: Flow, nowMs: number): void {
    if (!isFrom(flow, this.#target)) {
      if (flow.direction === 'inbound') this.#behind = [...this.#behind.slice(1 - MAX_BEHIND), flow];
      return;
    }
    const key = flow.connection === '' ? flow.sourceAddress : flow.connection;
    const known = this.#groups.get(key);
    // The far end may not know which service was addressed; the near end will say.
    const isJoined = flow.direction === 'inbound' && flow.connection !== '';
    if (known === undefined && !isJoined && !isTo(flow, this.#target)) return;
    const group = known ?? this.#begin(key, nowMs);
    if (flow.direction === 'waypoint') {
      group.requests.push({ flow, atMs: nowMs });
      return;
    }
    group.changedAtMs = nowMs;
    group[flow.direction] = flow;
  }

  #begin(key: string, nowMs: number): Group {
    const [oldest] = this.#groups.keys();
    if (this.#groups.size >= MAX_GROUPS && oldest !== undefined) this.#groups.delete(oldest);
    const group: Group = { outbound: undefined, inbound: undefined, requests: [], isShown: false, changedAtMs: nowMs };
    this.#groups.set(key, group);
    return group;
  }

  /** Traces that are complete, or have waited long enough; all that are left with `nowMs` Infinity. */
  take(nowMs: number): readonly Trace[] {
    const traces: Trace[] = [];
    for (const [key, group] of this.#groups) {
      const { outbound, inbound } = group;
      const settled = group.requests.filter(({ atMs }) => nowMs - atMs >= SETTLE_MS);
      for (const { flow: main } of settled)
        traces.push({ main, outbound, waypoint: main, inbound: this.#behindOf(main) });
      group.isShown ||= settled.length > 0;
      group.requests = group.requests.filter(({ atMs }) => nowMs - atMs < SETTLE_MS);
      const main = outbound ?? inbound;
      const isComplete = outbound !== undefined && inbound !== undefined;
      if (main === undefined || group.requests.length > 0) continue;
      if (!isComplete && nowMs - group.changedAtMs < SETTLE_MS) continue;
      // The end of a connection whose requests were shown is no news, its failure is.
      if (!group.isShown || (outbound?.error ?? '') !== '')
        if (settled.length === 0 && isTo(main, this.#target))
          traces.push({ main, outbound, waypoint: undefined, inbound });
      this.#groups.delete(key);
    }
    return traces.toSorted((a, b) => (a.main.time < b.main.time ? -1 : 1));
  }

  /** What the workload's node proxy said of a request that the waypoint passed on, when it said something at that time. */
  #behindOf(request: Flow): Flow | undefined {
    const ip = hostOf(request.destinationAddress);
    const endedMs = Date.parse(request.time);
    return this.#behind.findLast(
      (flow) =>
        (hostOf(flow.destinationAddress) === ip || flow.destination === request.destination) &&
        Math.abs(Date.parse(flow.time) - endedMs) < BEHIND_MS &&
        (isDenied(flow) || request.error !== ''),
    );
  }
}
