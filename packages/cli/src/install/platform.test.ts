import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detectPlatform } from './platform.ts';

const node = (info: object, more: object = {}): object => ({ metadata: {}, status: { nodeInfo: info }, ...more });

test('platforms that keep CNI files elsewhere are recognised by what their nodes say', () => {
  const nameOf = (object: object): string => detectPlatform([object as never]).name;
  assert.equal(nameOf(node({ kubeletVersion: 'v1.32.1-gke.100' })), 'gke');
  assert.equal(nameOf(node({ kubeletVersion: 'v1.32.1+k3s1', osImage: 'Debian' })), 'k3s');
  assert.equal(
    nameOf(node({ kubeletVersion: 'v1.32.1+k3s1', osImage: 'K3s v1.32.1+k3s1' }, { spec: { providerID: 'k3s://x' } })),
    'k3d',
  );
  assert.equal(
    nameOf(node({ kubeletVersion: 'v1.32.1' }, { metadata: { labels: { 'microk8s.io/cluster': 'true' } } })),
    'microk8s',
  );
  assert.equal(nameOf(node({ containerRuntimeVersion: 'ambit://1' })), 'local');
  assert.equal(nameOf(node({ kubeletVersion: 'v1.32.1' })), 'generic');
});
