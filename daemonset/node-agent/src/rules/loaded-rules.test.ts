import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadedRules } from './loaded-rules.ts';
import type { PodRuleSettings } from './plan.ts';

const settings: PodRuleSettings = {
  ipv6: false,
  dnsCapture: true,
  bypassInbound: false,
  virtualInterfaces: [],
  probeIp: '169.254.7.127',
  probeIpv6: 'fd16::1',
};

/** A kernel with one counter per namespace, and what was printed. `transactions`: of one load. */
function kernel({ isCounted = true, transactions = 1 } = {}) {
  const generations = new Map<number, number>();
  const at = (netns: number): number => generations.get(netns) ?? 1;
  const change = (netns: number, by = 1): void => void generations.set(netns, (at(netns) + by) % 2 ** 32);
  const printed: number[] = [];
  const state = { onLoad: (_netns: number): void => undefined, text: 'rules' };
  const rules = new LoadedRules({
    generation: (netns) => (isCounted ? at(netns) : undefined),
    load: async (netns) => {
      change(netns, transactions);
      state.onLoad(netns);
      return transactions;
    },
    print: async (netns) => {
      printed.push(netns);
      return state.text;
    },
  });
  return { rules, printed, change, state, generations };
}

test('rules of the same settings are printed in the first pod only, and a pod in which nobody changed anything never again', async () => {
  const { rules, printed } = kernel({ transactions: 6 });
  const looks = [await rules.load(1, settings), await rules.load(2, settings), await rules.load(3, settings)];
  assert.deepEqual(looks, Array(3).fill({ rules: 'rules', generation: 7 }));
  for (const [index, look] of looks.entries()) assert.deepEqual(await rules.look(index + 1, look), look);
  assert.deepEqual(printed, [1]);
  await rules.load(3, { ...settings, dnsCapture: false });
  assert.deepEqual(printed, [1, 3]);
});

test('what another program changes while rules are loaded is found at the next look, also when the counter starts anew', async () => {
  const { rules, printed, change, state, generations } = kernel();
  generations.set(1, 2 ** 32 - 1);
  assert.deepEqual(await rules.load(1, settings), { rules: 'rules', generation: 0 });
  state.onLoad = (netns) => change(netns);
  const disturbed = await rules.load(2, settings);
  assert.deepEqual(disturbed, { rules: 'rules', generation: undefined });
  state.text = 'less';
  assert.deepEqual(await rules.look(2, disturbed), { rules: 'less', generation: 3 });
  assert.deepEqual(printed, [1, 2]);
});

test('rules that another program had a part in say nothing about other pods', async () => {
  const { rules, printed, change, state } = kernel();
  state.onLoad = (netns) => change(netns);
  await rules.load(1, settings);
  state.onLoad = () => undefined;
  await rules.load(2, settings);
  await rules.load(3, settings);
  assert.deepEqual(printed, [1, 2]);
});

test('where the kernel does not count, every pod is printed after every load and at every look', async () => {
  const { rules, printed } = kernel({ isCounted: false });
  const first = await rules.load(1, settings);
  await rules.load(2, settings);
  await rules.look(1, first);
  assert.deepEqual(printed, [1, 2, 1]);
});
