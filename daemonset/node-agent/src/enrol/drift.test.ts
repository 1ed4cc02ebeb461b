// Rules that others changed: put back, told, and looked at again until they are as they were.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { PrintedRules } from '../rules/apply.ts';
import { openConnection } from '../unprotected/testing.ts';
import { DriftCheck } from './drift.ts';
import { type EnrolmentWorld, enrolmentWorld, podOf } from './enrolment-world.ts';

type Checking = EnrolmentWorld & {
  readonly check: DriftCheck;
  readonly repaired: number[];
  text: string;
  generation: number | undefined;
};

async function checking(): Promise<Checking> {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  world.did.length = 0;
  const repaired: number[] = [];
  const print = async (): Promise<PrintedRules> => ({ rules: state.text, way: '', generation: state.generation });
  const state: Checking = {
    ...world,
    repaired,
    text: 'rules',
    generation: undefined,
    check: new DriftCheck({
      ...world,
      capture: { ...world.capture, host: undefined, printRules: print },
      log: silentLogger,
      onRound: ({ pods }) => repaired.push(pods),
    }),
  };
  return state;
}

test('a pod is enrolled again when its rules are not what this agent made, from the first round on, and its owner is told', async () => {
  const world = await checking();
  world.text = 'nothing';
  await world.check.once();
  assert.deepEqual(world.did, ['rules a', 'proxy-add a', 'state a enabled']);
  world.did.length = 0;
  world.repaired.length = 0;
  world.events.length = 0;
  world.text = 'rules';
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

test('what others do beside the rules is looked at once', async () => {
  const world = await checking();
  const known: unknown[] = [];
  for (const generation of [7, 7, 8]) {
    world.generation = generation;
    await world.check.once();
    known.push(world.cache.get('a')?.printed?.generation);
  }
  assert.deepEqual([known, world.repaired, world.did], [[7, 7, 8], [0, 0, 0], []]);
});
