// Rules for AuthorizationPolicies (spec control-plane 10.2). In: the object. Out: findings. Pure.
import { ipPrefix, isDecimal } from '../ip.ts';
import { goBoolean } from '../labels.ts';
import { type Findings, type Json, listOf, mapOf, mapsOf, optionalMap, textOf, textsOf } from './json.ts';
import { checkTargeting } from './selection.ts';

const DRY_RUN = 'istio.io/dry-run';
const CUSTOM_SOURCES = ['namespaces', 'serviceAccounts', 'trustDomains', 'principals', 'requestPrincipals'] as const;
const CUSTOM_KEYS = ['source.namespace', 'source.serviceAccount', 'source.trustDomain', 'source.principal'];
const SOURCE = [
  'principals',
  'requestPrincipals',
  'namespaces',
  'serviceAccounts',
  'trustDomains',
  'ipBlocks',
  'remoteIpBlocks',
] as const;
const OPERATION = ['ports', 'methods', 'hosts', 'paths'] as const;
const ADDRESS_KEYS = new Set(['source.ip', 'remote.ip', 'destination.ip']);
const BRACKET_KEYS = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters.'];
const PLAIN_KEYS = new Set([
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'connection.sni',
]);
const REPLACED: Readonly<Record<string, string>> = {
  'destination.namespace': 'the metadata namespace',
  'destination.labels': 'the workload selector',
  'destination.name': 'the workload selector',
  'destination.user': 'the workload selector',
};
const MAX_ACCOUNTS = 16;
const MAX_ACCOUNT_LENGTH = 320;

/** Checks spec and annotation. */
export function checkAuthorizationPolicy(object: Json, findings: Findings): void {
  const metadata = mapOf(object['metadata']);
  const spec = mapOf(object['spec']);
  const name = `${textOf(metadata['name'])}.${textOf(metadata['namespace'])}`;
  const error = (message: string): void => findings.error(`invalid policy ${name}: ${message}`);
  const action = textOf(spec['action']) || 'ALLOW';
  if (!checkDryRun(metadata, action, findings)) return;
  checkTargeting(spec, error, findings);
  const rules = listOf(spec['rules']);
  if ((action === 'DENY' || action === 'CUSTOM') && rules.length === 0) {
    error(
      `${action} action without \`rules\` is meaningless as it will never be triggered, add an empty rule \`{}\` if you want it be triggered for every request`,
    );
    return;
  }
  const provider = optionalMap(spec['provider']);
  if (action === 'CUSTOM') {
    if (textOf(provider?.['name']) === '') error('`provider.name` must not be empty');
    checkCustom(rules, error);
  } else if (provider !== undefined) error(`\`provider\` must not be with non CUSTOM action, found ${action}`);
  for (const [index, rule] of rules.entries()) checkRule(optionalMap(rule), index, error);
  if (action === 'DENY' && rules.some((rule) => isHttpOnly(mapOf(rule)))) {
    findings.warn(
      'configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes in a DENY rule; it is recommended to explicitly specify the port',
    );
  }
}

