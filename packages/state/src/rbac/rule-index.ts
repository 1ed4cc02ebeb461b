// Thousands of policies as one index. In: policies of one action. Out: the first rule that matches a connection, found by
// looking only at rules that wait for something this connection has. Called by policy-set.ts. Pure; made at the first decision.
//
// Every rule is filed under one necessary condition of it (its anchor): a clause of which each match object names principals,
// service accounts, addresses, namespaces or ports. A rule without such a clause is looked at for every connection. The whole rule
// is still tested, so the index decides only what is looked at, never the answer. A crowded drawer gets an index of its own, by
// another attribute, when it is first opened.

import { policyKey } from '../policy.ts';
import type { Policy, PolicyClause, PolicyMatch, PolicyRule, StringMatch } from '../policy.ts';
import { accountKey, compileRule } from './compile-rule.ts';
import type { ConnectionView, Test } from './compile-rule.ts';
import { RangeTable, TextTable, ValueTable } from './match-tables.ts';
import type { Drawer } from './match-tables.ts';

/** A policy that matched, and which of its rules (from 0). */
export interface PolicyHit {
  readonly policy: string;
  readonly rule: number;
}

// Attributes that a rule can be filed under, the most telling first; sets of them are bits of a number.
const PRINCIPAL = 0;
const ACCOUNT = 1;
const SOURCE = 2;
const NAMESPACE = 3;
const PORT = 4;
const DESTINATION = 5;
const ANONYMOUS = 6;
/** Says nothing that a rule could be filed under. */
const USELESS = 7;

/** A list longer than this is not worth as many entries. */
const MAX_KEYS = 256;
/** Rules of one drawer that are looked at one by one. */
const CROWD = 24;

/** The policies, their rules numbered through, and the rules' tests as far as they were needed. */
class RuleList {
  readonly policies: readonly Policy[];
  /** First number of each policy's rules. */
  readonly #firstAt: Uint32Array;
  readonly #policyAt: Uint32Array;
  readonly #tests = new Map<number, Test>();

  constructor(policies: readonly Policy[]) {
    this.policies = policies;
    this.#firstAt = new Uint32Array(policies.length);
    let count = 0;
    for (const [index, policy] of policies.entries()) {
      this.#firstAt[index] = count;
      count += policy.rules.length;
    }
    this.#policyAt = new Uint32Array(count);
    for (const [index, policy] of policies.entries()) {
      const first = this.#firstAt[index] ?? 0;
      this.#policyAt.fill(index, first, first + policy.rules.length);
    }
  }

  get size(): number {
    return this.#policyAt.length;
  }

  at(number: number): { readonly policy: Policy; readonly ruleIndex: number; readonly rule: PolicyRule } {
    const index = this.#policyAt[number] ?? 0;
    const policy = this.policies[index];
    const ruleIndex = number - (this.#firstAt[index] ?? 0);
    const rule = policy?.rules[ruleIndex];
    if (policy === undefined || rule === undefined) throw new Error(`there is no rule ${number}`);
    return { policy, ruleIndex, rule };
  }

  policyIndexOf(number: number): number {
    return this.#policyAt[number] ?? 0;
  }

  matches(number: number, view: ConnectionView): boolean {
    let test = this.#tests.get(number);
    if (test === undefined) this.#tests.set(number, (test = compileRule(this.at(number).rule)));
    return test(view);
  }
}

/** The index of one list of policies. */
export class RuleIndex {
  readonly size: number;
  readonly #rules: RuleList;
  #root: Cabinet | undefined;

  constructor(policies: readonly Policy[]) {
    this.size = policies.length;
    this.#rules = new RuleList(policies);
  }

  /** The first rule, in the order of the policies, that matches. */
  firstHit(view: ConnectionView): PolicyHit | undefined {
    if (this.size === 0) return undefined;
    let best = this.#rules.size;
    this.#candidates(view, (numbers) => {
      for (const number of numbers) {
        if (number >= best) return; // ascending: what follows is later still
        if (this.#rules.matches(number, view)) best = number;
      }
    });
    if (best === this.#rules.size) return undefined;
    const { policy, ruleIndex } = this.#rules.at(best);
    return { policy: policyKey(policy), rule: ruleIndex };
  }

  /** Every policy that matches, in their order. */
  matching(view: ConnectionView): Policy[] {
    const found = new Set<number>();
    this.#candidates(view, (numbers) => {
      for (const number of numbers) {
        const policy = this.#rules.policyIndexOf(number);
        if (!found.has(policy) && this.#rules.matches(number, view)) found.add(policy);
      }
    });
    return this.#rules.policies.filter((_, index) => found.has(index));
  }

  #candidates(view: ConnectionView, visit: (numbers: readonly number[]) => void): void {
    this.#root ??= new Cabinet(this.#rules, numbersBelow(this.#rules.size), 0);
    this.#root.visit(view, visit);
  }
}

/** Numbers of rules filed by their anchors, except by the kinds that led here. */
class Cabinet {
  readonly #rules: RuleList;
  readonly #used: number;
  readonly #inner = new Map<readonly number[], Cabinet>();
  readonly #unfiled: number[] = [];
  readonly #principals = new TextTable();
  readonly #accounts = new ValueTable<string>();
  readonly #sources = new RangeTable();
  readonly #namespaces = new TextTable();
  readonly #ports = new ValueTable<number>();
  readonly #destinations = new RangeTable();
  readonly #anonymous: number[] = [];

