/**
 * One rule of an AuthorizationPolicy -> a predicate (spec/waypoint.md 4.1.3, 4.1.5).
 * A rule holds when any `from`, any `to` and every `when` hold. Compiled while policies arrive; asked on the data thread.
 *
 * Attributes that this version cannot read ("unknown") are true in a DENY or AUDIT rule and false in an ALLOW rule, so that
 * ignorance never opens a door (4.2). HTTP attributes on raw TCP: the ALLOW rule never holds, elsewhere they are ignored.
 */
import type { AuthzRule, Operation, ServiceAccount, Source } from '@ambit/proto/waypoint';
import { allHold, anyHolds } from '../match/hold.ts';
import { isPathTemplate } from '../match/path-template.ts';
import { compileAny, type ValueTest } from '../match/string-match.ts';
import type { RequestView } from '../request-view.ts';
import { compileCidrs } from './cidr.ts';
import { compileCondition } from './condition.ts';
import {
  httpOnly,
  onTcp,
  requestPrincipalOf,
  type RuleContext,
  type Subject,
  type SubjectTest,
  withSpiffeScheme,
} from './subject.ts';

/** Compiles a rule. Throws L7Error when a value cannot be compiled; the caller then treats the policy as invalid. */
export const compileRule = (rule: AuthzRule, context: RuleContext): SubjectTest => {
  const from = rule.from.map((source) => compileSource(source, context));
  const to = rule.to.map((operation) => compileOperation(operation, context));
  const when = rule.when.map((condition) => compileCondition(condition, context));
  return (subject) =>
    (from.length === 0 || anyHolds(from, subject)) &&
    (to.length === 0 || anyHolds(to, subject)) &&
    allHold(when, subject);
};

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
  return (subject) => allHold(tests, subject);
};

const accountOf = (subject: Subject): string | undefined => {
  const { namespace, serviceAccount } = subject.peer;
  return namespace === undefined || serviceAccount === undefined ? undefined : `${namespace}/${serviceAccount}`;
};

const accounts = (list: readonly ServiceAccount[], ownNamespace: string): ValueTest | undefined => {
  if (list.length === 0) return undefined;
  const wanted = new Set(list.map(({ namespace, name }) => `${namespace === '' ? ownNamespace : namespace}/${name}`));
  return (value) => value !== undefined && wanted.has(value);
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
  return (subject) => allHold(tests, subject);
};

/** Exact texts with `{*}` or `{**}` are templates, also where the control plane left them as plain text. */
const asTemplates = (matches: Operation['paths']): Operation['paths'] =>
  matches.map((match) =>
    match.m.case === 'exact' && isPathTemplate(match.m.value)
      ? { ...match, m: { case: 'template', value: match.m.value } }
      : match,
  );
