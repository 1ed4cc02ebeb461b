// Which HTTP attributes a policy rule uses; the node proxy cannot evaluate them (spec control-plane 3.2 A9). Pure.
import type { AuthorizationRule } from '@ambit/resources';

const OPERATION = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'] as const;
const SOURCE = ['remoteIpBlocks', 'notRemoteIpBlocks', 'requestPrincipals', 'notRequestPrincipals'] as const;

/** Condition keys that the node proxy evaluates. */
export const L4_CONDITION_KEYS: ReadonlySet<string> = new Set([
  'source.ip',
  'source.namespace',
  'source.principal',
  'destination.ip',
  'destination.port',
]);

/** Names of the HTTP attributes of a rule, in no particular order. */
export function l7FieldsOf(rule: AuthorizationRule): string[] {
  const found = new Set<string>();
  for (const { operation } of rule.to ?? []) {
    for (const field of OPERATION) if ((operation?.[field] ?? []).length > 0) found.add(field);
  }
  for (const { source } of rule.from ?? []) {
    for (const field of SOURCE) if ((source?.[field] ?? []).length > 0) found.add(field);
  }
  for (const { key } of rule.when ?? []) if (!L4_CONDITION_KEYS.has(key)) found.add(key);
  return [...found];
}
