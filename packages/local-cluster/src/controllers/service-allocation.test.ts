import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { createApiServer } from '../api/api-server.ts';
import { createServiceAllocation } from './service-allocation.ts';
import type { Service } from './objects.ts';

test('addresses and node ports of Services are refused in the words of Kubernetes', async (t) => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-service-'));
  const server = await createApiServer({ stateDir, log: silentLogger });
  server.addAdmission(createServiceAllocation(server.objects));
  t.after(async () => {
    await server.close();
    rmSync(stateDir, { recursive: true });
  });
  const { objects } = server;
  const service = (name: string, spec: Partial<Service['spec']>): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80 }], ...spec },
  });
  const create = async (spec: Partial<Service['spec']>): Promise<unknown> =>
    objects.create('services', service('bad', spec));
  const refused = async (spec: Partial<Service['spec']>, text: string): Promise<void> =>
    assert.rejects(create(spec), ({ message }: Error) => {
      assert.equal(message, `Service "bad" is invalid: ${text}`);
      return true;
    });
  await objects.create('services', service('first', { clusterIP: '10.96.2.1' }));
  const node = { type: 'NodePort', clusterIP: '10.96.2.2', ports: [{ port: 80, nodePort: 30_080 }] };
  await objects.create('services', service('node', node));

  const form = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  await refused({ clusterIP: '10.96.2.1111' }, `spec.clusterIPs[0]: Invalid value: "10.96.2.1111": ${form}`);
  await refused(
    { clusterIP: '10.96.2.1' },
    'spec.clusterIPs: Invalid value: ["10.96.2.1"]: failed to allocate IP 10.96.2.1: provided IP is already allocated',
  );
  await refused(
    { clusterIPs: ['10.1.2.3'] },
    'spec.clusterIPs: Invalid value: ["10.1.2.3"]: failed to allocate IP 10.1.2.3: the provided IP (10.1.2.3) is not in the valid range. The range of valid IPs is 10.96.0.0/16',
  );
  await refused(
    { clusterIP: '10.96.3.3', clusterIPs: ['10.96.3.4'] },
    'spec.clusterIPs: Invalid value: ["10.96.3.4"]: first value must match `clusterIP`',
  );
  await refused(
    { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] },
    'spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
  );
  await refused(
    { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] },
    'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
  );
  const patched = objects.patch('services', 'first', 'default', { spec: { clusterIP: '10.96.2.9', clusterIPs: null } });
  await assert.rejects(patched, /spec\.clusterIPs\[0\]: Invalid value: \["10\.96\.2\.9"\]: may not change once set/);
  await objects.patch('services', 'node', 'default', { metadata: { labels: { still: 'good' } } });

  // Nobody asked: the answer has addresses already, they are nobody's fields, and an update keeps them.
  const given = (await objects.create('services', service('given', { type: 'NodePort' }))) as Service;
  const other = (await objects.create('services', service('other', { type: 'LoadBalancer' }))) as Service;
  assert.match(given.spec.clusterIP ?? '', /^10\.96\.1\.\d+$/);
  assert.deepEqual(given.spec.clusterIPs, [given.spec.clusterIP]);
  assert.notEqual(given.spec.clusterIP, other.spec.clusterIP);
  assert.equal(given.spec.ports?.[0]?.nodePort, 30_000);
  assert.equal(other.spec.ports?.[0]?.nodePort, 30_001);
  assert.doesNotMatch(JSON.stringify(given.metadata), /f:clusterIP|f:nodePort/);
  const replaced = (await objects.update('services', service('given', { type: 'NodePort' }))) as Service;
  assert.equal(replaced.spec.clusterIP, given.spec.clusterIP);
  assert.equal(replaced.spec.ports?.[0]?.nodePort, 30_000);
  const renamed = { spec: { type: 'ExternalName', externalName: 'a.com' } };
  const moved = (await objects.patch('services', 'first', 'default', renamed)) as Service;
  assert.equal(moved.spec.clusterIP, undefined);
  const hidden = (await objects.patch('services', 'given', 'default', { spec: { type: 'ClusterIP' } })) as Service;
  assert.equal(hidden.spec.ports?.[0]?.nodePort, undefined);
  const external = service('external', { type: 'ExternalName', externalName: 'a.com' });
  assert.equal(((await objects.create('services', external)) as Service).spec.clusterIP, undefined);
});
