// The index decides only what is looked at: its answers equal those of a reader who goes through every rule in order
// (spec/node-proxy.md 6.3, written down a second time below).
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { groupsOf } from '../ip.ts';
import type { Cidr, Policy, PolicyMatch, PolicyRule, StringMatch } from '../policy.ts';
import { testPolicy } from '../testing/index.ts';
import type { ConnectionView } from './compile-rule.ts';
import { RuleIndex } from './rule-index.ts';

interface Connection {
  readonly principal: string | undefined;
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly port: number;
}

const identityParts = (principal: string | undefined): readonly string[] => (principal ?? '').split('/');
const namespaceOf = ({ principal }: Connection): string => identityParts(principal)[2] ?? '';
const accountOf = ({ principal }: Connection): string | undefined => identityParts(principal)[4];

function viewOf(connection: Connection): ConnectionView {
  return {
    principal: connection.principal,
    namespace: namespaceOf(connection),
    serviceAccount: accountOf(connection),
    sourceGroups: groupsOf(connection.sourceIp),
    destinationGroups: groupsOf(connection.destinationIp),
    destinationPort: connection.port,
  };
}

function isText(match: StringMatch, text: string): boolean {
  switch (match.kind) {
    case 'exact':
      return text === match.value;
    case 'prefix':
      return text.startsWith(match.value);
    case 'suffix':
      return text.endsWith(match.value);
    default:
      return text !== '';
  }
}

function bitsOf(ip: string): string {
  return groupsOf(ip)
    .map((group) => group.toString(2).padStart(16, '0'))
    .join('');
}

function isIn({ ip, length }: Cidr, address: string): boolean {
  const [network, own] = [bitsOf(ip), bitsOf(address)];
  return network.length === own.length && network.slice(0, length) === own.slice(0, length);
}

function isMatch(match: PolicyMatch, connection: Connection): boolean {
  const { principal, sourceIp, destinationIp, port } = connection;
  let isSet = false;
  const holds = <T>(positive: readonly T[] = [], negative: readonly T[] = [], fits: (item: T) => boolean): boolean => {
    if (positive.length + negative.length > 0) isSet = true;
    return (positive.length === 0 || positive.some(fits)) && !negative.some(fits);
  };
  const all = [
    holds(match.namespaces, match.notNamespaces, (item) => isText(item, namespaceOf(connection))),
    holds(match.principals, match.notPrincipals, (item) => principal !== undefined && isText(item, principal)),
    holds(
      match.serviceAccounts,
      match.notServiceAccounts,
      (item) => item.namespace === namespaceOf(connection) && item.serviceAccount === accountOf(connection),
    ),
    holds(match.sourceIps, match.notSourceIps, (item) => isIn(item, sourceIp)),
    holds(match.destinationIps, match.notDestinationIps, (item) => isIn(item, destinationIp)),
    holds(match.destinationPorts, match.notDestinationPorts, (item) => item === port),
  ];
  return isSet && all.every(Boolean);
}

function isRule(rule: PolicyRule, connection: Connection): boolean {
  return rule.every((clause) => clause.length === 0 || clause.some((match) => isMatch(match, connection)));
}

function linear(policies: readonly Policy[], connection: Connection): { policy: string; rule: number } | undefined {
  for (const { namespace, name, rules } of policies) {
    const rule = rules.findIndex((one) => isRule(one, connection));
    if (rule >= 0) return { policy: `${namespace}/${name}`, rule };
  }
  return undefined;
}

// Small alphabets, so that something often matches and drawers get crowded.
const name = fc.constantFrom('a', 'b', 'ab', 'c', '');
const principal = fc.tuple(fc.constantFrom('td', 'other'), name, name).map(([td, ns, sa]) => `${td}/ns/${ns}/sa/${sa}`);
const ip = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.1.1', '192.168.0.1', 'fd00::1', 'fd00::2', 'fd00:1::1');
const connections = fc.record<Connection>({
  principal: fc.option(principal, { nil: undefined, freq: 4 }),
  sourceIp: ip,
  destinationIp: ip,
  port: fc.constantFrom(80, 443, 8080),
});

const textMatch = (text: fc.Arbitrary<string>): fc.Arbitrary<StringMatch> =>
  fc.oneof(
    { weight: 5, arbitrary: text.map((value) => ({ kind: 'exact', value }) as const) },
    {
      weight: 1,
      arbitrary: fc.tuple(text, fc.nat(8)).map(([t, n]) => ({ kind: 'prefix', value: t.slice(0, n) }) as const),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(text, fc.nat(8)).map(([t, n]) => ({ kind: 'suffix', value: t.slice(-n) }) as const),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'presence' } as const) },
  );
const range = fc
  .tuple(ip, fc.nat(128))
  .map(([address, length]): Cidr => ({ ip: address, length: Math.min(length, address.includes(':') ? 128 : 32) }));
const sometimes = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 3 });
const account = fc.record({ namespace: name, serviceAccount: name });
const port = fc.constantFrom(80, 443, 8080, 1);
const match: fc.Arbitrary<PolicyMatch> = fc.record(
  {
    namespaces: sometimes(textMatch(name)),
    notNamespaces: sometimes(textMatch(name)),
    principals: sometimes(textMatch(principal)),
    notPrincipals: sometimes(textMatch(principal)),
    serviceAccounts: sometimes(account),
    notServiceAccounts: sometimes(account),
    sourceIps: sometimes(range),
    notSourceIps: sometimes(range),
    destinationIps: sometimes(range),
    notDestinationIps: sometimes(range),
    destinationPorts: sometimes(port),
    notDestinationPorts: sometimes(port),
  },
  { requiredKeys: [] },
);
const rule = fc.array(fc.array(match, { maxLength: 3 }), { minLength: 0, maxLength: 3 });

