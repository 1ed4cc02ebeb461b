// istio.security.Authorization to our policy. Called by store.ts for every authorization resource; pure.
//
// ztunnel drops parts it cannot read (an address of a wrong length, a string match without a kind). A dropped element can
// widen a policy, so here such a policy is refused as a whole, and a policy that is refused denies (decision W3). The same
// goes for a field that is not known here: a newer control plane may say with it whom the policy is not for.

import type {
  Address,
  Authorization,
  Match,
  ServiceAccountMatch,
  StringMatch as StringMatchProto,
} from '@ambit/proto/authorization';

import type { UnknownField } from '@bufbuild/protobuf';

import { fullLength } from '../ip.ts';
import type { Cidr, Policy, PolicyMatch, StringMatch } from '../policy.ts';
import { Refusal, closedEnum, ipField, refusing } from './fields.ts';

const scopes = ['GLOBAL', 'NAMESPACE', 'WORKLOAD_SELECTOR'] as const;
const actions = ['ALLOW', 'DENY'] as const;
const maxPort = 65_535;

/** What an Authorization resource became. */
export type AuthorizationTranslation =
  | { readonly kind: 'policy'; readonly policy: Policy }
  | { readonly kind: 'reject'; readonly reason: string };

/** Translates one policy; never throws. */
export function translateAuthorization(message: Authorization): AuthorizationTranslation {
  return refusing((): AuthorizationTranslation => ({ kind: 'policy', policy: translatePolicy(message) }));
}

/** What takes the place of a refused policy of which no good version is held: it denies everything in its scope. */
export function brokenPolicy(message: Authorization, reason: string): Policy {
  return {
    name: message.name,
    namespace: message.namespace,
    scope: scopes[message.scope] ?? 'NAMESPACE',
    action: 'DENY',
    dryRun: message.dryRun,
    rules: [],
    broken: reason,
  };
}

function translatePolicy(message: Authorization): Policy {
  refuseUnknown('policy', message);
  for (const group of message.groups) {
    refuseUnknown('group', group);
    for (const rule of group.rules) refuseUnknown('rule', rule);
  }
  return {
    name: message.name,
    namespace: message.namespace,
    scope: closedEnum('scope', scopes, message.scope),
    action: closedEnum('action', actions, message.action),
    dryRun: message.dryRun,
    rules: message.groups.map((group) => group.rules.map((rule) => rule.matches.map((match) => translateMatch(match)))),
  };
}

function refuseUnknown(what: string, message: { readonly $unknown?: readonly UnknownField[] | undefined }): void {
  const [unknown] = message.$unknown ?? [];
  if (unknown !== undefined) throw new Refusal(`${what}: field ${unknown.no} is not known here`);
}

function translateMatch(match: Match): PolicyMatch {
  refuseUnknown('match', match);
  const texts = (list: readonly StringMatchProto[]): StringMatch[] => list.map((item) => stringMatch(item));
  const ranges = (list: readonly Address[]): Cidr[] => list.map((item) => cidr(item));
  const lists: Required<PolicyMatch> = {
    namespaces: texts(match.namespaces),
    notNamespaces: texts(match.notNamespaces),
    principals: texts(match.principals),
    notPrincipals: texts(match.notPrincipals),
    serviceAccounts: match.serviceAccounts.map((item) => serviceAccount(item)),
    notServiceAccounts: match.notServiceAccounts.map((item) => serviceAccount(item)),
    sourceIps: ranges(match.sourceIps),
    notSourceIps: ranges(match.notSourceIps),
    destinationIps: ranges(match.destinationIps),
    notDestinationIps: ranges(match.notDestinationIps),
    destinationPorts: match.destinationPorts.map((item) => port(item)),
    notDestinationPorts: match.notDestinationPorts.map((item) => port(item)),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as PolicyMatch;
}

function stringMatch({ matchType }: StringMatchProto): StringMatch {
  switch (matchType.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
      return { kind: matchType.case, value: matchType.value };
    case 'presence':
      return { kind: 'presence' };
    default:
      throw new Refusal('a string match has no kind');
  }
}

function serviceAccount(item: ServiceAccountMatch): { namespace: string; serviceAccount: string } {
  refuseUnknown('service account', item);
  return { namespace: item.namespace, serviceAccount: item.serviceAccount };
}

function cidr(item: Address): Cidr {
  refuseUnknown('ip block', item);
  const ip = ipField('ip block', item.address);
  if (item.length > fullLength(ip)) throw new Refusal(`ip block: a length of ${item.length} is over ${fullLength(ip)}`);
  return { ip, length: item.length };
}

function port(value: number): number {
  if (value > maxPort) throw new Refusal(`destination port ${value} is over ${maxPort}`);
  return value;
}
