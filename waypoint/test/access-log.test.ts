// Access lines as the mesh configuration wants them, and the reasons of a request in the debug log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '@ambit/runtime/log';
import { startTestMesh } from '../src/testing/index.ts';

const provider = (value: object) => ({
  trustDomain: 'cluster.local',
  providers: [{ name: 'envoy', body: { case: 'accessLog' as const, value: { path: '/dev/stdout', ...value } } }],
});

test('lines are written when the mesh says so, in its format', async () => {
  const mesh = await startTestMesh({ accessLog: 'mesh' });
  try {
    mesh.addWorkload(2);
    await mesh.get('/silent');
    assert.equal(mesh.accessLines.length, 0);
    mesh.configure({ proxy: provider({}) });
    await mesh.get('/text');
    assert.match(mesh.accessLines[0] ?? '', /^\[.*\] "GET \/text HTTP\/1.1" 200 - via_upstream /);
    mesh.configure({ proxy: provider({ textFormat: '%REQ(:METHOD)% %RESP(SERVER)% %RESPONSE_CODE%\n' }) });
    await mesh.get('/');
    assert.equal(mesh.accessLines[1], 'GET istio-envoy 200');
    mesh.configure({ proxy: provider({ format: 1 }) });
    await mesh.get('/json');
    assert.equal((JSON.parse(mesh.accessLines[2] ?? '') as { path: string }).path, '/json');
    mesh.configure({ proxy: provider({ format: 1, jsonFields: { code: '%RESPONSE_CODE%' } }) });
    await mesh.get('/');
    assert.equal(mesh.accessLines[3], '{"code":200}');
    mesh.configure({ proxy: provider({ path: '/var/log/access' }) });
    await mesh.get('/');
    assert.equal(mesh.accessLines.length, 4, 'other files are not written');
  } finally {
    mesh.close();
  }
});

test('the debug log says why a request went where it went', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'request=debug', format: 'plain', write: (line) => void lines.push(line) });
  const mesh = await startTestMesh({ log });
  try {
    mesh.addWorkload(2);
    await mesh.get('/why');
    const line = lines.find((candidate) => candidate.includes('/why')) ?? '';
    for (const part of ['route="default"', 'frontend="apps/', '/reviews-2"', 'attempts=1', 'details="via_upstream"'])
      assert.ok(line.includes(part), `${part} in ${line}`);
  } finally {
    mesh.close();
  }
});
