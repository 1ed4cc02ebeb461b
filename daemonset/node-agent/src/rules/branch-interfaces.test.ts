import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { addressesOn, BranchInterfaces, interfaceRulesOf, type PolicyRouting } from './branch-interfaces.ts';

const vendor = { priority: 10, src: 'all', iif: 'vlan.eth.1', table: '101' };

/** A node with one branch interface, whose rules the test reads. `fails`: words of a rule that cannot be added. */
function node(fails = 'never') {
  const rules: string[] = [];
  const state = { printed: [vendor] as unknown[] };
  const routing: PolicyRouting = {
    print: async (family, [what = '']) => {
      if (family === 6) return [];
      return what === 'rule' ? state.printed : [{ dst: '10.0.0.1', dev: 'vlan.eth.1', flags: [] }];
    },
    change: async (family, action, words) => {
      const rule = `${family} ${words.join(' ')}`;
      if (rule.includes(fails)) throw new Error('Operation not permitted');
      const at = rules.indexOf(rule);
      if (action === 'add' && at < 0) rules.push(rule);
      if (action === 'del' && at >= 0) rules.splice(at, 1);
      return action === 'add' ? at < 0 : at >= 0;
    },
  };
  return { rules, state, branches: new BranchInterfaces(routing, true, silentLogger) };
}

const added = ['4 to 10.0.0.1 lookup 101 pref 512', '4 iif vlan.eth.1 lookup local pref 9'];

test('an address with a route of its own to such an interface gets its two rules, others get none', async () => {
  const { rules, branches } = node();
  await branches.follow(new Set(['10.0.0.1', '10.0.0.2', 'fd00::1']));
  assert.deepEqual(rules, added);
  await branches.follow(new Set(['10.0.0.1']));
  assert.deepEqual(rules, added);
});

test('the rules go with the pod, also when those of the vendor went first', async () => {
  const { rules, state, branches } = node();
  await branches.follow(new Set(['10.0.0.1']));
  state.printed = [];
  await branches.follow(new Set());
  assert.deepEqual(rules, []);
});

test('when the second rule cannot be made, the first one is taken back, unless it was there before', async () => {
  const first = node('iif');
  await first.branches.follow(new Set(['10.0.0.1']));
  assert.deepEqual(first.rules, []);
  const second = node('iif');
  second.rules.push(...added.slice(0, 1));
  await second.branches.follow(new Set(['10.0.0.1']));
  assert.deepEqual(second.rules, added.slice(0, 1));
});

test('rules of the own tables, without an interface, or of a form nobody knows do not count', () => {
  assert.deepEqual(interfaceRulesOf([vendor, { ...vendor, table: 'main' }, { ...vendor, table: '255' }]), [
    { iif: 'vlan.eth.1', table: '101', priority: 10 },
  ]);
  assert.deepEqual(
    interfaceRulesOf([
      { priority: 0, table: '101' },
      { iif: 7, table: '101', priority: 1 },
    ]),
    [],
  );
  assert.deepEqual(interfaceRulesOf({}), []);
});

test('only routes to single addresses through that interface count', () => {
  const rule = { iif: 'vlan.eth.1', table: '101', priority: 10 };
  const routes = [
    { dst: 'default', dev: 'vlan.eth.1' },
    { dst: '10.0.0.0/24', dev: 'vlan.eth.1' },
    { dst: '10.0.0.9', dev: 'eth0' },
    { dst: '10.0.0.1', dev: 'vlan.eth.1' },
  ];
  assert.deepEqual([...addressesOn(routes, rule)], ['10.0.0.1']);
  assert.deepEqual([...addressesOn('text', rule)], []);
});
