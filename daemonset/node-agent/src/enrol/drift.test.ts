// Rules that others changed: put back, told, and looked at again until they are as they were.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { PrintedRules } from '../rules/apply.ts';
import { openConnection } from '../unprotected/testing.ts';
import { DriftCheck } from './drift.ts';
import { type EnrolmentWorld, enrolmentWorld, podOf } from './enrolment-world.ts';

const printed = (text: string): PrintedRules => ({ text, rules: text, generation: 1 });

async function checking(): Promise<
  EnrolmentWorld & { readonly check: DriftCheck; readonly repaired: number[]; text: string }
> {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  world.did.length = 0;
  const repaired: number[] = [];
  const state: EnrolmentWorld & { readonly check: DriftCheck; readonly repaired: number[]; text: string } = {
    ...world,
    repaired,
    text: 'rules',
    check: new DriftCheck({
      ...world,
      capture: { ...world.capture, host: undefined, printRules: async () => printed(state.text) },
      log: silentLogger,
      onRound: ({ pods }) => repaired.push(pods),
    }),
  };
  return state;
}

test('a pod is enrolled again when its rules are not what they were at the first look, and its owner is told', async () => {
  const world = await checking();
  await world.check.once();
  await world.check.once();
  assert.deepEqual([world.did, world.repaired], [[], [0, 0]]);
  world.text = 'nothing';
  await world.check.once();
  assert.deepEqual(world.did, ['rules a', 'proxy-add a', 'state a enabled']);
  assert.deepEqual([world.repaired.at(-1), world.events.map(({ reason }) => reason)], [1, ['AmbientCaptureRestored']]);
});

test('a repair that fails is tried again in the next round: what is left is not taken for good', async () => {
  const world = await checking();
  await world.check.once();
  world.text = 'nothing';
  world.failing.add('rules');
  await world.check.once();
  assert.deepEqual([world.did, world.repaired], [[], [0, 0]]);
  world.failing.clear();
  await world.check.once();
  assert.ok(world.did.includes('rules a'));
  assert.equal(world.repaired.at(-1), 1);
});

test('what is opened while the rules are away counts as unprotected', async () => {
  const world = await checking();
  const between = openConnection('10.0.0.1:8080', '10.0.0.2:40000');
  await world.check.once();
  world.text = 'nothing';
  Object.assign(world.capture, { uncarried: () => [between] });
  await world.check.once();
  assert.equal(world.unprotected.count('a'), 1);
});
