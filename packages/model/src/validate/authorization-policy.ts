// Rules for AuthorizationPolicies (spec control-plane 10.2). In: the object with its spec as decoded. Out: findings. Pure.
import {
  problemOfAccounts,
  problemOfAttribute,
  problemOfEmpty,
  problemOfTemplates,
  problemOfTrustDomains,
  problemsOfAddresses,
  problemsOfPorts,
} from './authorization-values.ts';
import { enumText, type Findings, type Json, listOf, mapOf, mapsOf, optionalMap, textOf, textsOf } from './json.ts';
import { checkTargeting } from './selection.ts';

type Tell = (message: string) => void;

const WITHOUT_RULES =
  'action without `rules` is meaningless as it will never be triggered, add an empty rule `{}` if you want it be triggered for every request';
const TCP_PORTS =
  'configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes in a DENY rule; it is recommended to explicitly specify the port';
const CUSTOM_SOURCES = ['namespaces', 'serviceAccounts', 'trustDomains', 'principals', 'requestPrincipals'];
const CUSTOM_KEYS = ['source.namespace', 'source.serviceAccount', 'source.trustDomain', 'source.principal'];
const SOURCES = [
  'principals',
  'requestPrincipals',
  'namespaces',
  'serviceAccounts',
  'trustDomains',
  'ipBlocks',
  'remoteIpBlocks',
];
const OPERATIONS = ['ports', 'methods', 'paths', 'hosts'];

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const negated = (field: string): string => `not${capital(field)}`;
const withNegations = (fields: readonly string[]): string[] => [...fields, ...fields.map(negated)];
const pairs = (fields: readonly string[]): string[] => fields.flatMap((field) => [field, negated(field)]);
const has = (part: Json, field: string): boolean => listOf(part[field]).length > 0;

/** Checks a spec; `metadata` names the policy in the texts. */
export function checkAuthorizationPolicy(object: Json, findings: Findings): void {
  const metadata = mapOf(object['metadata']);
  const spec = mapOf(object['spec']);
  const prefix = `invalid policy ${textOf(metadata['name'])}.${textOf(metadata['namespace'])}:`;
  const error: Tell = (message) => findings.error(`${prefix} ${message}`);
  checkTargeting(spec, { error, warn: findings.warn });
  const action = enumText(spec['action'], 'ALLOW');
  const rules = mapsOf(spec['rules']);
  if (action === 'CUSTOM') checkCustom(spec, rules, error);
  else if (optionalMap(spec['provider']) !== undefined) {
    error(`\`provider\` must not be with non CUSTOM action, found ${action}`);
  }
  if (action === 'DENY' && rules.length === 0) error(`DENY ${WITHOUT_RULES}`);
  for (const [index, rule] of rules.entries()) {
    checkRule(rule, index, error);
    if (action === 'DENY' && isHttpOnly(rule)) findings.warn(TCP_PORTS);
  }
}

function checkCustom(spec: Json, rules: readonly Json[], error: Tell): void {
  if (rules.length === 0) error(`CUSTOM ${WITHOUT_RULES}`);
  else if (textOf(mapOf(spec['provider'])['name']) === '') error('`provider.name` must not be empty');
  for (const rule of rules) {
    for (const source of mapsOf(rule['from']).map((from) => mapOf(from['source']))) {
      for (const field of pairs(CUSTOM_SOURCES)) {
        if (has(source, field)) error(`From.${capital(field)} is currently not supported with CUSTOM action`);
      }
    }
    for (const key of mapsOf(rule['when']).map((when) => textOf(when['key']))) {
      if (CUSTOM_KEYS.includes(key) || key.startsWith('request.auth.')) {
        error(`${key} is currently not supported with CUSTOM action`);
      }
    }
  }
}

function checkRule(rule: Json, index: number, error: Tell): void {
  for (const from of mapsOf(rule['from'])) checkSource(optionalMap(from['source']), index, error);
  for (const to of mapsOf(rule['to'])) checkOperation(optionalMap(to['operation']), index, error);
  for (const when of mapsOf(rule['when'])) checkCondition(when, error);
}

