// Tables of spec/node-proxy.md 6 and 13.7.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { groupsOf, ipOfBytes, isInRange } from './ip.ts';
import type { Policy, PolicyMatch, PolicyRule } from './policy.ts';
import { authorizeL4, missingPolicies } from './rbac.ts';
import type { AuthorizationOptions, ConnectionFacts, L4Decision } from './rbac.ts';
import { testPolicy, testStore, testWorkload } from './testing/index.ts';

const web = 'spiffe://cluster.local/ns/default/sa/web';
const stranger = 'spiffe://other.td/ns/foreign/sa/web';

function decide(
  policies: readonly Policy[],
  change: Partial<ConnectionFacts> = {},
  listed: readonly string[] = [],
  options: AuthorizationOptions = {},
): L4Decision {
  const destination = testWorkload('target', { authorizationPolicies: listed });
  const snapshot = testStore({ workloads: [destination], policies }).snapshot();
  const facts = { destination, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 8080, ...change };
  return authorizeL4(snapshot, facts, options);
}

/** Whether an ALLOW policy with this one match object lets the connection in. */
function isMatch(match: PolicyMatch, change: Partial<ConnectionFacts> = {}): boolean {
  return decide([testPolicy('p', { rules: [[[match]]] })], change).allow;
}

test('without policies everything is allowed', () => {
  assert.deepEqual(decide([]), { allow: true, dryRun: [] });
});

test('rules, clauses and match objects nest as any, all, any', () => {
  const yes: PolicyMatch = { destinationPorts: [8080] };
  const no: PolicyMatch = { destinationPorts: [1] };
  const cases: readonly (readonly [string, readonly PolicyRule[], boolean])[] = [
    ['no rules', [], false],
    ['a rule without clauses', [[]], true],
    ['a clause without matches', [[[]]], true],
    ['only an empty match', [[[{}]]], false],
    ['an empty match beside a good one', [[[{}, yes]]], true],
    ['an empty match in the second clause', [[[yes], [{}]]], false],
    ['any match', [[[no, yes]]], true],
    ['all clauses', [[[yes], [no]]], false],
    ['any rule', [[[no]], [[yes]]], true],
    ['nothing fits', [[[no]], [[no]]], false],
  ];
  for (const [name, rules, expected] of cases) {
    assert.equal(decide([testPolicy('p', { rules })]).allow, expected, `allow: ${name}`);
    assert.equal(decide([testPolicy('p', { action: 'DENY', rules })]).allow, !expected, `deny: ${name}`);
  }
});

test('each attribute matches positively and negatively, with and without identity', () => {
  const plaintext = {};
  const own = { sourceIdentity: web };
  const foreign = { sourceIdentity: stranger };
  const exact = (value: string) => [{ kind: 'exact', value }] as const;
  const presence = [{ kind: 'presence' }] as const;
  const account = [{ namespace: 'default', serviceAccount: 'web' }];
  const cases: readonly (readonly [PolicyMatch, boolean, boolean, boolean])[] = [
    [{ namespaces: exact('default') }, false, true, false],
    [{ notNamespaces: exact('default') }, true, false, true],
    [{ namespaces: presence }, false, true, true],
    [{ namespaces: exact('') }, true, false, false],
    [{ principals: exact('cluster.local/ns/default/sa/web') }, false, true, false],
    [{ principals: exact(web) }, false, false, false],
    [{ notPrincipals: exact('cluster.local/ns/default/sa/web') }, true, false, true],
    [{ principals: presence }, false, true, true],
    [{ notPrincipals: presence }, true, false, false],
    [{ principals: [{ kind: 'prefix', value: 'cluster.local/' }] }, false, true, false],
    [{ principals: [{ kind: 'suffix', value: '/sa/web' }] }, false, true, true],
    [{ principals: [{ kind: 'suffix', value: '/SA/web' }] }, false, false, false],
    [{ serviceAccounts: account }, false, true, false],
    [{ notServiceAccounts: account }, true, false, true],
    [{ sourceIps: [{ ip: '10.0.0.0', length: 24 }] }, true, true, true],
    [{ sourceIps: [{ ip: '10.0.1.0', length: 24 }] }, false, false, false],
    [{ notSourceIps: [{ ip: '10.0.0.1', length: 32 }] }, false, false, false],
    [{ destinationIps: [{ ip: '10.0.0.2', length: 32 }] }, true, true, true],
    [{ notDestinationIps: [{ ip: '0.0.0.0', length: 0 }] }, false, false, false],
    [{ destinationPorts: [1, 8080] }, true, true, true],
    [{ notDestinationPorts: [8080] }, false, false, false],
    [{ destinationPorts: [8080], principals: exact('nobody') }, false, false, false],
    [{ namespaces: exact('default'), notDestinationPorts: [9090] }, false, true, false],
  ];
  for (const [match, ...expected] of cases) {
    const found = [plaintext, own, foreign].map((facts) => isMatch(match, facts));
    assert.deepEqual(found, expected, JSON.stringify(match));
  }
});

