import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { AnyObject } from '../controllers/objects.ts';
import { createMemoryObjectApi } from '../testing/memory-object-api.ts';
import { followPower, POWER, POWER_STATE, REBOOT } from './node-power.ts';

test('a node is switched by its annotations, one act after the other, and tells what it has done', async () => {
  const api = createMemoryObjectApi();
  const acts: string[] = [];
  const annotate = async (annotations: Record<string, string | null>): Promise<unknown> =>
    api.patch('nodes', 'n1', undefined, { metadata: { annotations } });
  const told = async (text: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _watch = api.watch<AnyObject>('nodes', {}, ({ object }) => {
      if (object.metadata.annotations?.[POWER_STATE] === text) resolve();
    });
    await promise;
  };
  await api.create('nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', annotations: { [REBOOT]: 'long ago' } },
  } as AnyObject);
  const power = followPower(api, 'n1', silentLogger, {
    off: async () => void acts.push('off'),
    on: async () => void acts.push('on'),
  });
  await annotate({ [REBOOT]: 'now' });
  await told('on now');
  assert.deepEqual(acts, ['off', 'on']);
  await annotate({ [POWER]: 'off' });
  await told('off now');
  await annotate({ [REBOOT]: 'while it is off' });
  await told('off while it is off');
  await annotate({ [POWER]: null });
  await told('on while it is off');
  assert.deepEqual(acts, ['off', 'on', 'off', 'on']);
  await power.close();
  await annotate({ [POWER]: 'off' });
  await power.close();
  assert.equal(acts.length, 4);
});
