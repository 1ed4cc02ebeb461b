import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList, peerFactsOf, type RequestView } from '@ambit/l7';
import {
  AuthzPolicy_Action,
  AuthzPolicySchema,
  MetaSchema,
  type Policy,
  PolicyRefSchema,
  PolicySchema,
} from '@ambit/proto/waypoint';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { nearestRules } from './nearest-rule.ts';

const exact = (value: string) => ({ m: { case: 'exact' as const, value } });
const from = (name: string) => [{ principals: [exact(`cluster.local/ns/shop/sa/${name}`)] }];
const to = (method: string) => [{ methods: [exact(method)] }];

type Rules = MessageInitShape<typeof AuthzPolicySchema>['rules'];

const policyOf = (rules: Rules, action = AuthzPolicy_Action.ALLOW): Policy =>
  create(PolicySchema, {
    meta: create(MetaSchema, { name: 'p', namespace: 'shop' }),
    body: { case: 'authz', value: create(AuthzPolicySchema, { action, ...(rules === undefined ? {} : { rules }) }) },
  });

const view: RequestView = {
  peer: peerFactsOf('spiffe://cluster.local/ns/shop/sa/client'),
  sourceIp: '10.0.0.1',
  remoteIp: '10.0.0.1',
  destinationIp: '10.0.0.2',
  port: 80,
  sni: undefined,
  method: 'DELETE',
  scheme: 'http',
  authority: 'web',
  path: '/',
  query: undefined,
  headers: HeaderList.fromRaw([]),
};

const linesOf = (policy: Policy): readonly string[] =>
  nearestRules({
    refs: [create(PolicyRefSchema, { policy: 'shop/p' })],
    lookup: () => policy,
    view,
    protocol: 'http',
    port: 80,
  });

test('the rule of which only the method differs comes before one that nothing of fits', () => {
  assert.deepEqual(
    linesOf(
      policyOf([
        { from: from('other'), to: to('GET') },
        { from: from('client'), to: to('GET') },
      ]),
    ),
    ['shop/p rule 1: from matches, to does not', 'shop/p rule 0: from and to do not'],
  );
});

test('rules that deny are not among those that could have allowed', () => {
  assert.deepEqual(linesOf(policyOf([{ from: from('other') }], AuthzPolicy_Action.DENY)), []);
});