test('a trust domain does not matter for service accounts', () => {
  assert.equal(
    isMatch({ serviceAccounts: [{ namespace: 'foreign', serviceAccount: 'web' }] }, { sourceIdentity: stranger }),
    true,
  );
});

test('deny comes before allow and names policy and rule', () => {
  const decision = decide([
    testPolicy('allow', { rules: [[]] }),
    testPolicy('deny', { action: 'DENY', rules: [[[{ destinationPorts: [1] }]], [[{ destinationPorts: [8080] }]]] }),
  ]);
  assert.deepEqual(decision, {
    allow: false,
    cause: 'denied-by-policy',
    policy: 'default/deny',
    rule: 1,
    message: 'explicitly denied by: default/deny',
    dryRun: [],
  });
});

test('an allow names its policy, and no match denies', () => {
  const policy = testPolicy('p', { rules: [[[{ destinationPorts: [8080] }]]] });
  assert.deepEqual(decide([policy]), { allow: true, by: { policy: 'default/p', rule: 0 }, dryRun: [] });
  const denied = decide([policy], { destinationPort: 1 });
  assert.equal(!denied.allow && denied.message, 'allow policies exist, but none allowed');
});

test('a policy applies by its scope', () => {
  const denyAll = { action: 'DENY', rules: [[]] } as const;
  const cases = [
    [testPolicy('p', denyAll), [], false],
    [testPolicy('p', { ...denyAll, namespace: 'other' }), [], true],
    [testPolicy('p', { ...denyAll, namespace: 'istio-system', scope: 'GLOBAL' }), [], false],
    [testPolicy('p', { ...denyAll, scope: 'WORKLOAD_SELECTOR' }), [], true],
    [testPolicy('p', { ...denyAll, scope: 'WORKLOAD_SELECTOR' }), ['default/p'], false],
    [testPolicy('p', { ...denyAll, namespace: 'other' }), ['other/p'], false],
  ] as const;
  for (const [policy, listed, allow] of cases)
    assert.equal(decide([policy], {}, listed).allow, allow, JSON.stringify(policy));
});

test('changing the scope of a policy changes whom it applies to', () => {
  const workload = testWorkload('target');
  const store = testStore({ workloads: [workload] });
  const facts = { destination: workload, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 };
  const allowAfter = (policy: Policy): boolean => {
    store.apply({ policies: [policy] });
    return authorizeL4(store.snapshot(), facts).allow;
  };
  const denyAll = testPolicy('p', { action: 'DENY', rules: [[]] });
  assert.equal(allowAfter(denyAll), false);
  assert.equal(allowAfter({ ...denyAll, scope: 'WORKLOAD_SELECTOR' }), true);
  assert.equal(allowAfter({ ...denyAll, scope: 'GLOBAL' }), false);
  store.apply({ authorizations: { updated: [], removed: ['default/p'] } });
  assert.equal(authorizeL4(store.snapshot(), facts).allow, true);
});

