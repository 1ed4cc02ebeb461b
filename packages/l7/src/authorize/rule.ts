/**
 * One rule of an AuthorizationPolicy -> a predicate (spec/waypoint.md 4.1.3, 4.1.5).
 * A rule holds when any `from`, any `to` and every `when` hold. Compiled while policies arrive; asked on the data thread.
 *
 * Attributes that this version cannot read ("unknown") are true in a DENY or AUDIT rule and false in an ALLOW rule, so that
 * ignorance never opens a door (4.2). HTTP attributes on raw TCP: the ALLOW rule never holds, elsewhere they are ignored.
 */
import type { AuthzRule, Operation, ServiceAccount, Source } from '@ambit/proto/waypoint';
import { isPathTemplate } from '../match/path-template.ts';
import { compileAny, type ValueTest } from '../match/string-match.ts';
import type { ConnectionView, RequestView } from '../request-view.ts';
import { claimValues } from './claims.ts';
import { compileCidrs } from './cidr.ts';
import { compileCondition } from './condition.ts';

/** A request, or a connection without HTTP. */
export type Subject = RequestView | ConnectionView;

/** Predicate over the subject. */
export type SubjectTest = (subject: Subject) => boolean;

/** What the compiler has to know about the place of a rule. */
export interface RuleContext {
  /** `http`: all attributes; `tcp`: HTTP attributes do not exist. */
  readonly protocol: 'http' | 'tcp';
  /** True where a match widens access (ALLOW). */
  readonly allows: boolean;
  /** Namespace of the policy, for service accounts without namespace. */
  readonly namespace: string;
}

/** Narrowing for attributes that exist only over HTTP; the compiler never calls them for TCP. */
export const httpOnly =
  (test: (request: RequestView) => boolean): SubjectTest =>
  (subject) =>
    'method' in subject && test(subject);

/** Compiles a rule. Throws L7Error when a value cannot be compiled; the caller then treats the policy as invalid. */
export const compileRule = (rule: AuthzRule, context: RuleContext): SubjectTest => {
  const from = rule.from.map((source) => compileSource(source, context));
  const to = rule.to.map((operation) => compileOperation(operation, context));
  const when = rule.when.map((condition) => compileCondition(condition, context));
  return (subject) =>
    (from.length === 0 || from.some((test) => test(subject))) &&
    (to.length === 0 || to.some((test) => test(subject))) &&
    when.every((test) => test(subject));
};

/** Result of an HTTP attribute on TCP: refuses in ALLOW, does not constrain elsewhere. */
export const onTcp = (context: RuleContext): SubjectTest => (context.allows ? () => false : () => true);

const compileSource = (source: Source, context: RuleContext): SubjectTest => {
  const tests: SubjectTest[] = [];
  const attribute = (
    yes: ValueTest | undefined,
    no: ValueTest | undefined,
    read: (subject: Subject) => string | undefined,
  ): void => {
    if (yes !== undefined) tests.push((subject) => yes(read(subject)));
    if (no !== undefined) tests.push((subject) => !no(read(subject)));
  };
  const principal = { adjust: withSpiffeScheme };
  attribute(
    compileAny(source.principals, principal),
    compileAny(source.notPrincipals, principal),
    (s) => s.peer.principal,
  );
  attribute(compileAny(source.namespaces), compileAny(source.notNamespaces), (s) => s.peer.namespace);
  attribute(compileAny(source.trustDomains), compileAny(source.notTrustDomains), (s) => s.peer.trustDomain);
  attribute(
    accounts(source.serviceAccounts, context.namespace),
    accounts(source.notServiceAccounts, context.namespace),
    accountOf,
  );
  attribute(compileCidrs(source.ips), compileCidrs(source.notIps), (s) => s.sourceIp);
  attribute(compileCidrs(source.remoteIps), compileCidrs(source.notRemoteIps), (s) => s.remoteIp);
  tests.push(...compileRequestPrincipals(source, context));
  return (subject) => tests.every((test) => test(subject));
};

/** `td/ns/x/sa/y` and prefixes of it mean SPIFFE ids (spec/waypoint.md 4.1.3). */
export const withSpiffeScheme = (text: string): string => (text.startsWith('spiffe://') ? text : `spiffe://${text}`);

const accountOf = (subject: Subject): string | undefined => {
  const { namespace, serviceAccount } = subject.peer;
  return namespace === undefined || serviceAccount === undefined ? undefined : `${namespace}/${serviceAccount}`;
};

const accounts = (list: readonly ServiceAccount[], ownNamespace: string): ValueTest | undefined => {
  if (list.length === 0) return undefined;
  const wanted = new Set(list.map(({ namespace, name }) => `${namespace === '' ? ownNamespace : namespace}/${name}`));
  return (value) => value !== undefined && wanted.has(value);
};

/** `iss/sub` of a verified token. */
export const requestPrincipalOf = (request: RequestView): string | undefined => {
  const issuer = claimValues(request.claims, ['iss'])[0];
  const subject = claimValues(request.claims, ['sub'])[0];
  return issuer === undefined || subject === undefined ? undefined : `${issuer}/${subject}`;
};

const compileRequestPrincipals = (source: Source, context: RuleContext): SubjectTest[] => {
  const yes = compileAny(source.requestPrincipals);
  const no = compileAny(source.notRequestPrincipals);
  const tests: SubjectTest[] = [];
  if (context.protocol === 'tcp') return yes === undefined && no === undefined ? [] : [onTcp(context)];
  if (yes !== undefined) tests.push(httpOnly((request) => yes(requestPrincipalOf(request))));
  if (no !== undefined) tests.push(httpOnly((request) => !no(requestPrincipalOf(request))));
  return tests;
};

const compileOperation = (operation: Operation, context: RuleContext): SubjectTest => {
  const tests: SubjectTest[] = [];
  const http = (
    yes: ValueTest | undefined,
    no: ValueTest | undefined,
    read: (request: RequestView) => string,
  ): void => {
    if (yes === undefined && no === undefined) return;
    if (context.protocol === 'tcp') {
      tests.push(onTcp(context));
      return;
    }
    if (yes !== undefined) tests.push(httpOnly((request) => yes(read(request))));
    if (no !== undefined) tests.push(httpOnly((request) => !no(read(request))));
  };
  const anyCase = { ignoreCase: true };
  http(compileAny(operation.hosts, anyCase), compileAny(operation.notHosts, anyCase), (request) => request.authority);
  http(compileAny(operation.methods), compileAny(operation.notMethods), (request) => request.method);
  http(
    compileAny(asTemplates(operation.paths)),
    compileAny(asTemplates(operation.notPaths)),
    (request) => request.path,
  );
  const { ports, notPorts } = operation;
  if (ports.length > 0) tests.push((subject) => ports.includes(subject.port));
  if (notPorts.length > 0) tests.push((subject) => !notPorts.includes(subject.port));
  return (subject) => tests.every((test) => test(subject));
};

/** Exact texts with `{*}` or `{**}` are templates, also where the control plane left them as plain text. */
const asTemplates = (matches: Operation['paths']): Operation['paths'] =>
  matches.map((match) =>
    match.m.case === 'exact' && isPathTemplate(match.m.value)
      ? { ...match, m: { case: 'template', value: match.m.value } }
      : match,
  );