function checkSource(source: Json | undefined, index: number, error: Tell): void {
  if (source === undefined) {
    error(`\`from.source\` must not be nil, found at rule ${index}`);
    return;
  }
  const hasOther = pairs(['principals', 'namespaces']).some((field) => has(source, field));
  if (hasOther && pairs(['serviceAccounts']).some((field) => has(source, field))) {
    error(`cannot set serviceAccounts with namespaces or principals, found at rule ${index}`);
  }
  if (!withNegations(SOURCES).some((field) => has(source, field))) {
    error(`\`from.source\` must not be empty, found at rule ${index}`);
  }
  for (const field of pairs(['ipBlocks', 'remoteIpBlocks'])) {
    for (const problem of problemsOfAddresses(textsOf(source[field]))) error(problem);
  }
  for (const field of withNegations(SOURCES)) {
    const problem = problemOfSourceValues(field, textsOf(source[field]));
    if (problem !== undefined) error(problem);
  }
}

function problemOfSourceValues(field: string, values: readonly string[]): string | undefined {
  const name = capital(field);
  if (name.endsWith('ServiceAccounts')) return problemOfAccounts(name, values);
  return name.endsWith('TrustDomains') ? problemOfTrustDomains(name, values) : problemOfEmpty(name, values);
}

function checkOperation(operation: Json | undefined, index: number, error: Tell): void {
  if (operation === undefined) {
    error(`\`to.operation\` must not be nil, found at rule ${index}`);
    return;
  }
  const tell = (problem: string | undefined): void => {
    if (problem !== undefined) error(problem);
  };
  if (!withNegations(OPERATIONS).some((field) => has(operation, field))) {
    error(`\`to.operation\` must not be empty, found at rule ${index}`);
  }
  for (const field of pairs(['ports']))
    for (const problem of problemsOfPorts(textsOf(operation[field]))) error(problem);
  for (const field of withNegations(OPERATIONS)) tell(problemOfEmpty(capital(field), textsOf(operation[field])));
  for (const field of pairs(['paths'])) tell(problemOfTemplates(capital(field), textsOf(operation[field])));
}

function checkCondition(when: Json, error: Tell): void {
  const key = textOf(when['key']);
  const [values, notValues] = [textsOf(when['values']), textsOf(when['notValues'])];
  if (key === '') {
    error('`key` must not be empty');
    return;
  }
  if (values.length === 0 && notValues.length === 0) {
    error(`at least one of \`values\` or \`notValues\` must be set for key ${key}`);
    return;
  }
  // An unknown key is told for both lists, even for an empty one.
  const [first, second] = [problemOfAttribute(key, values), problemOfAttribute(key, notValues)];
  if (first !== undefined) error(`invalid \`value\` for \`key\` ${key}: ${first}`);
  if (second !== undefined) error(`invalid \`notValue\` for \`key\` ${key}: ${second}`);
}

/** A rule that only HTTP requests can be measured by: on TCP it means everything. */
function isHttpOnly(rule: Json): boolean {
  const sources = mapsOf(rule['from']).map((from) => optionalMap(from['source']));
  const operations = mapsOf(rule['to']).map((to) => optionalMap(to['operation']));
  const tcpSources = pairs(['principals', 'ipBlocks', 'namespaces', 'remoteIpBlocks', 'serviceAccounts']);
  const isTcpFrom = sources.some((source) => tcpSources.some((field) => source !== undefined && has(source, field)));
  const isTcpTo = operations.some((operation) =>
    pairs(['ports']).some((field) => operation !== undefined && has(operation, field)),
  );
  const hasFrom = sources.some((source) => source !== undefined);
  const hasTo = operations.some((operation) => operation !== undefined);
  return (hasFrom && !hasTo && !isTcpFrom) || (hasTo && !isTcpTo);
}
