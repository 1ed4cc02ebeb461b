// Names and values of HTTP headers in rules (spec control-plane 10.2), in upstream's words; undefined when all is well. Pure.
import { quoted } from '../analyze/go-text.ts';
import { isRoutingClaim } from './routing-claim.ts';

const TOKEN = "!#$%&'*+-.^_`|~";
const PSEUDO = new Set([':method', ':scheme', ':authority', ':path', ':status']);
const isPlain = (c: string): boolean =>
  (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c === '-';
const all = (text: string, test: (c: string) => boolean): boolean => Array.from(text).every(test);

/** A token of RFC 9110 5.6.2. */
export function isHeaderName(name: string): boolean {
  return name !== '' && all(name, (c) => isPlain(c) || TOKEN.includes(c));
}

const EMPTY = 'header name cannot be empty';
const invalid = (name: string): string => `header name ${name} is not a valid header name`;

/** A name of letters, digits, hyphens and underscores. */
export function problemOfStrictName(name: string): string | undefined {
  if (name === '') return EMPTY;
  return all(name, (c) => isPlain(c) || c === '_') ? undefined : invalid(name);
}

/** A name of letters, digits and hyphens. */
export function problemOfProbeName(name: string): string | undefined {
  if (name === '') return EMPTY;
  return all(name, isPlain) ? undefined : invalid(name);
}

/** A name in a CORS policy; `*` is all of them. */
export function problemOfCorsName(name: string): string | undefined {
  if (name === '') return EMPTY;
  return name === '*' || isHeaderName(name) ? undefined : invalid(name);
}

/** A name to match on: a header, a pseudo header, or a claim. */
export function problemOfMatchName(name: string): string | undefined {
  if (name === '') return EMPTY;
  return isRoutingClaim(name) || PSEUDO.has(name) || isHeaderName(name) ? undefined : invalid(name);
}

const isHost = (name: string): boolean => name.toLowerCase() === 'host';

/** True for the names that stand for the authority. */
export function isAuthority(name: string): boolean {
  return isHost(name) || name.toLowerCase() === ':authority';
}

/** A name to set or add on requests: the authority is allowed. */
export function problemOfRequestName(name: string): string | undefined {
  if (name === '') return EMPTY;
  if (!name.startsWith(':') || isAuthority(name)) return undefined;
  return `invalid header ${quoted(name)}: header cannot have ":" prefix`;
}

/** A name to remove, or to change on responses. */
export function problemOfOperationName(name: string): string | undefined {
  if (name === '') return EMPTY;
  if (isHost(name)) return `invalid header ${quoted(name)}: cannot set Host header`;
  return name.startsWith(':') ? `invalid header ${quoted(name)}: header cannot have ":" prefix` : undefined;
}

/** A value with `%VARIABLES(["argument"])%`: what the proxy's formatter would refuse. */
export function problemOfHeaderValue(value: string): string | undefined {
  if (!all(value, (c) => c === '\t' || (c >= ' ' && c !== '\x7f'))) {
    return `header value configuration ${value} is invalid`;
  }
  const problem = problemOfFormat(value);
  return problem === undefined ? undefined : `header value configuration: invalid header configuration. ${problem}`;
}

type State = 'literal' | 'name' | 'array' | 'delimiter' | 'string-start' | 'string' | 'arguments-end' | 'end';

function problemOfFormat(value: string): string | undefined {
  let state: State = 'literal';
  for (let at = 0; at < value.length; at++) {
    const c = value.charAt(at);
    const isLast = at + 1 === value.length;
    if (state === 'literal') {
      if (c !== '%') continue;
      if (isLast) return 'Un-escaped %';
      if (value.charAt(at + 1) === '%') at++;
      else state = 'name';
    } else if (state === 'string' && c === '\\') {
      if (isLast) return 'Un-terminated backslash in JSON string';
      at++;
    } else {
      const next = nextState(state, c);
      if (next.problem !== undefined) return next.problem;
      state = next.state;
    }
  }
  return state === 'literal' ? undefined : `Un-terminated variable expression '${value}'`;
}

interface Step {
  readonly state: State;
  readonly problem?: string;
}

/** One character inside a variable. */
function nextState(state: State, c: string): Step {
  const otherwise = (problem: string): Step => (c === ' ' ? { state } : { state, problem });
  switch (state) {
    case 'name':
      if (c === '%') return { state: 'literal' };
      return { state: c === '(' ? 'array' : 'name' };
    case 'array':
      if (c === '[') return { state: 'string-start' };
      return { state: c === ' ' ? 'array' : 'string' };
    case 'delimiter':
      if (c === ',') return { state: 'string-start' };
      return c === ']' ? { state: 'arguments-end' } : otherwise("Expecting ',', ']', or whitespace");
    case 'string-start':
      return c === '"' ? { state: 'string' } : otherwise("Expecting '\"'");
    case 'string':
      if (c === ')') return { state: 'end' };
      return { state: c === '"' ? 'delimiter' : 'string' };
    case 'arguments-end':
      return c === ')' ? { state: 'end' } : otherwise("Expecting ')' or whitespace after '{}', but found '{}'");
    case 'end':
      return c === '%' ? { state: 'literal' } : otherwise("Expecting '%' or whitespace after");
    case 'literal':
      return { state };
  }
}
