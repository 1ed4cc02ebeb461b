// helm against the local cluster: a chart with a definition, hooks and a look-up is installed, upgraded, rolled back, tested
// and uninstalled. Loopback mode: needs no rights.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { startTestCluster, webImage } from '../fixtures/local-cluster.ts';
import { clientRunner, findPeer, notRun, versionOf } from '../fixtures/run-client.ts';

const program = findPeer('helm', 'AMBIT_PEER_HELM');
const skip = program === undefined ? notRun('helm', 'AMBIT_PEER_HELM') : false;

const chart: Readonly<Record<string, string>> = {
  'Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 0.1.0\nappVersion: "1"\n',
  'values.yaml': 'replicas: 1\nversion: v1\nextra: true\n',
  'crds/basket.yaml': `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: baskets.shop.example.com }
spec:
  group: shop.example.com
  scope: Namespaced
  names: { plural: baskets, singular: basket, kind: Basket, listKind: BasketList }
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: { spec: { type: object, properties: { size: { type: integer, minimum: 1 } } } }
`,
  'templates/web.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }}-web, labels: { app.kubernetes.io/managed-by: {{ .Release.Service }} } }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      serviceAccountName: {{ .Release.Name }}
      containers:
      - name: web
        image: example.org/test/web:1
        env: [{ name: VERSION, value: {{ .Values.version | quote }} }]
        ports: [{ name: http, containerPort: 8080 }]
        readinessProbe: { httpGet: { port: http }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: {{ .Release.Name }} }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: http }] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: {{ .Release.Name }} }
---
apiVersion: v1
kind: Secret
metadata: { name: {{ .Release.Name }} }
stringData:
  {{- $present := lookup "v1" "Secret" .Release.Namespace .Release.Name }}
  kept: {{ if $present }}{{ index $present.data "kept" | b64dec }}{{ else }}first-{{ .Values.version }}{{ end }}
---
apiVersion: shop.example.com/v1
kind: Basket
metadata: { name: {{ .Release.Name }} }
spec: { size: {{ .Values.replicas }} }
{{- if .Values.extra }}
---
apiVersion: v1
kind: ConfigMap
metadata: { name: {{ .Release.Name }}-extra }
data: { version: {{ .Values.version | quote }} }
{{- end }}
`,
  'templates/hook.yaml': `
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-before
  annotations: { helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: job, image: test/node, args: ["1"] }]
`,
  'templates/tests/reach.yaml': `
apiVersion: v1
kind: Pod
metadata: { name: {{ .Release.Name }}-test, annotations: { helm.sh/hook: test } }
spec:
  restartPolicy: Never
  containers:
  - name: test
    image: test/node
    args: ["fetch('http://{{ .Release.Name }}/').then((answer) => answer.text()).then((text) => process.exit(text.startsWith('{{ .Values.version }} ') ? 0 : 1))"]
`,
  'templates/NOTES.txt': 'shop {{ .Values.version }} is there\n',
};

test('helm installs, upgrades, rolls back, tests and uninstalls', { skip, timeout: 240_000 }, async () => {
  console.log(`helm: ${versionOf(program ?? '', ['version', '--short'])}`);
  await using cluster = await startTestCluster('loopback', [
    webImage,
    { match: 'test/node', command: ['${NODE}', '-e'] },
  ]);
  const home = mkdtempSync(join(tmpdir(), 'ambit-t-helm-'));
  try {
    for (const [name, text] of Object.entries(chart)) {
      const file = join(home, 'shop', name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    const helm = clientRunner(program ?? '', join(cluster.stateDir, 'kubeconfig'), home);
    const ok = async (...words: string[]): Promise<string> => {
      const outcome = await helm.run([...words, '--namespace', 'shops'], { timeoutMs: 90_000 });
      assert.equal(outcome.code, 0, `helm ${words.join(' ')}\n${outcome.stdout}${outcome.stderr}${cluster.output()}`);
      return outcome.stdout;
    };
    const namespace = '/api/v1/namespaces/shops';
    const deployment = async (): Promise<{ replicas: number; version: string }> => {
      const { spec } = await cluster.api('GET', '/apis/apps/v1/namespaces/shops/deployments/one-web');
      return { replicas: spec.replicas, version: spec.template.spec.containers[0].env[0].value };
    };
    const status = async (path: string): Promise<number> =>
      (await cluster.api('GET', path, undefined, { tolerate: true })).code ?? 200;

    assert.match(
      await ok('install', 'one', './shop', '--create-namespace', '--wait', '--timeout', '60s'),
      /STATUS: deployed[\s\S]*shop v1 is there/,
    );
    assert.deepEqual(await deployment(), { replicas: 1, version: 'v1' });
    assert.match(await ok('test', 'one', '--timeout', '60s'), /Phase: +Succeeded/);
    assert.match(await ok('list'), /one\s+shops\s+1\s.*deployed\s+shop-0\.1\.0/);

    await ok('upgrade', 'one', './shop', '--set', 'replicas=2,version=v2,extra=false', '--wait', '--timeout', '60s');
    assert.deepEqual(await deployment(), { replicas: 2, version: 'v2' });
    assert.equal(await status(`${namespace}/configmaps/one-extra`), 404, 'what left the chart leaves the cluster');
    const basket = '/apis/shop.example.com/v1/namespaces/shops/baskets/one';
    assert.equal((await cluster.api('GET', basket)).spec.size, 2);
    const secret = await cluster.api('GET', `${namespace}/secrets/one`);
    assert.equal(Buffer.from(secret.data.kept, 'base64').toString(), 'first-v1', 'the look-up found the first value');

    const refused = await helm.run(['upgrade', 'one', './shop', '--set', 'replicas=0', '--namespace', 'shops']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /spec\.size.*should be greater than or equal to 1/);

    await ok('rollback', 'one', '1', '--wait', '--timeout', '60s');
    assert.deepEqual(await deployment(), { replicas: 1, version: 'v1' });
    assert.equal(await status(`${namespace}/configmaps/one-extra`), 200);
    assert.match(await ok('history', 'one'), /1\s.*superseded[\s\S]*3\s.*failed[\s\S]*4\s.*deployed.*Rollback to 1/);

    assert.match(await ok('uninstall', 'one', '--wait', '--timeout', '60s'), /uninstalled/);
    assert.equal(await status('/apis/apps/v1/namespaces/shops/deployments/one-web'), 404);
    assert.equal(await status(basket), 404);
    const secrets = await cluster.api('GET', `${namespace}/secrets`);
    assert.deepEqual(secrets.items, [], 'the records of the releases are gone');
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