test('a listed policy that is missing denies until it arrives, unless the option says otherwise', () => {
  const missing = decide([], {}, ['default/late']);
  assert.equal(!missing.allow && missing.cause, 'missing-policy');
  assert.equal(!missing.allow && missing.policy, 'default/late');
  assert.equal(decide([], {}, ['default/late'], { missingPolicy: 'skip' }).allow, true);
  assert.equal(
    decide([testPolicy('late', { scope: 'WORKLOAD_SELECTOR', rules: [[]] })], {}, ['default/late']).allow,
    true,
  );
  const workload = testWorkload('target', { authorizationPolicies: ['default/late'] });
  assert.deepEqual(missingPolicies(testStore({ workloads: [workload] }).snapshot(), workload), ['default/late']);
});

test('dry-run policies are reported and not enforced', () => {
  const deny = testPolicy('d', { action: 'DENY', dryRun: true, rules: [[]] });
  const allow = testPolicy('a', { dryRun: true, rules: [[[{ destinationPorts: [1] }]]] });
  const decision = decide([deny, allow]);
  assert.equal(decision.allow, true);
  assert.deepEqual(decision.dryRun, [
    { message: 'dry-run: deny policy match', policy: 'default/d' },
    { message: 'dry-run: no allow policies match' },
  ]);
  assert.deepEqual(decide([allow], { destinationPort: 1 }).dryRun, [
    { message: 'dry-run: allow policy match', policy: 'default/a' },
  ]);
});

test('the range matcher agrees with counting bits', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  const bits = (list: Uint8Array): string => Array.from(list, (byte) => byte.toString(2).padStart(8, '0')).join('');
  fc.assert(
    fc.property(bytes, bytes, fc.nat(128), fc.nat(128), (one, other, flip, length) => {
      // The second address often shares a long prefix with the first one.
      const near = Uint8Array.from(one);
      const at = flip % (one.length * 8);
      near[at >> 3] = (near[at >> 3] ?? 0) ^ (0x80 >> (at & 7));
      for (const network of [other, near, one]) {
        const [ip, base] = [ipOfBytes(one), ipOfBytes(network)];
        // A mapped address becomes IPv4, where counting bits of the 16 bytes says nothing.
        if (ip === undefined || base === undefined || one.length !== network.length) continue;
        if (one.length === 16 && (!ip.includes(':') || !base.includes(':'))) continue;
        const usedLength = Math.min(length, one.length * 8);
        const expected = bits(one).slice(0, usedLength) === bits(network).slice(0, usedLength);
        assert.equal(isInRange(groupsOf(ip), groupsOf(base), usedLength), expected, `${ip} in ${base}/${usedLength}`);
      }
    }),
    { numRuns: 500 },
  );
});

test('principal matching agrees with text comparison on any text', () => {
  const part = fc.stringMatching(/^[a-c/]{0,4}$/);
  const kind = fc.constantFrom('exact', 'prefix', 'suffix');
  fc.assert(
    fc.property(part, part, kind, part, (namespace, serviceAccount, matchKind, value) => {
      const [ns, sa] = [namespace.replaceAll('/', ''), serviceAccount.replaceAll('/', '')];
      const principal = `td/ns/${ns}/sa/${sa}`;
      const expected = {
        exact: principal === value,
        prefix: principal.startsWith(value),
        suffix: principal.endsWith(value),
      }[matchKind];
      const facts = { sourceIdentity: `spiffe://${principal}` };
      assert.equal(isMatch({ principals: [{ kind: matchKind, value }] }, facts), expected);
      assert.equal(isMatch({ notPrincipals: [{ kind: matchKind, value }] }, facts), !expected);
    }),
  );
});
