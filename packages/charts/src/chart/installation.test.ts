import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedFiles } from '../generate.ts';
import { idleInstallationValues, renderInstallation } from './installation.ts';
import { chartsFolder } from './load.ts';
import { operatorWishes } from './operator-file.ts';
import { setValue } from './set-values.ts';

const render = (values: Record<string, unknown> = {}): readonly KubernetesObject[] =>
  renderInstallation({ namespace: 'istio-system', values });
const find = (objects: readonly KubernetesObject[], kind: string, name: string): unknown =>
  objects.find((object) => object.kind === kind && object.metadata?.name === name);

test('an installation holds the objects that people look for, under the names they know', () => {
  const objects = render();
  for (const [kind, name] of [
    ['Deployment', 'istiod'],
    ['Service', 'istiod'],
    ['ConfigMap', 'istio'],
    ['ConfigMap', 'istio-sidecar-injector'],
    ['DaemonSet', 'ztunnel'],
    ['DaemonSet', 'istio-cni-node'],
    ['ValidatingWebhookConfiguration', 'istio-validator-istio-system'],
    ['CustomResourceDefinition', 'authorizationpolicies.security.istio.io'],
  ] as const) {
    assert.ok(find(objects, kind, name), `${kind} ${name}`);
  }
});

test('the drain limit reaches both the pod and the proxy', () => {
  const text = JSON.stringify(find(render({ ztunnel: { terminationGracePeriodSeconds: 77 } }), 'DaemonSet', 'ztunnel'));
  assert.match(text, /"terminationGracePeriodSeconds":77/);
  assert.match(text, /"TERMINATION_GRACE_PERIOD_SECONDS","value":"77"/);
});

test('a profile lies between the defaults and what the user set', () => {
  const minReplicas = (values: Record<string, unknown>): unknown =>
    (find(render(values), 'HorizontalPodAutoscaler', 'istiod') as { spec: { minReplicas: number } }).spec.minReplicas;
  assert.deepEqual(
    [
      minReplicas({}),
      minReplicas({ profile: 'production' }),
      minReplicas({ profile: 'production', pilot: { autoscaleMin: 3 } }),
    ],
    [1, 2, 3],
  );
});

test('a revision has a name of its own everywhere, and tags point at it', () => {
  const objects = render({ revision: 'v2', revisionTags: ['prod'] });
  assert.ok(find(objects, 'Deployment', 'istiod-v2'));
  assert.ok(find(objects, 'MutatingWebhookConfiguration', 'istio-revision-tag-prod'));
  assert.match(JSON.stringify(find(objects, 'DaemonSet', 'ztunnel')), /istiod-v2\.istio-system\.svc:15012/);
});

test('a value that does not exist is refused by its name, wherever it stands', () => {
  assert.throws(() => render({ pilto: {} }), /pilto: no chart has a value of this name/);
  assert.throws(
    () => render({ cni: { ambient: { dnsCaptrue: true } } }),
    /cni\.ambient\.dnsCaptrue is no value of this chart/,
  );
  assert.throws(() => render({ global: { platform: 'moon' } }), { code: 'ERR_CHARTS_VALUES' });
});

test('an IstioOperator file is translated, and what is not supported is refused by name', () => {
  const { values, disabled } = operatorWishes({
    kind: 'IstioOperator',
    spec: {
      tag: '7',
      meshConfig: { trustDomain: 'td' },
      values: { global: { network: 'n' } },
      components: {
        pilot: { k8s: { env: [{ name: 'A', value: 'b' }], hpaSpec: { minReplicas: 2 } } },
        cni: { enabled: false },
        ingressGateways: [{ enabled: false }],
      },
    },
  });
  assert.deepEqual(values, {
    global: { network: 'n', tag: '7' },
    pilot: { env: { A: 'b' }, autoscaleMin: 2 },
    cni: {},
    meshConfig: { trustDomain: 'td' },
  });
  assert.deepEqual(disabled, ['cni']);
  assert.throws(
    () => operatorWishes({ kind: 'IstioOperator', spec: { unvalidatedValues: {} } }),
    /spec\.unvalidatedValues/,
  );
  assert.throws(
    () => operatorWishes({ kind: 'IstioOperator', spec: { components: { pilot: { k8s: { overlays: [] } } } } }),
    /k8s\.overlays/,
  );
  assert.throws(
    () => operatorWishes({ kind: 'IstioOperator', spec: { components: { ingressGateways: [{ enabled: true }] } } }),
    /chart "gateway"/,
  );
});

test('--set reads paths as Helm does', () => {
  const values = {};
  for (const word of ['a.b=1', 'a.c\\.d=x', 'l[1].n=true', 'w={p,q}', 's=01', 'n=null']) setValue(values, word);
  setValue(values, 't=5', true);
  assert.deepEqual(JSON.parse(JSON.stringify(values)), {
    a: { b: 1, 'c.d': 'x' },
    l: [null, { n: true }],
    w: ['p', 'q'],
    s: '01',
    n: null,
    t: '5',
  });
  for (const word of ['', 'a', '=1', '__proto__.x=1', 'a[99999]=1'])
    assert.throws(() => setValue({}, word), { code: 'ERR_CHARTS_VALUES' });
});

test('generated files of the charts are those of the sources', () => {
  for (const [path, text] of generatedFiles())
    assert.equal(readFileSync(join(chartsFolder(), path), 'utf8'), text, `${path}: run npx -y pnpm@12 gen`);
});

test('a value of upstream that is refused says why', () => {
  assert.throws(
    () => render({ global: { pilotCertProvider: 'kubernetes' } }),
    /global\.pilotCertProvider is not supported \(/,
  );
});

test('a value that has no effect is named to who sets it, and one that has is not', () => {
  const idle = idleInstallationValues({
    global: { proxy: { logLevel: 'debug' }, logAsJson: true },
    pilot: { cni: { enabled: true }, replicaCount: 2 },
    gateways: {},
    meshConfig: { accessLogFile: '/dev/stdout' },
  });
  assert.deepEqual(idle.map(({ path }) => path).toSorted(), ['gateways', 'global.proxy', 'pilot.cni.enabled']);
});

test('the stream of flows is a value', () => {
  const text = (isOn: boolean): string => JSON.stringify(render({ global: { telemetry: { enabled: isOn } } }));
  assert.match(text(true), /AMBIT_TELEMETRY_ADDRESS/);
  assert.match(text(true), /"AMBIT_TELEMETRY","value":"true"/);
  assert.doesNotMatch(text(false), /AMBIT_TELEMETRY/);
});

test('a control plane that publishes a trust bundle may do so, others may not', () => {
  const role = (env: Record<string, unknown>): string =>
    JSON.stringify(find(render({ pilot: { env } }), 'ClusterRole', 'istiod-clusterrole-istio-system'));
  assert.doesNotMatch(role({}), /clustertrustbundles|attest/);
  assert.doesNotMatch(role({ ENABLE_CLUSTER_TRUST_BUNDLE_API: 'false' }), /clustertrustbundles/);
  for (const value of ['true', true])
    assert.match(role({ ENABLE_CLUSTER_TRUST_BUNDLE_API: value }), /"istio.io\/istiod-ca"\],"verbs":\["attest"\]/);
});