function named(ruleLists: readonly (readonly PolicyRule[])[]): Policy[] {
  return ruleLists.map((rules, index) => testPolicy(`p${index}`, { rules }));
}

test('on any policies and any connection the index gives the first hit of a reader who looks at every rule', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(rule, { maxLength: 3 }), { maxLength: 60 }).map(named),
      fc.array(connections, { minLength: 1, maxLength: 8 }),
      (policies, all) => {
        const index = new RuleIndex(policies);
        for (const connection of all) {
          assert.deepEqual(
            index.firstHit(viewOf(connection)),
            linear(policies, connection),
            JSON.stringify(connection),
          );
          const matching = policies.filter((policy) => linear([policy], connection) !== undefined);
          assert.deepEqual(index.matching(viewOf(connection)), matching);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('drawers that many rules share are split by another attribute, with the same answers', () => {
  // Every rule names the same principals; only ports, namespaces and addresses tell them apart.
  const crowded = fc
    .array(fc.tuple(match, fc.array(match, { maxLength: 2 })), { minLength: 40, maxLength: 120 })
    .map((rules) =>
      named(
        rules.map(([own, more]) => [
          [[{ ...own, principals: [{ kind: 'exact', value: 'td/ns/a/sa/a' }] }, { destinationPorts: [80] }], more],
        ]),
      ),
    );
  fc.assert(
    fc.property(crowded, fc.array(connections, { minLength: 1, maxLength: 8 }), (policies, all) => {
      const index = new RuleIndex(policies);
      for (const connection of [...all, { ...all[0], principal: 'td/ns/a/sa/a', port: 80 } as Connection]) {
        assert.deepEqual(index.firstHit(viewOf(connection)), linear(policies, connection));
      }
    }),
    { numRuns: 80 },
  );
});

test('lists that are long are matched as short ones are', () => {
  const texts = Array.from({ length: 40 }, (_, i): StringMatch => ({
    kind: i % 2 === 0 ? 'prefix' : 'exact',
    value: `x${i}/`,
  }));
  const ranges = Array.from({ length: 300 }, (_, i): Cidr => ({
    ip: `10.${i % 250}.${i >> 3}.0`,
    length: 20 + (i % 12),
  }));
  const accounts = Array.from({ length: 40 }, (_, i) => ({ namespace: `n${i}`, serviceAccount: 'a' }));
  const policies = named([
    [[[{ principals: [...texts, { kind: 'suffix', value: '/sa/z' }] }]]],
    [[[{ serviceAccounts: [...accounts, { namespace: 'b', serviceAccount: 'c' }] }]]],
    [[[{ sourceIps: [...ranges, { ip: 'fd00::', length: 16 }] }]]],
    [[[{ notSourceIps: ranges, notPrincipals: texts, notServiceAccounts: accounts, notNamespaces: texts }]]],
  ]);
  const index = new RuleIndex(policies);
  const base = { principal: undefined, sourceIp: '10.251.0.1', destinationIp: '10.0.0.1', port: 80 };
  const all: readonly Connection[] = [
    base,
    { ...base, principal: 'td/ns/q/sa/z' },
    { ...base, principal: 'td/ns/b/sa/c' },
    { ...base, principal: 'td/ns/n7/sa/a', sourceIp: '10.9.1.2' },
    { ...base, principal: 'x4/ns/n7/sa/q' },
    { ...base, sourceIp: 'fd00::9' },
    ...Array.from({ length: 250 }, (_, i) => ({ ...base, sourceIp: `10.${i}.${i >> 3}.9` })),
  ];
  for (const connection of all) {
    assert.deepEqual(index.firstHit(viewOf(connection)), linear(policies, connection), JSON.stringify(connection));
  }
});

test('of ten thousand policies only the rules that name the peer are looked at', () => {
  const policies = named(
    Array.from({ length: 10_000 }, (_, i) => [
      [[{ principals: [{ kind: 'exact' as const, value: `td/ns/n${i}/sa/s` }] }]],
    ]),
  );
  let looks = 0;
  const counted = policies.map((policy) => {
    const [[clause = []] = []] = policy.rules;
    // A look at a rule compiles it, which reads the lists of its match objects.
    const spied = clause.map((one) => ({
      ...one,
      get notDestinationPorts(): readonly number[] {
        looks += 1;
        return [];
      },
    }));
    return { ...policy, rules: [[spied]] };
  });
  const index = new RuleIndex(counted);
  const connection: Connection = {
    principal: 'td/ns/n77/sa/s',
    sourceIp: '10.0.0.1',
    destinationIp: '10.0.0.2',
    port: 1,
  };
  assert.deepEqual(index.firstHit(viewOf(connection)), { policy: 'default/p77', rule: 0 });
  assert.equal(index.firstHit(viewOf({ ...connection, principal: 'td/ns/none/sa/s' })), undefined);
  assert.equal(looks, 1);
});
