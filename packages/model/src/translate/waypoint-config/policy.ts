// AuthorizationPolicy with targets -> the waypoint's Policy (spec waypoint 4.1). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AuthzPolicy_Action,
  type AuthzRuleSchema,
  type CidrSchema,
  type ConditionSchema,
  type OperationSchema,
  PolicySchema,
  type SourceSchema,
  type StringMatchSchema,
} from '@ambit/proto/waypoint';
import type {
  AuthorizationOperation,
  AuthorizationPolicy,
  AuthorizationRule,
  AuthorizationSource,
} from '@ambit/resources';
import { identityOf } from '../../index/view.ts';
import { ipPrefix, isDecimal } from '../../ip.ts';
import type { ModelOptions } from '../../options.ts';
import { isDryRun } from '../authorization/policy.ts';
import { type ConfigResource, configResource } from './config-resource.ts';
import { policyKey } from './keys.ts';
import { metaOf } from './meta.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type Match = Init<MessageInitShape<typeof StringMatchSchema>>;
type Cidr = Init<MessageInitShape<typeof CidrSchema>>;
type Rule = Init<MessageInitShape<typeof AuthzRuleSchema>>;

/** The Policy of an AuthorizationPolicy. What cannot be translated becomes `invalid`, which denies. */
export function policyResource(policy: AuthorizationPolicy, options: ModelOptions): ConfigResource {
  const { namespace, name } = identityOf(policy);
  const spec = policy.spec ?? {};
  const invalid = problemOf(policy);
  return configResource(PolicySchema, policyKey('AuthorizationPolicy', namespace, name), {
    meta: metaOf('AuthorizationPolicy', policy),
    dryRun: isDryRun(policy),
    body:
      invalid === undefined
        ? {
            case: 'authz',
            value: {
              action: AuthzPolicy_Action[spec.action ?? 'ALLOW'],
              provider: spec.provider?.name ?? '',
              rules: (spec.rules ?? []).map((rule, i) =>
                ruleOf(rule, `ns[${namespace}]-policy[${name}]-rule[${i}]`, namespace, options),
              ),
            },
          }
        : { case: 'invalid', value: { reason: invalid } },
  });
}

/** An address or port that cannot be read must not silently widen an ALLOW or narrow a DENY. */
function problemOf({ spec }: AuthorizationPolicy): string | undefined {
  for (const rule of spec?.rules ?? []) {
    for (const { source } of rule.from ?? []) {
      const blocks = [source?.ipBlocks, source?.notIpBlocks, source?.remoteIpBlocks, source?.notRemoteIpBlocks].flat();
      const bad = blocks.find((text) => text !== undefined && ipPrefix(text) === undefined);
      if (bad !== undefined) return `not an address block: ${bad}`;
    }
    for (const { operation } of rule.to ?? []) {
      const bad = [...(operation?.ports ?? []), ...(operation?.notPorts ?? [])].find((text) => !isPort(text));
      if (bad !== undefined) return `not a port: ${bad}`;
    }
  }
  return undefined;
}

const isPort = (text: string): boolean => isDecimal(text, 5) && Number(text) <= 65535;

function ruleOf(rule: AuthorizationRule, id: string, namespace: string, options: ModelOptions): Rule {
  return {
    id,
    from: (rule.from ?? []).map(({ source }) => sourceOf(source ?? {}, namespace, options)),
    to: (rule.to ?? []).map(({ operation }) => operationOf(operation ?? {})),
    when: (rule.when ?? []).map(({ key, values, notValues }) =>
      conditionOf(key, values ?? [], notValues ?? [], options),
    ),
  };
}

function sourceOf(
  source: AuthorizationSource,
  namespace: string,
  options: ModelOptions,
): Init<MessageInitShape<typeof SourceSchema>> {
  const accounts = (list: readonly string[] = []): { namespace: string; name: string }[] =>
    list.map((text) => {
      const slash = text.indexOf('/');
      return slash < 0 ? { namespace, name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
    });
  const principals = (list: readonly string[] = []): Match[] => list.flatMap((p) => aliasesOf(p, options)).map(match);
  return {
    principals: principals(source.principals),
    notPrincipals: principals(source.notPrincipals),
    namespaces: all(source.namespaces),
    notNamespaces: all(source.notNamespaces),
    trustDomains: all(source.trustDomains),
    notTrustDomains: all(source.notTrustDomains),
    requestPrincipals: all(source.requestPrincipals),
    notRequestPrincipals: all(source.notRequestPrincipals),
    serviceAccounts: accounts(source.serviceAccounts),
    notServiceAccounts: accounts(source.notServiceAccounts),
    ips: cidrs(source.ipBlocks),
    notIps: cidrs(source.notIpBlocks),
    remoteIps: cidrs(source.remoteIpBlocks),
    notRemoteIps: cidrs(source.notRemoteIpBlocks),
  };
}

function operationOf(operation: AuthorizationOperation): Init<MessageInitShape<typeof OperationSchema>> {
  return {
    hosts: all(operation.hosts),
    notHosts: all(operation.notHosts),
    methods: all(operation.methods),
    notMethods: all(operation.notMethods),
    paths: (operation.paths ?? []).map(pathMatch),
    notPaths: (operation.notPaths ?? []).map(pathMatch),
    ports: (operation.ports ?? []).map(Number),
    notPorts: (operation.notPorts ?? []).map(Number),
  };
}

const ADDRESS_KEYS = new Set(['source.ip', 'remote.ip', 'destination.ip']);

function conditionOf(
  key: string,
  values: readonly string[],
  notValues: readonly string[],
  options: ModelOptions,
): Init<MessageInitShape<typeof ConditionSchema>> {
  if (ADDRESS_KEYS.has(key)) return { key, cidrs: cidrs(values), notCidrs: cidrs(notValues) };
  const expand = (list: readonly string[]): string[] =>
    key === 'source.principal' ? list.flatMap((p) => aliasesOf(p, options)) : [...list];
  return { key, values: expand(values).map(match), notValues: expand(notValues).map(match) };
}

/** `*` is any value that is there, `*x` a suffix, `x*` a prefix, anything else exact. */
function match(text: string): Match {
  if (text === '*') return { m: { case: 'present', value: true } };
  if (text.startsWith('*')) return { m: { case: 'suffix', value: text.slice(1) } };
  if (text.endsWith('*')) return { m: { case: 'prefix', value: text.slice(0, -1) } };
  return { m: { case: 'exact', value: text } };
}

function pathMatch(text: string): Match {
  return text.includes('{*}') || text.includes('{**}') ? { m: { case: 'template', value: text } } : match(text);
}

function all(texts: readonly string[] = []): Match[] {
  return texts.map(match);
}

function cidrs(texts: readonly string[] = []): Cidr[] {
  return texts
    .map(ipPrefix)
    .filter((p) => p !== undefined)
    .map(({ bytes, length }) => ({ address: bytes, length }));
}

/** A principal of our trust domain or of an alias stands for all of them. */
function aliasesOf(principal: string, options: ModelOptions): string[] {
  const slash = principal.indexOf('/');
  const domains = [options.trustDomain, ...options.trustDomainAliases];
  const isOurs =
    slash > 0 && (domains.includes(principal.slice(0, slash)) || principal.slice(0, slash) === 'cluster.local');
  return isOurs ? domains.map((domain) => domain + principal.slice(slash)) : [principal];
}
