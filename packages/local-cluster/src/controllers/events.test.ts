import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { createApiServer } from '../api/api-server.ts';
import { createEventRecorder } from './events.ts';
import type { AnyObject } from './objects.ts';

test('events about objects without a namespace reach the API', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-events-'));
  const server = await createApiServer({ stateDir, log: silentLogger });
  try {
    const api = server.objects;
    const node = await api.create<AnyObject>('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
    createEventRecorder(api, silentLogger, 'kubelet').record(node, 'Warning', 'Rebooted', 'again', 'n');
    const found = (): readonly AnyObject[] => api.list<AnyObject>('events', { namespace: 'default' }).items;
    for (let turn = 0; turn < 1000 && found().length === 0; turn += 1) await new Promise(setImmediate);
    assert.deepEqual(
      found().map((event) => (event as AnyObject & { reason: string }).reason),
      ['Rebooted'],
    );
  } finally {
    await server.close();
    rmSync(stateDir, { recursive: true });
  }
});
