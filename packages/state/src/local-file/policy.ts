// Policies of the local state file. Called by local-file.ts; pure. String matches are one-key objects here (`{ Exact: 'x' }`);
// the YAML reader of the app turns the tagged form (`!Exact x`) into them.

import type { Cidr, Policy, PolicyMatch, StringMatch } from '../policy.ts';
import { parseCidr } from './cidr.ts';
import { Fields, isObject } from './fields.ts';

const scopes = { Global: 'GLOBAL', Namespace: 'NAMESPACE', WorkloadSelector: 'WORKLOAD_SELECTOR' } as const;
const maxPort = 0xffff;

/** Reads one policy; all keys are required. */
export function readPolicy(fields: Fields, problems: string[]): Policy {
  const matchesOf = (value: unknown, path: string): PolicyMatch => readMatch(new Fields(path, value, problems));
  const listOf =
    <T>(item: (value: unknown, path: string) => T) =>
    (value: unknown, path: string): T[] => {
      if (Array.isArray(value)) return value.map((entry, index) => item(entry, `${path}[${index}]`));
      problems.push(`${path}: expected a list`);
      return [];
    };
  const policy: Policy = {
    name: fields.text('name'),
    namespace: fields.text('namespace'),
    scope: fields.choice('scope', scopes) ?? 'NAMESPACE',
    action: fields.choice('action', { Allow: 'ALLOW', Deny: 'DENY' } as const) ?? 'DENY',
    dryRun: fields.flag('dryRun'),
    rules: fields.list('rules', listOf(listOf(matchesOf)), true),
  };
  fields.end();
  return policy;
}

function readMatch(fields: Fields): PolicyMatch {
  const texts = (key: string): StringMatch[] =>
    fields.list(key, (value) => readString(value) ?? fields.problem(key, 'expected Exact, Prefix, Suffix or Presence'));
  const ranges = (key: string): Cidr[] =>
    fields.list(
      key,
      (value) =>
        (typeof value === 'string' ? parseCidr(value) : undefined) ?? fields.problem(key, 'expected address/length'),
    );
  const ports = (key: string): number[] =>
    fields.list(key, (value) => (isPort(value) ? value : fields.problem(key, 'expected a port')));
  const accounts = (key: string): { namespace: string; serviceAccount: string }[] =>
    fields.list(key, (value) => readAccount(value) ?? fields.problem(key, 'expected namespace and serviceAccount'));
  const match: PolicyMatch = {
    namespaces: texts('namespaces'),
    notNamespaces: texts('notNamespaces'),
    principals: texts('principals'),
    notPrincipals: texts('notPrincipals'),
    serviceAccounts: accounts('serviceAccounts'),
    notServiceAccounts: accounts('notServiceAccounts'),
    sourceIps: ranges('sourceIps'),
    notSourceIps: ranges('notSourceIps'),
    destinationIps: ranges('destinationIps'),
    notDestinationIps: ranges('notDestinationIps'),
    destinationPorts: ports('destinationPorts'),
    notDestinationPorts: ports('notDestinationPorts'),
  };
  fields.end();
  return match;
}

function readString(value: unknown): StringMatch | undefined {
  if (!isObject(value)) return undefined;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return undefined;
  const [kind, text] = entry;
  if (kind === 'Presence') return { kind: 'presence' };
  const kinds = { Exact: 'exact', Prefix: 'prefix', Suffix: 'suffix' } as const;
  if (!Object.hasOwn(kinds, kind) || typeof text !== 'string') return undefined;
  return { kind: kinds[kind as keyof typeof kinds], value: text };
}

function readAccount(value: unknown): { namespace: string; serviceAccount: string } | undefined {
  if (!isObject(value)) return undefined;
  const { namespace, serviceAccount } = value as { namespace?: unknown; serviceAccount?: unknown };
  return typeof namespace === 'string' && typeof serviceAccount === 'string'
    ? { namespace, serviceAccount }
    : undefined;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maxPort;
}
