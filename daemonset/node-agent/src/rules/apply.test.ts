import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rulesSince } from './apply.ts';

test('rules are printed when the kernel counted a change, and always where it does not count', async () => {
  const printed: string[] = [];
  const backend = (generation: number | undefined) => ({
    generation: () => generation,
    print: async () => {
      printed.push(String(generation));
      return `rules ${generation ?? ''}`;
    },
  });
  const first = await rulesSince(backend(4), 0);
  assert.deepEqual(await rulesSince(backend(4), 0, first), first);
  assert.deepEqual(await rulesSince(backend(5), 0, first), { generation: 5, rules: 'rules 5' });
  const uncounted = await rulesSince(backend(undefined), 0);
  await rulesSince(backend(undefined), 0, uncounted);
  assert.deepEqual(printed, ['4', '5', 'undefined', 'undefined']);
});
