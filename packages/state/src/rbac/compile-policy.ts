// A policy as one function. In: a plain policy. Out: which of its rules matches a connection. Called by rbac.ts; compiled once
// per policy object and thread (plain data travels between threads, functions do not).

import { groupsOf, isInRange } from '../ip.ts';
import type { Cidr, Policy, PolicyClause, PolicyMatch, StringMatch } from '../policy.ts';

/** A connection in the form that compiled policies read. */
export interface ConnectionView {
  /** Identity URI without `spiffe://`; absent = not authenticated. */
  readonly principal: string | undefined;
  /** Empty = not authenticated. */
  readonly namespace: string;
  readonly serviceAccount: string | undefined;
  readonly sourceGroups: readonly number[];
  readonly destinationGroups: readonly number[];
  readonly destinationPort: number;
}

/** Index of the first rule that matches, -1 = none. */
export type CompiledPolicy = (view: ConnectionView) => number;

type Test = (view: ConnectionView) => boolean;

const compiled = new WeakMap<Policy, CompiledPolicy>();
const always: Test = () => true;

/** The compiled form; made at the first call. */
export function compilePolicy(policy: Policy): CompiledPolicy {
  const known = compiled.get(policy);
  if (known !== undefined) return known;
  const rules = policy.rules.map((rule) => all(rule.map((clause) => compileClause(clause))));
  const made: CompiledPolicy = (view) => rules.findIndex((rule) => rule(view));
  compiled.set(policy, made);
  return made;
}

/** No match objects = matches; only empty match objects = never. */
function compileClause(clause: PolicyClause): Test {
  if (clause.length === 0) return always;
  const matches = clause.map((match) => matchTests(match)).filter((tests) => tests.length > 0);
  return any(matches.map((tests) => all(tests)));
}

/** One test per list that is set. */
function matchTests(match: PolicyMatch): Test[] {
  const tests: Test[] = [];
  const add = <T>(
    positive: readonly T[] | undefined,
    negative: readonly T[] | undefined,
    element: (item: T) => Test,
  ): void => {
    if (positive !== undefined && positive.length > 0) tests.push(any(positive.map((item) => element(item))));
    if (negative !== undefined && negative.length > 0) tests.push(not(any(negative.map((item) => element(item)))));
  };
  add(match.namespaces, match.notNamespaces, (item) => namespaceTest(item));
  add(match.principals, match.notPrincipals, (item) => principalTest(item));
  add(match.serviceAccounts, match.notServiceAccounts, (item) => {
    return (view) => view.serviceAccount === item.serviceAccount && view.namespace === item.namespace;
  });
  add(match.sourceIps, match.notSourceIps, (item) => rangeTest(item, 'sourceGroups'));
  add(match.destinationIps, match.notDestinationIps, (item) => rangeTest(item, 'destinationGroups'));
  add(match.destinationPorts, match.notDestinationPorts, (port) => (view) => view.destinationPort === port);
  return tests;
}

function namespaceTest(match: StringMatch): Test {
  const test = stringTest(match);
  return (view) => test(view.namespace);
}

function principalTest(match: StringMatch): Test {
  const test = stringTest(match);
  return (view) => view.principal !== undefined && test(view.principal);
}

function rangeTest(range: Cidr, side: 'sourceGroups' | 'destinationGroups'): Test {
  const network = groupsOf(range.ip);
  return (view) => isInRange(view[side], network, range.length);
}

function stringTest(match: StringMatch): (text: string) => boolean {
  switch (match.kind) {
    case 'exact':
      return (text) => text === match.value;
    case 'prefix':
      return (text) => text.startsWith(match.value);
    case 'suffix':
      return (text) => text.endsWith(match.value);
    case 'presence':
      return (text) => text !== '';
    default:
      return match satisfies never;
  }
}

function all(tests: readonly Test[]): Test {
  const [first] = tests;
  if (first === undefined) return always;
  return tests.length === 1 ? first : (view) => tests.every((test) => test(view));
}

function any(tests: readonly Test[]): Test {
  const [first] = tests;
  return tests.length === 1 && first !== undefined ? first : (view) => tests.some((test) => test(view));
}

function not(test: Test): Test {
  return (view) => !test(view);
}
