import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostBackend } from './host-backend.ts';
import { replacing, replacingHost } from './former-rules.ts';
import type { PodRuleSettings } from './plan.ts';

const settings = {} as unknown as PodRuleSettings;

test('rules of an earlier tool go after those of this one are there, and only where there are some', async () => {
  const did: string[] = [];
  const left = new Set([1, 2]);
  const backend = replacing(
    {
      name: 'iptables',
      load: async (netns) => (did.push(`load ${netns}`), 6),
      remove: async (netns) => void did.push(`remove ${netns}`),
      generation: () => undefined,
      print: async () => '',
    },
    { remove: async (netns) => void (did.push(`former ${netns}`), left.delete(netns)) },
    (netns) => left.has(netns),
  );
  assert.deepEqual([await backend.load(1, settings), await backend.load(1, settings)], [7, 6]);
  await backend.remove(2);
  await backend.remove(3);
  assert.deepEqual(did, ['load 1', 'former 1', 'load 1', 'remove 2', 'former 2', 'remove 3']);
});

test('rules of the node by an earlier tool go with the first write that works', async () => {
  const did: string[] = [];
  let isBroken = true;
  const backend: HostBackend = replacingHost(
    {
      name: 'iptables',
      write: async () => {
        if (isBroken) throw new Error('no');
        did.push('write');
      },
      clear: async () => undefined,
      print: async () => '',
    },
    { clear: async () => void did.push('former') },
  );
  await assert.rejects(backend.write(new Map()));
  isBroken = false;
  await backend.write(new Map());
  await backend.write(new Map());
  assert.deepEqual(did, ['write', 'former', 'write']);
});