/** False when the annotation makes everything else moot. */
function checkDryRun(metadata: Json, action: string, findings: Findings): boolean {
  const text = mapOf(metadata['annotations'])[DRY_RUN];
  if (typeof text !== 'string') return true;
  const key = `${textOf(metadata['namespace'])}/${textOf(metadata['name'])}`;
  if (action !== 'ALLOW' && action !== 'DENY') {
    findings.error(
      `the annotation ${DRY_RUN} currently only supports action ALLOW/DENY, found action ${action} in ${key}`,
    );
    return false;
  }
  if (goBoolean(text) !== undefined) return true;
  findings.error(
    `${key} has annotation ${DRY_RUN} with invalid value (${text}): strconv.ParseBool: parsing "${text}": invalid syntax`,
  );
  return false;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function checkCustom(rules: readonly unknown[], error: (message: string) => void): void {
  for (const rule of rules.map(mapOf)) {
    for (const { source } of mapsOf(rule['from']).map((from) => ({ source: mapOf(from['source']) }))) {
      for (const field of CUSTOM_SOURCES.flatMap((f) => [f, `not${capital(f)}`])) {
        if (listOf(source[field]).length > 0)
          error(`From.${capital(field)} is currently not supported with CUSTOM action`);
      }
    }
    for (const when of mapsOf(rule['when'])) {
      const key = textOf(when['key']);
      if (CUSTOM_KEYS.includes(key) || key.startsWith('request.auth.')) {
        error(`${key} is currently not supported with CUSTOM action`);
      }
    }
  }
}

function checkRule(rule: Json | undefined, index: number, error: (message: string) => void): void {
  if (rule === undefined) {
    error('`rule` must not be nil, found at rule ' + String(index));
    return;
  }
  for (const from of mapsOf(rule['from'])) checkSource(optionalMap(from['source']), index, error);
  for (const to of mapsOf(rule['to'])) checkOperation(optionalMap(to['operation']), index, error);
  for (const when of mapsOf(rule['when'])) checkCondition(when, error);
}

const withNegations = (fields: readonly string[]): string[] => fields.flatMap((f) => [f, `not${capital(f)}`]);

function checkEmptyTexts(part: Json, fields: readonly string[], error: (message: string) => void): void {
  for (const field of fields) {
    if (textsOf(part[field]).includes('')) error(`empty value not allowed, found in ${capital(field)}`);
  }
}

function checkSource(source: Json | undefined, index: number, error: (message: string) => void): void {
  const fields = withNegations(SOURCE);
  if (source === undefined || fields.every((field) => listOf(source[field]).length === 0)) {
    error(`\`from.source\` must not be ${source === undefined ? 'nil' : 'empty'}, found at rule ${index}`);
    return;
  }
  const has = (field: string): boolean => listOf(source[field]).length > 0;
  if (withNegations(['serviceAccounts']).some(has) && withNegations(['principals', 'namespaces']).some(has)) {
    error(`cannot set serviceAccounts with namespaces or principals, found at rule ${index}`);
  }
  checkEmptyTexts(source, fields, error);
  for (const field of withNegations(['ipBlocks', 'remoteIpBlocks'])) {
    for (const text of textsOf(source[field])) if (text !== '') checkAddress(text, error);
  }
  for (const field of withNegations(['serviceAccounts'])) checkAccounts(capital(field), textsOf(source[field]), error);
  for (const field of withNegations(['trustDomains'])) {
    for (const text of textsOf(source[field])) {
      const found = `found in ${capital(field)}: "${text}"`;
      if (text.includes('/')) error(`trust domain must not contain '/', ${found}`);
      else if (text.slice(1, -1).includes('*')) error(`trust domain wildcard must be a prefix or suffix, ${found}`);
    }
  }
}

function checkAccounts(field: string, accounts: readonly string[], error: (message: string) => void): void {
  if (accounts.length > MAX_ACCOUNTS) error(`may not have more than ${MAX_ACCOUNTS} values`);
  for (const text of accounts) {
    if (text.includes('*')) error(`wildcard not allowed, found in ${field}`);
    else if (text.length > MAX_ACCOUNT_LENGTH)
      error(`serviceAccount cannot be longer than ${MAX_ACCOUNT_LENGTH} characters`);
    else if (text.split('/').length > 2) error(`invalid value, found in ${field}`);
    else if (text.includes('/') && text.split('/').includes('')) error(`empty value not allowed, found in ${field}`);
  }
}

function checkAddress(text: string, error: (message: string) => void): void {
  if (ipPrefix(text) !== undefined) return;
  error(text.includes('/') ? `bad CIDR range (${text}): not an address range` : `bad IP address (${text})`);
}

function checkOperation(operation: Json | undefined, index: number, error: (message: string) => void): void {
  const fields = withNegations(OPERATION);
  if (operation === undefined || fields.every((field) => listOf(operation[field]).length === 0)) {
    error(`\`to.operation\` must not be ${operation === undefined ? 'nil' : 'empty'}, found at rule ${index}`);
    return;
  }
  checkEmptyTexts(operation, fields, error);
  for (const field of withNegations(['ports'])) {
    for (const text of textsOf(operation[field])) if (text !== '') checkPort(text, error);
  }
  for (const field of withNegations(['paths'])) {
    for (const text of textsOf(operation[field])) checkPath(capital(field), text, error);
  }
}

function checkPort(text: string, error: (message: string) => void): void {
  if (!isDecimal(text, 10)) error(`bad port (${text}): strconv.ParseUint: parsing "${text}": invalid syntax`);
  else if (Number(text) > 65_535) error(`bad port (${text}): <nil>`);
}

/** `{*}` is one segment, `{**}` several; nothing else in braces, and no operator behind `{**}`. */
function checkPath(field: string, path: string, error: (message: string) => void): void {
  if (!path.includes('{') && !path.includes('}')) return;
  const text = path.startsWith('/') ? path.slice(1) : path;
  const segments = text.split('/');
  const isOperator = (segment: string): boolean => segment === '{*}' || segment === '{**}';
  const wrong = segments.some((s) => !isOperator(s) && (s.includes('{') || s.includes('}')));
  if (wrong) {
    error(
      `invalid or unsupported path ${text}, found in ${field}. Contains '{' or '}' beyond a supported path template`,
    );
    return;
  }
  const last = segments.indexOf('{**}');
  if (last >= 0 && segments.slice(last + 1).some(isOperator)) {
    error(`invalid or unsupported path ${text}, found in ${field}. {**} is not the last operator`);
  }
  if (segments.some((s) => !isOperator(s) && s.includes('*'))) {
    error(`invalid or unsupported path ${text}, found in ${field}. Contains '*' beyond a supported path template`);
  }
}

function checkCondition(when: Json, error: (message: string) => void): void {
  const key = textOf(when['key']);
  if (key === '') {
    error('`key` must not be empty');
    return;
  }
  const [values, notValues] = [textsOf(when['values']), textsOf(when['notValues'])];
  if (values.length === 0 && notValues.length === 0) {
    error(`at least one of \`values\` or \`notValues\` must be set for key ${key}`);
    return;
  }
  for (const [label, list] of [
    ['value', values],
    ['notValue', notValues],
  ] as const) {
    const problem = problemOfKey(key) ?? list.map((text) => problemOfValue(key, text)).find((p) => p !== undefined);
    if (problem !== undefined) error(`invalid \`${label}\` for \`key\` ${key}: ${problem}`);
  }
}

function problemOfKey(key: string): string | undefined {
  const replaced = Object.keys(REPLACED).find((known) => key === known || key.startsWith(`${known}[`));
  if (replaced !== undefined) return `attribute ${key} is replaced by ${REPLACED[replaced] ?? ''}`;
  if (BRACKET_KEYS.some((known) => key.startsWith(known))) {
    const open = key.indexOf('[');
    return open > 0 && key.endsWith(']') && open < key.length - 1
      ? undefined
      : `bad key (${key}): should have format a[b]`;
  }
  if (PLAIN_KEYS.has(key) || ADDRESS_KEYS.has(key) || key === 'destination.port') return undefined;
  return `unknown attribute: ${key}`;
}

function problemOfValue(key: string, text: string): string | undefined {
  let problem: string | undefined;
  const note = (message: string): void => void (problem ??= message);
  if (ADDRESS_KEYS.has(key)) checkAddress(text, note);
  if (key === 'destination.port') checkPort(text, note);
  return problem;
}

/** A rule that only HTTP requests can be measured by: on TCP it means everything. */
function isHttpOnly(rule: Json): boolean {
  const operations = mapsOf(rule['to']).map((to) => mapOf(to['operation']));
  const http = ['methods', 'hosts', 'paths'];
  const hasHttp = operations.some((o) => withNegations(http).some((field) => listOf(o[field]).length > 0));
  const hasOther =
    operations.some((o) => withNegations(['ports']).some((field) => listOf(o[field]).length > 0)) ||
    listOf(rule['from']).length > 0 ||
    listOf(rule['when']).length > 0;
  return hasHttp && !hasOther;
}
