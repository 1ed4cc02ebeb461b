import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestMesh, type TestMesh } from '../src/testing/index.ts';

let mesh: TestMesh;
before(async () => {
  mesh = await startTestMesh();
});
after(() => mesh.close());

test('a GET goes through the tunnel, the default route and a tunnel to the workload', async () => {
  mesh.addWorkload(2);
  const response = await mesh.get('/hello?x=1');
  assert.equal(response.status, 200);
  assert.equal(response.body, 'hello from 127.0.0.2\n');
  assert.equal(response.headers['server'], 'istio-envoy');
  assert.deepEqual(mesh.upstreamAuthorities, ['127.0.0.2:8080']);
  assert.match(mesh.accessLines[0] ?? '', /"GET \/hello\?x=1 HTTP\/1.1" 200 - via_upstream/);
});
