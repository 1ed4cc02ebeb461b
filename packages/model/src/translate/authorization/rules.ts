// Rules of an AuthorizationPolicy -> groups for the node proxy (spec control-plane 3.2 A5-A12). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GroupSchema, MatchSchema, RulesSchema } from '@ambit/proto/authorization';
import type { AuthorizationRule, AuthorizationSource } from '@ambit/resources';
import { L4_CONDITION_KEYS } from './l7-fields.ts';
import { blocks, ports, stringMatch } from './string-match.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
/** A match as plain data. */
export type MatchInit = Init<MessageInitShape<typeof MatchSchema>>;
type RulesInit = Init<MessageInitShape<typeof RulesSchema>>;
/** A group as plain data. */
export type GroupInit = Init<MessageInitShape<typeof GroupSchema>>;

/** One policy rule as a group: all `to` together, all `from` together, one per condition. HTTP attributes are left out. */
export function groupOf(rule: AuthorizationRule, policyNamespace: string): GroupInit {
  const rules: RulesInit[] = [];
  const to = (rule.to ?? []).map(({ operation }) =>
    compact({
      destinationPorts: ports(operation?.ports ?? []),
      notDestinationPorts: ports(operation?.notPorts ?? []),
    }),
  );
  if (to.length > 0) rules.push({ matches: to });
  const from = (rule.from ?? []).map(({ source }) => matchOfSource(source ?? {}, policyNamespace));
  if (from.length > 0) rules.push({ matches: from });
  for (const { key, values, notValues } of rule.when ?? []) {
    rules.push({ matches: [matchOfCondition(key, values ?? [], notValues ?? [])] });
  }
  return rules.length === 0 ? {} : { rules };
}

/** True when some rule of the group has only matches that can never fire. */
export function isDead(group: GroupInit): boolean {
  return (group.rules ?? []).some((r) => (r.matches ?? []).every((m) => Object.keys(m).length === 0));
}

function matchOfSource(source: AuthorizationSource, policyNamespace: string): MatchInit {
  const account = (text: string): { namespace: string; serviceAccount: string } => {
    const slash = text.indexOf('/');
    return slash < 0
      ? { namespace: policyNamespace, serviceAccount: text }
      : { namespace: text.slice(0, slash), serviceAccount: text.slice(slash + 1) };
  };
  return compact({
    sourceIps: blocks(source.ipBlocks ?? []),
    notSourceIps: blocks(source.notIpBlocks ?? []),
    namespaces: (source.namespaces ?? []).map(stringMatch),
    notNamespaces: (source.notNamespaces ?? []).map(stringMatch),
    serviceAccounts: (source.serviceAccounts ?? []).map(account),
    notServiceAccounts: (source.notServiceAccounts ?? []).map(account),
    principals: (source.principals ?? []).map(stringMatch),
    notPrincipals: (source.notPrincipals ?? []).map(stringMatch),
  });
}

function matchOfCondition(key: string, values: readonly string[], notValues: readonly string[]): MatchInit {
  if (!L4_CONDITION_KEYS.has(key)) return {};
  switch (key) {
    case 'source.ip':
      return compact({ sourceIps: blocks(values), notSourceIps: blocks(notValues) });
    case 'source.namespace':
      return compact({ namespaces: values.map(stringMatch), notNamespaces: notValues.map(stringMatch) });
    case 'source.principal':
      return compact({ principals: values.map(stringMatch), notPrincipals: notValues.map(stringMatch) });
    case 'destination.ip':
      return compact({ destinationIps: blocks(values), notDestinationIps: blocks(notValues) });
    default:
      return compact({ destinationPorts: ports(values), notDestinationPorts: ports(notValues) });
  }
}

function compact(match: MatchInit): MatchInit {
  return Object.fromEntries(Object.entries(match).filter(([, value]) => Array.isArray(value) && value.length > 0));
}
