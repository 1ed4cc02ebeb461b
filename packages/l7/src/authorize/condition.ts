/**
 * `when` conditions of a rule (spec/waypoint.md 4.1.3): a key, values that may match, values that must not.
 * Compiled while policies arrive; asked on the data thread.
 */
import type { Condition } from '@ambit/proto/waypoint';
import { compileAny, type StringMatchOptions, type ValueTest } from '../match/string-match.ts';
import type { RequestView } from '../request-view.ts';
import { claimValues } from './claims.ts';
import { compileCidrs } from './cidr.ts';
import {
  httpOnly,
  onTcp,
  requestPrincipalOf,
  type RuleContext,
  type Subject,
  type SubjectTest,
  withSpiffeScheme,
} from './subject.ts';

/** Compiles a condition; an unknown key is true in DENY and AUDIT, false in ALLOW (4.2). Throws L7Error on bad values. */
export const compileCondition = (condition: Condition, context: RuleContext): SubjectTest => {
  const connection = connectionKeys[condition.key];
  if (connection !== undefined) return compileConnectionKey(condition, connection);
  const header = bracketed(condition.key, 'request.headers')?.toLowerCase();
  if (header !== undefined && !header.startsWith(':')) return compileHeaderCondition(condition, header, context);
  const read = requestReader(condition);
  if (read === undefined) return context.allows ? () => false : () => true;
  if (context.protocol === 'tcp') return onTcp(context);
  return httpOnly(both(compileAny(condition.values), compileAny(condition.notValues), read));
};

/** Values of an attribute that may be a list: any of them may match, none may be excluded; none = absent. */
const both =
  <T>(yes: ValueTest | undefined, no: ValueTest | undefined, read: (subject: T) => readonly string[]) =>
  (subject: T): boolean => {
    const found = read(subject);
    const holds = (test: ValueTest): boolean =>
      found.length === 0 ? test(undefined) : found.some((value) => test(value));
    return (yes === undefined || holds(yes)) && (no === undefined || !holds(no));
  };

/**
 * A header with several values must not pass because one of them is harmless (Istio CVE-2026-26308): what restricts counts each
 * field and each member of a list, what allows wants every field to fit besides the joined text that upstream compares.
 */
const compileHeaderCondition = (condition: Condition, name: string, context: RuleContext): SubjectTest => {
  const { protocol, allows } = context;
  if (protocol === 'tcp') return onTcp(context);
  const [yes, no] = [compileAny(condition.values), compileAny(condition.notValues)];
  return httpOnly(({ headers }: RequestView): boolean => {
    const joined = headers.joined(name);
    const fields = joined === undefined ? [] : headers.getAll(name);
    const every = (test: ValueTest): boolean => test(joined) && fields.every((field) => test(field));
    const some = (test: ValueTest): boolean =>
      test(joined) || fields.some((field) => test(field) || field.split(',').some((part) => test(part.trim())));
    const [wanted, excluded] = allows ? [every, some] : [some, every];
    return (yes === undefined || wanted(yes)) && (no === undefined || !excluded(no));
  });
};

interface ConnectionKey {
  readonly read: (subject: Subject) => string | undefined;
  readonly kind: 'text' | 'address' | 'principal';
}

const connectionKeys: Readonly<Record<string, ConnectionKey>> = {
  'source.ip': { read: (subject) => subject.sourceIp, kind: 'address' },
  'remote.ip': { read: (subject) => subject.remoteIp, kind: 'address' },
  'destination.ip': { read: (subject) => subject.destinationIp, kind: 'address' },
  'destination.port': { read: (subject) => String(subject.port), kind: 'text' },
  'source.principal': { read: (subject) => subject.peer.principal, kind: 'principal' },
  'source.namespace': { read: (subject) => subject.peer.namespace, kind: 'text' },
  'source.serviceAccount': {
    read: ({ peer }) => (peer.namespace === undefined ? undefined : `${peer.namespace}/${peer.serviceAccount ?? ''}`),
    kind: 'text',
  },
  'connection.sni': { read: (subject) => subject.sni, kind: 'text' },
};

const compileConnectionKey = (condition: Condition, key: ConnectionKey): SubjectTest => {
  const read = (subject: Subject): readonly string[] => {
    const value = key.read(subject);
    return value === undefined ? [] : [value];
  };
  if (key.kind === 'address') return both(compileCidrs(condition.cidrs), compileCidrs(condition.notCidrs), read);
  const options: StringMatchOptions = key.kind === 'principal' ? { adjust: withSpiffeScheme } : {};
  return both(compileAny(condition.values, options), compileAny(condition.notValues, options), read);
};

const requestReader = (condition: Condition): ((request: RequestView) => readonly string[]) | undefined => {
  const { key } = condition;
  if (key.startsWith('request.auth.claims')) {
    const path = condition.claimPath.length > 0 ? condition.claimPath : claimPathOf(key);
    return path.length === 0 ? undefined : (request) => claimValues(request.claims, path);
  }
  switch (key) {
    case 'request.auth.principal':
      return (request) => {
        const principal = requestPrincipalOf(request);
        return principal === undefined ? [] : [principal];
      };
    case 'request.auth.audiences':
      return (request) => claimValues(request.claims, ['aud']);
    case 'request.auth.presenter':
      return (request) => claimValues(request.claims, ['azp']);
    default:
      return undefined;
  }
};

const bracketed = (key: string, lead: string): string | undefined =>
  key.startsWith(`${lead}[`) && key.endsWith(']') && key.length > lead.length + 2
    ? key.slice(lead.length + 1, -1)
    : undefined;

/** `request.auth.claims[a][b]` -> `['a', 'b']`. */
const claimPathOf = (key: string): string[] => {
  const inner = bracketed(key, 'request.auth.claims');
  return inner === undefined ? [] : inner.split('][');
};
