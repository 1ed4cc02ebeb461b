import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataThreads, type SizeInputs } from './size.ts';

const none: SizeInputs = {
  workerThreads: undefined,
  cpuLimit: undefined,
  resourceCpuLimit: undefined,
  resourceCpuRequest: undefined,
  concurrency: undefined,
  cores: 8,
};

test('the number of data threads follows the table', () => {
  const rows: readonly [Partial<SizeInputs>, number][] = [
    [{}, 2],
    [{ cores: 1 }, 1],
    [{ workerThreads: '5' }, 5],
    [{ workerThreads: '0' }, 8],
    [{ workerThreads: '50%' }, 4],
    [{ workerThreads: '1%' }, 1],
    [{ workerThreads: '30%' }, 3],
    [{ workerThreads: '100%', resourceCpuLimit: '1500m' }, 2],
    [{ concurrency: 0 }, 8],
    [{ concurrency: 3 }, 3],
    [{ resourceCpuLimit: '1.5' }, 2],
    [{ resourceCpuLimit: '2', resourceCpuRequest: '3' }, 3],
    [{ resourceCpuRequest: '4' }, 4],
    [{ workerThreads: '100%', cpuLimit: '6' }, 6],
  ];
  for (const [change, expected] of rows) {
    assert.equal(dataThreads({ ...none, ...change }), expected, JSON.stringify(change));
  }
});

test('a value that is no number is a problem text', () => {
  assert.equal(typeof dataThreads({ ...none, workerThreads: 'many' }), 'string');
  assert.equal(typeof dataThreads({ ...none, workerThreads: '101%' }), 'string');
  assert.equal(typeof dataThreads({ ...none, resourceCpuLimit: 'x' }), 'string');
});
