// One rule of a policy as a function. In: a plain rule. Out: whether it matches a connection (spec/node-proxy.md 6.3). Called by
// rule-index.ts for rules that a connection may match, once per rule and thread (plain data travels, functions do not).

import { groupsOf, isInRange } from '../ip.ts';
import { RangeTable, TextTable, ValueTable } from './match-tables.ts';
import type { Cidr, PolicyClause, PolicyMatch, PolicyRule, StringMatch } from '../policy.ts';

/** A connection in the form that rules read. */
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

/** Whether something matches a connection. */
export type Test = (view: ConnectionView) => boolean;

/** Lists longer than this become a table. */
const LONG_LIST = 8;

const always: Test = () => true;

/** The compiled rule: all clauses are needed. */
export function compileRule(rule: PolicyRule): Test {
  return all(rule.map((clause) => compileClause(clause)));
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
    testOf: (items: readonly T[]) => Test,
  ): void => {
    if (positive !== undefined && positive.length > 0) tests.push(testOf(positive));
    if (negative !== undefined && negative.length > 0) tests.push(not(testOf(negative)));
  };
  add(match.namespaces, match.notNamespaces, namespacesTest);
  add(match.principals, match.notPrincipals, principalsTest);
  add(match.serviceAccounts, match.notServiceAccounts, accountsTest);
  add(match.sourceIps, match.notSourceIps, (items) => rangesTest(items, 'sourceGroups'));
  add(match.destinationIps, match.notDestinationIps, (items) => rangesTest(items, 'destinationGroups'));
  add(match.destinationPorts, match.notDestinationPorts, portsTest);
  return tests;
}

function namespacesTest(items: readonly StringMatch[]): Test {
  const test = textsTest(items);
  return (view) => test(view.namespace);
}

function principalsTest(items: readonly StringMatch[]): Test {
  const test = textsTest(items);
  return (view) => view.principal !== undefined && test(view.principal);
}

function accountsTest(items: readonly { readonly namespace: string; readonly serviceAccount: string }[]): Test {
  if (items.length <= LONG_LIST) {
    return (view) =>
      items.some((item) => view.serviceAccount === item.serviceAccount && view.namespace === item.namespace);
  }
  const table = new ValueTable<string>();
  for (const item of items) table.add(accountKey(item.namespace, item.serviceAccount), 0);
  return ({ namespace, serviceAccount }) =>
    serviceAccount !== undefined && isAny((hit) => table.visit(accountKey(namespace, serviceAccount), hit));
}

/** Neither part contains a slash where it comes from an identity. */
export function accountKey(namespace: string, serviceAccount: string): string {
  return `${namespace}/${serviceAccount}`;
}

function portsTest(items: readonly number[]): Test {
  const ports = new Set(items);
  return (view) => ports.has(view.destinationPort);
}

function rangesTest(items: readonly Cidr[], side: 'sourceGroups' | 'destinationGroups'): Test {
  if (items.length > LONG_LIST) {
    const table = new RangeTable();
    for (const item of items) table.add(item, 0);
    return (view) => isAny((hit) => table.visit(view[side], hit));
  }
  return any(
    items.map((range): Test => {
      const network = groupsOf(range.ip);
      return (view) => isInRange(view[side], network, range.length);
    }),
  );
}

function textsTest(items: readonly StringMatch[]): (text: string) => boolean {
  if (items.length > LONG_LIST) {
    const table = new TextTable();
    for (const item of items) table.add(item, 0);
    return (text) => isAny((hit) => table.visit(text, hit));
  }
  const tests = items.map((item) => textTest(item));
  const [first] = tests;
  return tests.length === 1 && first !== undefined ? first : (text) => tests.some((test) => test(text));
}

function textTest(match: StringMatch): (text: string) => boolean {
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

/** Whether a visit finds anything. */
function isAny(visit: (hit: () => void) => void): boolean {
  let found = false;
  visit(() => (found = true));
  return found;
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
