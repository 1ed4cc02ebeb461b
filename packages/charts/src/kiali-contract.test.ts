// The names that Kiali and the stock dashboards look for (spec user-tools 4.5), in what is installed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderInstallation } from './chart/installation.ts';

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any;

const objects = renderInstallation({ namespace: 'istio-system' });
const find = (kind: string, name: string): Loose =>
  objects.find((object) => object.kind === kind && object.metadata?.name === name);

test('the control plane is found by its labels, its container and its switches', () => {
  const istiod = find('Deployment', 'istiod');
  assert.equal(istiod.metadata.labels.app, 'istiod');
  assert.ok(istiod.metadata.labels['app.kubernetes.io/version']);
  const [container] = istiod.spec.template.spec.containers;
  assert.equal(container.name, 'discovery');
  const env = Object.fromEntries(container.env.map((one: Loose) => [one.name, one.value]));
  assert.equal(env['PILOT_ENABLE_AMBIENT'], 'true');
  assert.equal(env['CLUSTER_ID'], 'Kubernetes');
  assert.equal(env['REVISION'], 'default');
  assert.equal(istiod.spec.template.metadata.annotations['prometheus.io/port'], '15014');
});

test('the ConfigMaps have the keys that tools read', () => {
  assert.deepEqual(Object.keys(find('ConfigMap', 'istio').data).toSorted(), ['mesh', 'meshNetworks']);
  assert.deepEqual(Object.keys(find('ConfigMap', 'istio-sidecar-injector').data).toSorted(), ['config', 'values']);
  JSON.parse(find('ConfigMap', 'istio-sidecar-injector').data.values);
});

test('node proxies and node agents carry the labels and container names that series are split by', () => {
  const ztunnel = find('DaemonSet', 'ztunnel');
  assert.equal(ztunnel.metadata.labels['app.kubernetes.io/name'], 'ztunnel');
  assert.equal(ztunnel.spec.template.metadata.labels.app, 'ztunnel');
  assert.equal(ztunnel.spec.template.spec.containers[0].name, 'istio-proxy');
  assert.equal(ztunnel.spec.template.metadata.annotations['prometheus.io/scrape'], 'true');
  const cni = find('DaemonSet', 'istio-cni-node');
  assert.equal(cni.metadata.labels['k8s-app'], 'istio-cni-node');
  assert.equal(cni.spec.template.spec.containers[0].name, 'install-cni');
});

test('node proxies say which release they speak, unless the user says another', () => {
  const versionOf = (values: object): Loose => {
    const ztunnel = renderInstallation({ namespace: 'istio-system', values: { ztunnel: values } }).find(
      ({ kind, metadata }) => kind === 'DaemonSet' && metadata?.name === 'ztunnel',
    ) as Loose;
    const env = ztunnel.spec.template.spec.containers[0].env as Loose[];
    return env.filter(({ name }) => name === 'ISTIO_META_ISTIO_VERSION').map(({ value }) => value);
  };
  assert.match(versionOf({})[0], /^1\.\d+\.\d+$/);
  assert.deepEqual(versionOf({ env: { ISTIO_META_ISTIO_VERSION: '1.31.9' } }), ['1.31.9']);
});
