// In: a span of time. Out: what crossed between the pods meanwhile. Called by the tour; the local cluster does the looking.
import { runClusterCommand } from '../local/launch.ts';
import type { Stage } from './stage.ts';

/** What was seen between pods. */
export interface WireReport {
  /** `packets`: read off the nodes' interfaces. `relay`: first bytes of connections that the loopback relay carried. */
  readonly source: 'packets' | 'relay';
  /** Packets or connections looked at. */
  readonly seen: number;
  /** Request lines that anybody on the wire could read, at most ten. */
  readonly readableRequests: readonly string[];
  readonly readableRequestCount: number;
  /** Packets or connections that began with a TLS record. */
  readonly tlsRecords: number;
  /** Connections that were opened while looking, and readable requests on those alone. */
  readonly newConnections: number;
  readonly readableOnNew: readonly string[];
}

/** Looks at the wire between pods for `seconds`. */
export async function watchWire(stage: Stage, seconds: number): Promise<WireReport> {
  return JSON.parse(
    await runClusterCommand(['wire', '--state', stage.cluster.directory, '--seconds', String(seconds)]),
  ) as WireReport;
}

/** Rule tables in one pod's network namespace. */
export interface PodRules {
  readonly netns: string;
  readonly tables: readonly string[];
}

/** Rules in the pods' network namespaces now. */
export async function podRules(stage: Stage): Promise<readonly PodRules[]> {
  return JSON.parse(await runClusterCommand(['rules', '--state', stage.cluster.directory])) as readonly PodRules[];
}
