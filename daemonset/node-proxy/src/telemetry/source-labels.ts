/**
 * The source of a connection in; its part of the labels of a metric out. Pure; data threads.
 *
 * Shared by the TCP metrics and `istio_on_demand_dns_total` (spec/node-proxy.md 9.1).
 */
import type { ConnectionParty } from './connection-record.ts';

/** Names of the labels, in exposition order. */
export const SOURCE_LABELS = [
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
] as const;

/** Values in the order of {@link SOURCE_LABELS}; undefined where nothing is known. */
export function sourceLabels(source: ConnectionParty): readonly (string | undefined)[] {
  const { workload, canonicalService, canonicalRevision, namespace, principal, app, version, cluster } = source;
  return [workload, canonicalService, canonicalRevision, namespace, principal, app, version, cluster];
}

/** What a label shows: nothing known is `unknown`. */
export function labelValue(value: string | undefined): string {
  return value === undefined || value === '' ? 'unknown' : value;
}
