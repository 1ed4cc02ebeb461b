// Values in authorization rules: addresses, ports, accounts, trust domains, path templates, attributes (spec control-plane 10.2). In:
// values of one field. Out: problems in upstream's words. Called by authorization-policy.ts. Pure.
import { quoted } from '../analyze/go-text.ts';
import { ipPrefix } from '../ip.ts';
import { isIpAddress } from './names.ts';

const MAX_ACCOUNTS = 16;
const MAX_ACCOUNT_LENGTH = 320;
const FORM = "expected format 'serviceAccount' or 'namespace/serviceAccount', found";

/** Empty texts. */
export function problemOfEmpty(field: string, values: readonly string[]): string | undefined {
  return values.includes('') ? `empty value not allowed, found in ${field}` : undefined;
}

/** Wildcards elsewhere than at one end. */
export function problemOfWildcards(field: string, values: readonly string[]): string | undefined {
  const empty = problemOfEmpty(field, values);
  if (empty !== undefined) return empty;
  for (const value of values) {
    const stars = value.split('*').length - 1;
    if (stars > 1) return `at most one wildcard is allowed, found in ${field}: ${quoted(value)}`;
    if (stars === 1 && !value.startsWith('*') && !value.endsWith('*')) {
      return `wildcard is only allowed at the start or end, found in ${field}: ${quoted(value)}`;
    }
  }
  return undefined;
}

/** Trust domains. */
export function problemOfTrustDomains(field: string, values: readonly string[]): string | undefined {
  const wildcard = problemOfWildcards(field, values);
  if (wildcard !== undefined) return wildcard;
  const wrong = values.find((value) => value.includes('/'));
  return wrong === undefined ? undefined : `trust domain must not contain '/', found in ${field}: ${quoted(wrong)}`;
}

/** Service accounts. */
export function problemOfAccounts(field: string, values: readonly string[]): string | undefined {
  if (values.length > MAX_ACCOUNTS) return `may not have more than ${MAX_ACCOUNTS} values`;
  return values.map((value) => problemOfAccount(field, value)).find((problem) => problem !== undefined);
}

function problemOfAccount(field: string, value: string): string | undefined {
  if (value === '') return `empty value not allowed, found in ${field}`;
  if (value.includes('*')) return `wildcard not allowed, found in ${field}`;
  const [namespace, account, ...more] = value.split('/');
  if (more.length > 0) return `${FORM} ${quoted(value)} in ${field}`;
  if (Buffer.byteLength(value) > MAX_ACCOUNT_LENGTH) {
    return `value cannot exceed ${MAX_ACCOUNT_LENGTH} characters, found ${quoted(value)} in ${field}`;
  }
  if (account === undefined) return undefined;
  if (namespace === '') return `${FORM} empty namespace ${quoted(value)} in ${field}`;
  return account === '' ? `${FORM} empty serviceAccount ${quoted(value)} in ${field}` : undefined;
}

/** Addresses and ranges; one problem each. */
export function problemsOfAddresses(values: readonly string[]): string[] {
  return values.flatMap((value) => {
    if (value.includes('/')) {
      const isRange = ipPrefix(value) !== undefined;
      return isRange ? [] : [`bad CIDR range (${value}): netip.ParsePrefix(${quoted(value)}): not a range`];
    }
    return isIpAddress(value) ? [] : [`bad IP address (${value})`];
  });
}

/** Ports; one problem each. */
export function problemsOfPorts(values: readonly string[]): string[] {
  return values.flatMap((value) => {
    const parsing = `strconv.ParseUint: parsing ${quoted(value)}`;
    const isDecimal = value !== '' && Array.from(value).every((c) => c >= '0' && c <= '9');
    if (!isDecimal) return [`bad port (${value}): ${parsing}: invalid syntax`];
    if (Number(value) > 4_294_967_295) return [`bad port (${value}): ${parsing}: value out of range`];
    return Number(value) > 65_535 ? [`bad port (${value}): <nil>`] : [];
  });
}

const ANY = '{**}';
const ONE = '{*}';
const LITERAL = "-._~%!$&'()+,;:@=";
const isLiteral = (text: string): boolean =>
  text !== '' &&
  Array.from(text).every(
    (c) => (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || LITERAL.includes(c),
  );

/** Path templates: `{*}` is one segment, `{**}` any number and the last operator; nothing else stands in braces. */
export function problemOfTemplates(field: string, paths: readonly string[]): string | undefined {
  return paths.map((path) => problemOfTemplate(field, path)).find((problem) => problem !== undefined);
}

function problemOfTemplate(field: string, path: string): string | undefined {
  const isTemplate = path.includes(ONE) || path.includes(ANY);
  const text = trimSlashes(path);
  const problem = (why: string): string => `invalid or unsupported path ${text}, found in ${field}. ${why}`;
  let hasAny = false;
  for (const segment of text.split('/')) {
    if (segment === ONE || segment === ANY) {
      if (hasAny) return problem(`${ANY} is not the last operator`);
      hasAny = segment === ANY;
      continue;
    }
    if (segment.includes('{') || segment.includes('}')) {
      return problem("Contains '{' or '}' beyond a supported path template");
    }
    if (isTemplate && !isLiteral(segment)) return problem(`Contains segment ${segment} with invalid string literal`);
  }
  return undefined;
}

function trimSlashes(path: string): string {
  let [start, end] = [0, path.length];
  while (start < end && path.charAt(start) === '/') start++;
  while (end > start && path.charAt(end - 1) === '/') end--;
  return path.slice(start, end);
}

const FREE = new Set([
  'source.namespace',
  'source.principal',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'connection.sni',
]);
const ADDRESSES = new Set(['source.ip', 'remote.ip', 'destination.ip']);
const BRACKETED = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters.'];

/** The key of a condition with its values. */
export function problemOfAttribute(key: string, values: readonly string[]): string | undefined {
  const empty = problemOfEmpty(key, values);
  if (empty !== undefined) return empty;
  if (key.startsWith('request.headers')) return problemOfBrackets(key);
  if (ADDRESSES.has(key)) return joined(problemsOfAddresses(values));
  if (FREE.has(key)) return undefined;
  if (key === 'source.serviceAccount') return problemOfAccounts(key, values);
  if (key === 'source.trustDomain') return problemOfWildcards(key, values);
  if (BRACKETED.some((known) => key.startsWith(known))) return problemOfBrackets(key);
  if (key === 'destination.port') return joined(problemsOfPorts(values));
  if (key === 'destination.namespace') return `attribute ${key} is replaced by the metadata.namespace`;
  if (key.startsWith('destination.labels')) return `attribute ${key} is replaced by the workload selector`;
  if (key === 'destination.name' || key === 'destination.user') {
    return `deprecated attribute ${key}: only supported in v1alpha1`;
  }
  return `unknown attribute: ${key}`;
}

function problemOfBrackets(key: string): string | undefined {
  const open = key.indexOf('[');
  const isRight = key.endsWith(']') && open > 0 && open < key.length - 2;
  return isRight ? undefined : `bad key (${key}): should have format a[b]`;
}

/** Several problems as one text. */
function joined(problems: readonly string[]): string | undefined {
  if (problems.length === 0) return undefined;
  const head = problems.length === 1 ? '1 error occurred:' : `${problems.length} errors occurred:`;
  return `${head}\n\t${problems.map((problem) => `* ${problem}`).join('\n\t')}\n\n`;
}