  constructor(rules: RuleList, numbers: Iterable<number>, used: number) {
    this.#rules = rules;
    this.#used = used;
    for (const number of numbers) this.#file(number);
  }

  visit(view: ConnectionView, visit: (numbers: readonly number[]) => void): void {
    visit(this.#unfiled);
    const open = (kind: number) => (drawer: Drawer) => {
      if (typeof drawer === 'number') visit([drawer]);
      else if (drawer.length <= CROWD) visit(drawer);
      else this.#innerOf(drawer, kind).visit(view, visit);
    };
    if (view.principal === undefined) open(ANONYMOUS)(this.#anonymous);
    else this.#principals.visit(view.principal, open(PRINCIPAL));
    if (view.serviceAccount !== undefined) {
      this.#accounts.visit(accountKey(view.namespace, view.serviceAccount), open(ACCOUNT));
    }
    if (!this.#sources.isEmpty) this.#sources.visit(view.sourceGroups, open(SOURCE));
    this.#namespaces.visit(view.namespace, open(NAMESPACE));
    this.#ports.visit(view.destinationPort, open(PORT));
    if (!this.#destinations.isEmpty) this.#destinations.visit(view.destinationGroups, open(DESTINATION));
  }

  #innerOf(numbers: readonly number[], kind: number): Cabinet {
    const held = this.#inner.get(numbers);
    if (held !== undefined) return held;
    const made = new Cabinet(this.#rules, numbers, this.#used | (1 << kind));
    this.#inner.set(numbers, made);
    return made;
  }

  #file(number: number): void {
    const { rule } = this.#rules.at(number);
    const anchor = anchorOf(rule, this.#used);
    if (anchor === undefined) this.#unfiled.push(number);
    else for (const match of anchor) this.#fileMatch(match, number);
  }

  #fileMatch(match: PolicyMatch, number: number): void {
    const kind = kindOf(match, this.#used);
    switch (kind) {
      case PRINCIPAL:
        for (const item of match.principals ?? []) this.#principals.add(item, number);
        return;
      case ACCOUNT:
        for (const item of match.serviceAccounts ?? []) {
          this.#accounts.add(accountKey(item.namespace, item.serviceAccount), number);
        }
        return;
      case SOURCE:
        for (const item of match.sourceIps ?? []) this.#sources.add(item, number);
        return;
      case NAMESPACE:
        for (const item of match.namespaces ?? []) this.#namespaces.add(item, number);
        return;
      case PORT:
        for (const item of match.destinationPorts ?? []) this.#ports.add(item, number);
        return;
      case DESTINATION:
        for (const item of match.destinationIps ?? []) this.#destinations.add(item, number);
        return;
      case ANONYMOUS:
        this.#anonymous.push(number);
        return;
      default: // an empty match object beside others: it never matches
    }
  }
}

/**
 * The clause that says best which connections a rule can match. Undefined when no clause says it. (One pass without
 * allocation: a workload may have a hundred thousand rules, and its first connection waits for this.)
 */
function anchorOf(rule: PolicyRule, used: number): PolicyClause | undefined {
  let best: PolicyClause | undefined;
  let bestRank = USELESS;
  for (const clause of rule) {
    const rank = rankOf(clause, used);
    if (rank >= bestRank) continue;
    bestRank = rank;
    best = clause;
  }
  return best;
}

/** How little a clause says: the rank of its vaguest match object; empty ones never match and do not count. */
function rankOf(clause: PolicyClause, used: number): number {
  if (clause.length === 0) return USELESS;
  let rank = 0;
  for (const match of clause) {
    const kind = kindOf(match, used);
    if (kind > rank && !(kind === USELESS && isEmpty(match))) rank = kind;
  }
  return rank;
}

/** The attribute to file a match object under, by rank; USELESS when it has none. */
function kindOf(match: PolicyMatch, used: number): number {
  if (isFree(used, PRINCIPAL) && isTelling(match.principals)) return PRINCIPAL;
  if (isFree(used, ACCOUNT) && isShort(match.serviceAccounts)) return ACCOUNT;
  if (isFree(used, SOURCE) && isShort(match.sourceIps)) return SOURCE;
  if (isFree(used, NAMESPACE) && isTelling(match.namespaces)) return NAMESPACE;
  if (isFree(used, PORT) && isShort(match.destinationPorts)) return PORT;
  if (isFree(used, DESTINATION) && isShort(match.destinationIps)) return DESTINATION;
  // "not any principal": only who is not authenticated.
  if (isFree(used, ANONYMOUS) && match.notPrincipals?.some((item) => item.kind === 'presence') === true) {
    return ANONYMOUS;
  }
  return USELESS;
}

function isFree(used: number, kind: number): boolean {
  return (used & (1 << kind)) === 0;
}

function isShort(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0 && list.length <= MAX_KEYS;
}

/** A presence match fits nearly everybody. */
function isTelling(list: readonly StringMatch[] | undefined): boolean {
  if (list === undefined || list.length === 0 || list.length > MAX_KEYS) return false;
  for (const item of list) if (item.kind === 'presence') return false;
  return true;
}

function isEmpty(match: PolicyMatch): boolean {
  return Object.values(match).every((list: readonly unknown[] | undefined) => list === undefined || list.length === 0);
}

function* numbersBelow(end: number): Generator<number> {
  for (let number = 0; number < end; number += 1) yield number;
}
