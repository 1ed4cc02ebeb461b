// kubectl, as a user works with it, against the local cluster: objects, workloads, streams, nodes. The expected texts are
// those that kubectl prints with a Kubernetes 1.32 or later. Loopback mode: needs no rights.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTestCluster, type TestCluster } from '../fixtures/local-cluster.ts';
import { clientRunner, findPeer, notRun, versionOf, type ClientRunner, type Outcome } from '../fixtures/run-client.ts';

const program = findPeer('kubectl', 'AMBIT_PEER_KUBECTL');
const skip = program === undefined ? notRun('kubectl', 'AMBIT_PEER_KUBECTL') : false;

const images = [
  {
    match: 'test/web',
    command: [
      '${NODE}',
      '-e',
      `const server = require('node:http').createServer((request, response) => response.end('hello from ' + process.env.GREETING + '\\n'));
       server.listen(8080, () => console.log('listening'));
       let count = 0; setInterval(() => console.log('tick ' + ++count), 100);
       process.on('SIGTERM', () => process.exit(0));`,
    ],
  },
  { match: 'test/node', command: ['${NODE}', '-e'] },
];

const shop = `
apiVersion: v1
kind: ConfigMap
metadata: { name: app, labels: { part: app } }
data: { one: "1", two: "2" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: app }
spec:
  replicas: 1
  selector: { matchLabels: { app: app } }
  template:
    metadata: { labels: { app: app } }
    spec:
      containers:
      - { name: web, image: test/web, ports: [{ containerPort: 8080 }], env: [{ name: GREETING, value: b }] }
---
apiVersion: v1
kind: Service
metadata: { name: app }
spec: { selector: { app: app }, ports: [{ port: 80, targetPort: 8080 }] }
`;

const database = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: db
  replicas: 2
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      containers:
      - { name: web, image: test/web, env: [{ name: GREETING, value: one }], volumeMounts: [{ name: data, mountPath: /data }] }
  volumeClaimTemplates:
  - metadata: { name: data }
    spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
`;

interface World extends AsyncDisposable {
  readonly cluster: TestCluster;
  readonly home: string;
  readonly client: ClientRunner;
  /** Runs kubectl and demands success; answers with its standard output. */
  readonly ok: (...words: string[]) => Promise<string>;
  /** Runs kubectl and demands failure; answers with all that it printed. */
  readonly fails: (...words: string[]) => Promise<string>;
}

const shown = (words: readonly string[], outcome: Outcome): string =>
  `kubectl ${words.join(' ')}: ${outcome.code}\n${outcome.stdout}${outcome.stderr}`;

async function startWorld(): Promise<World> {
  const cluster = await startTestCluster('loopback', images);
  const home = mkdtempSync(join(tmpdir(), 'ambit-t-kubectl-'));
  const kubeconfig = join(home, 'config');
  writeFileSync(kubeconfig, readFileSync(join(cluster.stateDir, 'kubeconfig')), { mode: 0o600 });
  const client = clientRunner(program ?? '', kubeconfig, home);
  return {
    cluster,
    home,
    client,
    ok: async (...words) => {
      const outcome = await client.run(words);
      assert.equal(outcome.code, 0, shown(words, outcome));
      return outcome.stdout;
    },
    fails: async (...words) => {
      const outcome = await client.run(words);
      assert.notEqual(outcome.code, 0, shown(words, outcome));
      return outcome.stdout + outcome.stderr;
    },
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Columns of a table that kubectl printed, by heading; the first row. */
function firstRow(table: string): Record<string, string> {
  const [heading = '', row = ''] = table.split('\n');
  const cells = row.split(/ {2,}/);
  return Object.fromEntries(heading.split(/ {2,}/).map((name, index) => [name.trim(), (cells[index] ?? '').trim()]));
}

test('a session with kubectl', { skip, timeout: 240_000 }, async (t) => {
  console.log(`kubectl: ${versionOf(program ?? '', ['version', '--client'])}`);
  await using world = await startWorld();
  const { ok, fails, home, client, cluster } = world;
  await ok('create', 'namespace', 'shop');
  await ok('config', 'set-context', '--current', '--namespace=shop');

  await t.test('every builtin kind can be created from the command line and printed in its own columns', async () => {
    const commands = [
      'create deployment web --image=example.org/test/web:1 --replicas=2 --port=8080',
      'expose deployment web --port=80 --target-port=8080',
      'create configmap conf --from-literal=a=b',
      'create secret generic sec --from-literal=password=x',
      'create serviceaccount robot',
      'create role reader --verb=get,list --resource=pods,pods/log',
      'create rolebinding reader --role=reader --serviceaccount=shop:robot',
      'create clusterrole cr --verb=get --resource=nodes',
      'create clusterrolebinding crb --clusterrole=cr --serviceaccount=shop:robot',
      'create quota q --hard=cpu=1,pods=2',
      'create job once --image=test/node -- node -e 1',
      'create ingress ing --rule=a.com/*=web:80',
      'create poddisruptionbudget pdb --selector=app=web --min-available=1',
      'create priorityclass pc --value=10 --description=hi',
      'create service clusterip x --tcp=80:80',
      'create service nodeport np --tcp=80:8080',
      'create service loadbalancer lb --tcp=80:8080',
      'create service externalname en --external-name=a.com',
      'autoscale deployment web --min=1 --max=3 --cpu-percent=80',
    ];
    for (const line of commands) await ok(...line.split(' '));
    await ok('create', 'cronjob', 'cj', '--image=test/node', '--schedule=0 0 1 1 *', '--', 'node', '-e', '1');
    await ok('rollout', 'status', 'deployment/web', '--timeout=30s');
    await ok('wait', '--for=condition=complete', 'job/once', '--timeout=30s');
    const row = async (...words: string[]): Promise<Record<string, string>> => firstRow(await ok('get', ...words));
    const deployment = await row('deploy', 'web', '-o', 'wide');
    assert.equal(deployment['READY'], '2/2');
    assert.equal(deployment['IMAGES'], 'example.org/test/web:1');
    assert.equal((await row('svc', 'np'))['PORT(S)'], '80:30000/TCP');
    assert.equal((await row('svc', 'en'))['EXTERNAL-IP'], 'a.com');
    assert.equal((await row('job', 'once'))['COMPLETIONS'], '1/1');
    assert.equal((await row('hpa', 'web'))['TARGETS'], 'cpu: <unknown>/80%');
    assert.equal((await row('priorityclass', 'pc'))['VALUE'], '10');
    assert.match(await ok('get', 'clusterrolebinding', 'crb', '-o', 'wide'), /ClusterRole\/cr .* shop\/robot/);
    await cluster.until('the budget counts', async () => (await row('pdb', 'pdb'))['ALLOWED DISRUPTIONS'] === '1');
    await cluster.until('endpoints', async () => (await row('endpoints', 'web'))['ENDPOINTS']?.includes(':8080,'));
    assert.match(await ok('create', 'token', 'robot'), /^[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.match(await ok('get', 'pods', '-l', 'app=web', '-o', 'name'), /^pod\/web-\w+-\w{5}\npod\/web-/);
    assert.match(
      await ok('describe', 'deployment', 'web'),
      /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available/,
    );
    assert.match(await ok('describe', 'svc', 'web'), /Endpoints: +[\d.]+:8080,[\d.]+:8080/);
    assert.match(await ok('describe', 'pod', '-l', 'app=web'), /Normal +Scheduled .*\n.*Normal +Pulled/);
    for (const kind of [
      'node',
      'ns/shop',
      'quota',
      'job',
      'cronjob',
      'ing',
      'hpa',
      'pdb',
      'role',
      'sa',
      'secret',
      'cm',
    ])
      await ok('describe', kind);
  });

  await t.test('discovery, documents and identity', async () => {
    assert.match(await ok('api-resources'), /deployments +deploy +apps\/v1 +true +Deployment/);
    assert.match(await ok('cluster-info'), /control plane.* is running at.*https:\/\/127\.0\.0\.1/);
    assert.match(await ok('cluster-info'), /CoreDNS.* is running at/);
    assert.match(await ok('explain', 'pod.spec.containers.ports'), /containerPort\s+<integer>/);
    assert.match(await fails('explain', 'pods.nosuch'), /field "nosuch" does not exist/);
    assert.equal(await ok('auth', 'can-i', 'list', 'pods', '--as=system:serviceaccount:shop:robot'), 'yes\n');
    assert.match(await fails('auth', 'can-i', 'delete', 'pods', '--as=system:serviceaccount:shop:robot'), /^no/);
    assert.match(await ok('auth', 'whoami'), /system:masters/);
    assert.match(
      await fails('get', 'pods', '--as=nobody'),
      /\(Forbidden\): pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "shop"/,
    );
    assert.match(await fails('get', 'pods', '--token=wrong'), /You must be logged in to the server/);
  });

  await t.test('selection, output forms and metadata', async () => {
    assert.match(await ok('label', 'pods', '-l', 'app=web', 'tier=front'), /labeled/);
    assert.match(await fails('label', 'pods', '-l', 'app=web', 'tier=back'), /'tier' already has a value \(front\)/);
    assert.match(await ok('get', 'pods', '-l', 'tier in (front)', '-L', 'tier'), /front/);
    assert.equal((await ok('get', 'pods', '--field-selector=status.phase=Pending', '-o', 'name')).trim(), '');
    await ok('annotate', 'deploy', 'web', 'note=hello');
    assert.equal(await ok('get', 'deploy', 'web', '-o', 'jsonpath={.metadata.annotations.note}'), 'hello');
    assert.match(await ok('get', 'deploy', '-o', 'custom-columns=N:.metadata.name'), /^N\nweb\n$/);
    assert.match(await ok('get', 'pods', '--sort-by=.metadata.name'), /NAME/);
    await client.during(['get', 'cm', '-w', '-o', 'name'], async (output) => {
      await cluster.until('the list', async () => output().includes('configmap/conf'));
      await ok('create', 'configmap', 'watched');
      await cluster.until('the change', async () => output().includes('configmap/watched'));
    });
    assert.match(await fails('get', 'nosuch'), /the server doesn't have a resource type "nosuch"/);
    assert.equal(await fails('get', 'pods', 'nosuch'), 'Error from server (NotFound): pods "nosuch" not found\n');
  });

  await t.test('apply, client side and server side, with diff, conflicts and dry run', async () => {
    const before = join(home, 'a.yaml');
    const after = join(home, 'b.yaml');
    writeFileSync(before, shop);
    writeFileSync(after, shop.replace('two: "2"', 'three: "3"').replace('value: b', 'value: c'));
    const kinds = ['configmap/app', 'deployment.apps/app', 'service/app'];
    const lines = (verb: string): string => kinds.map((kind) => `${kind} ${verb}\n`).join('');
    assert.equal(await ok('apply', '-f', before), lines('created'));
    assert.equal(await ok('apply', '-f', before), lines('unchanged'));
    const difference = await client.run(['diff', '-f', after]);
    assert.equal(difference.code, 1, difference.stderr);
    assert.match(difference.stdout, /-  two: "2"/);
    assert.equal(
      await ok('apply', '-f', after),
      lines('configured').replace('service/app configured', 'service/app unchanged'),
    );
    assert.equal(await ok('get', 'cm', 'app', '-o', 'jsonpath={.data}'), '{"one":"1","three":"3"}');
    assert.equal(await ok('apply', '-f', after, '--server-side'), lines('serverside-applied'));
    assert.match(
      await fails('apply', '-f', before, '--server-side', '--field-manager=other'),
      /conflict with "kubectl": \.spec\.template\.spec\.containers\[name="web"\]\.env\[name="GREETING"\]\.value/,
    );
    await ok('apply', '-f', before, '--server-side', '--field-manager=other', '--force-conflicts');
    assert.equal(await ok('get', 'cm', 'app', '-o', 'jsonpath={.data}'), '{"one":"1","three":"3","two":"2"}');
    assert.match(
      await ok('get', 'cm', 'app', '-o', 'yaml', '--show-managed-fields'),
      /manager: other\n\s+operation: Apply/,
    );
    assert.match(await ok('apply', '-f', after, '--dry-run=server'), /configured \(server dry run\)/);
    assert.match(await ok('apply', 'view-last-applied', 'cm', 'app'), /one: "1"/);
  });

  await t.test('mistakes are told as Kubernetes tells them', async () => {
    const file = join(home, 'bad.json');
    const refused = async (object: object): Promise<string> => {
      writeFileSync(file, JSON.stringify(object));
      return fails('apply', '-f', file);
    };
    const named = { metadata: { name: 'bad' } };
    assert.match(
      await refused({ apiVersion: 'v1', kind: 'ConfigMap', ...named, dat: {} }),
      /ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dat"/,
    );
    assert.match(
      await refused({ apiVersion: 'v1', kind: 'Nope', ...named }),
      /no matches for kind "Nope" in version "v1"\nensure CRDs are installed first/,
    );
    const template = { metadata: { labels: { a: 'c' } }, spec: { containers: [{ name: 'x', image: 'y' }] } };
    assert.match(
      await refused({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        ...named,
        spec: { selector: { matchLabels: { a: 'b' } }, template },
      }),
      /The Deployment "bad" is invalid: spec.template.metadata.labels: Invalid value: .*`selector` does not match template `labels`/,
    );
    assert.match(
      await refused({ apiVersion: 'v1', kind: 'Pod', ...named, spec: { containers: [{ name: 'A_b', image: '' }] } }),
      /spec\.containers\[0\]\.image: Required value/,
    );
    assert.match(
      await fails('patch', 'deploy', 'app', '--type=json', '-p', '[{"op":"test","path":"/spec/replicas","value":9}]'),
      /The request is invalid/,
    );
    assert.match(
      await fails('scale', 'deploy', 'app', '--replicas=2', '--current-replicas=5'),
      /Expected replicas to be 5, was 1/,
    );
  });

  await t.test('rollouts: image, environment, restart, history, undo, pause, scale', async () => {
    const done = async (): Promise<string> => ok('rollout', 'status', 'deployment/web', '--timeout=40s');
    await ok('set', 'image', 'deploy/web', 'web=example.org/test/web:2');
    assert.match(await done(), /successfully rolled out/);
    assert.match(await ok('rollout', 'history', 'deploy/web'), /^1 .*\n2 /m);
    assert.match(await ok('rollout', 'history', 'deploy/web', '--revision=2'), /test\/web:2/);
    await ok('rollout', 'undo', 'deploy/web');
    await done();
    assert.equal(await ok('get', 'deploy', 'web', '-o', 'jsonpath={..image}'), 'example.org/test/web:1');
    await ok('rollout', 'restart', 'deploy/web');
    await done();
    await ok('rollout', 'pause', 'deploy/web');
    await ok('set', 'env', 'deploy/web', 'GREETING=v3');
    assert.match(await ok('set', 'env', 'deploy/web', '--list'), /GREETING=v3/);
    await ok('rollout', 'resume', 'deploy/web');
    await done();
    await ok('scale', 'deploy', 'web', '--replicas=3');
    await ok('wait', '--for=jsonpath={.status.readyReplicas}=3', 'deploy/web', '--timeout=30s');
    await ok('scale', 'deploy', 'web', '--replicas=2');
    await ok('patch', 'deploy', 'web', '-p', '{"spec":{"minReadySeconds":0}}');
    await ok('patch', 'deploy', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"z":"1"}}}');
    await ok('patch', 'deploy', 'web', '--type=json', '-p', '[{"op":"remove","path":"/metadata/labels/z"}]');
  });

  await t.test('a StatefulSet: numbers in order, claims that stay, rollout and undo', async () => {
    const file = join(home, 'db.yaml');
    writeFileSync(file, database);
    await ok('apply', '-f', file);
    await ok('rollout', 'status', 'sts/db', '--timeout=40s');
    const names = 'jsonpath={.items[*].metadata.name}';
    assert.equal(await ok('get', 'pods', '-l', 'app=db', '-o', names), 'db-0 db-1');
    assert.equal(await ok('get', 'pvc', '-o', 'jsonpath={.items[*].status.phase}'), 'Bound Bound');
    const claimed = await ok('get', 'pvc', 'data-db-0', '-o', 'jsonpath={.spec.volumeName}');
    await ok('set', 'env', 'sts/db', 'GREETING=two');
    await ok('rollout', 'status', 'sts/db', '--timeout=40s');
    assert.match(await ok('rollout', 'history', 'sts/db'), /^1 .*\n2 /m);
    await ok('rollout', 'undo', 'sts/db');
    await ok('rollout', 'status', 'sts/db', '--timeout=40s');
    assert.equal(await ok('get', 'sts', 'db', '-o', 'jsonpath={..env[0].value}'), 'one');
    await ok('scale', 'sts', 'db', '--replicas=1');
    await ok('wait', '--for=delete', 'pod/db-1', '--timeout=30s');
    assert.equal(await ok('get', 'pvc', 'data-db-0', '-o', 'jsonpath={.spec.volumeName}'), claimed);
    assert.match(
      await fails('patch', 'sts', 'db', '--type=merge', '-p', '{"spec":{"serviceName":"x"}}'),
      /spec: Forbidden: updates to statefulset spec for fields other than 'replicas'/,
    );
    await ok('delete', 'sts', 'db');
    await ok('delete', 'pvc', '--all');
    await cluster.until('no volume', async () => (await ok('get', 'pv', '-o', 'name')) === '');
  });

  await t.test('streams: logs, exec, cp, port-forward, run', async () => {
    await ok('rollout', 'status', 'deploy/app', '--timeout=30s');
    const pod = (await ok('get', 'pods', '-l', 'app=app', '-o', 'jsonpath={.items[0].metadata.name}')).trim();
    assert.match(await ok('logs', pod, '--tail=1'), /^tick \d+\n$/);
    assert.match(await ok('logs', 'deploy/app', '--tail=1', '--prefix'), /^\[pod\/app-.*\/web\] tick/);
    await client.during(['logs', '-f', pod, '--tail=1'], async (output) => {
      await cluster.until('three more lines', async () => output().split('\n').length > 4);
    });
    assert.match(await fails('logs', 'nosuch'), /\(NotFound\): pods "nosuch" not found/);
    assert.match(await fails('logs', pod, '--previous'), /previous terminated container "web" .*not found/);
    assert.equal(await ok('exec', pod, '--', 'node', '-p', 'process.env.GREETING'), 'b\n');
    const status = await client.run(['exec', pod, '--', 'node', '-e', 'process.exit(3)']);
    assert.equal(status.code, 3);
    assert.match(status.stderr, /command terminated with exit code 3/);
    const piped = await client.run(['exec', '-i', pod, '--', 'node', '-e', 'process.stdin.pipe(process.stdout)'], {
      input: 'through\n',
    });
    assert.equal(piped.stdout, 'through\n');
    writeFileSync(join(home, 'there.txt'), 'and back');
    const remote = join(home, 'remote.txt');
    await ok('cp', 'there.txt', `${pod}:${remote}`);
    await ok('cp', `${pod}:${remote}`, 'back.txt');
    assert.equal(readFileSync(join(home, 'back.txt'), 'utf8'), 'and back');
    await client.during(['port-forward', 'svc/app', ':80'], async (output) => {
      const line = await cluster.until('the port', async () => /127\.0\.0\.1:(\d+) -> 8080/.exec(output())?.[1]);
      for (const _ of [1, 2]) assert.equal(await (await fetch(`http://127.0.0.1:${line}/`)).text(), 'hello from b\n');
    });
    const once = await ok(
      'run',
      'tmp',
      '--image=test/node',
      '--restart=Never',
      '--rm',
      '-i',
      '--command',
      '--',
      'node',
      '-p',
      '6*7',
    );
    assert.match(once, /^42$/m);
    const typed = await client.run(
      ['run', 'typed', '--image=test/node', '--restart=Never', '--rm', '-i', '--command', '--', 'sh'],
      { input: 'echo got $((6*7)); echo aside >&2; exit 4' },
    );
    assert.match(typed.stdout, /^got 42$/m);
    assert.match(typed.stderr, /^aside$/m);
    assert.equal(typed.code, 4, "the exit code is the pod's, not the connection's");
  });

  await t.test('debug containers run in a running pod, messages of ended containers are told', async () => {
    const quiet = 'setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(0))';
    await ok('run', 'patient', '--image=test/node', '--command', '--', 'node', '-e', quiet);
    await ok('wait', 'pod/patient', '--for=condition=Ready', '--timeout=20s');
    const debug = ['debug', 'patient', '--profile=general', '--image=test/node', '-c'];
    await ok(...debug, 'look', '--', 'sh', '-c', 'echo looked; exit 2');
    const look = '{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}';
    await ok('wait', 'pod/patient', `--for=jsonpath=${look}=2`, '--timeout=20s');
    assert.equal(await ok('logs', 'patient', '-c', 'look'), 'looked\n');
    assert.match(await ok('get', 'pod', 'patient'), /1\/1 +Running +0/);
    const typed = await client.run([...debug, 'typed', '-i', '--', 'sh'], { input: 'echo got $((6*7)); exit\n' });
    assert.match(typed.stdout, /^got 42$/m);
    await ok('delete', 'pod', 'patient', '--grace-period=1');

    const last = (spec: object): string => JSON.stringify({ spec: { containers: [{ name: 'last', ...spec }] } });
    const writes = `require('node:fs').writeFileSync('/dev/termination-log', 'out of paper'); process.exit(3)`;
    const container = { image: 'test/node', args: [writes] };
    const run = ['run', 'last', '--image=test/node', '--restart=Never'];
    await ok(...run, '--overrides', last(container));
    const state = 'jsonpath={.status.containerStatuses[0].state.terminated.message}';
    await ok('wait', 'pod/last', '--for=jsonpath={.status.phase}=Failed', '--timeout=20s');
    assert.equal(await ok('get', 'pod', 'last', '-o', state), 'out of paper');
    await ok('delete', 'pod', 'last');
    const logs = {
      terminationMessagePolicy: 'FallbackToLogsOnError',
      args: ['console.log("jammed"); process.exit(3)'],
    };
    await ok(...run, '--overrides', last({ ...container, ...logs }));
    await ok('wait', 'pod/last', '--for=jsonpath={.status.phase}=Failed', '--timeout=20s');
    assert.equal(await ok('get', 'pod', 'last', '-o', state), 'jammed\n');
    await ok('delete', 'pod', 'last');
  });

  await t.test('pods that cannot start say why', async () => {
    await ok('run', 'bad', '--image=nosuch/image');
    await ok('run', 'crash', '--image=test/node', '--command', '--', 'node', '-e', 'process.exit(1)');
    const phase = async (name: string): Promise<string> => firstRow(await ok('get', 'pod', name))['STATUS'] ?? '';
    await cluster.until('a missing image', async () => (await phase('bad')) === 'ErrImagePull');
    await cluster.until('the back-off', async () => (await phase('crash')) === 'CrashLoopBackOff');
    assert.match(await ok('describe', 'pod', 'bad'), /Failed to pull image "nosuch\/image"/);
    assert.match(
      await ok('describe', 'pod', 'crash'),
      /Back-off restarting failed container crash in pod crash_shop\(/,
    );
    assert.match(await ok('events', '--for', 'pod/crash'), /BackOff/);
    await ok('delete', 'pod', 'bad', 'crash', '--grace-period=1');
  });

  await t.test('nodes: cordon, taint, drain against a disruption budget', async () => {
    await ok('cordon', 'node-2');
    assert.match(await ok('get', 'node', 'node-2'), /Ready,SchedulingDisabled/);
    await cluster.until('the taint', async () =>
      (await ok('describe', 'node', 'node-2')).includes('node.kubernetes.io/unschedulable:NoSchedule'),
    );
    await ok('uncordon', 'node-2');
    await ok('taint', 'nodes', 'node-2', 'k=v:NoSchedule');
    await ok('taint', 'nodes', 'node-2', 'k-');
    await ok('patch', 'pdb', 'pdb', '--type=merge', '-p', '{"spec":{"minAvailable":2}}');
    const drain = ['drain', 'node-2', '--ignore-daemonsets', '--delete-emptydir-data', '--force'];
    const blocked = await client.run([...drain, '--timeout=2s', '--pod-selector=app=web']);
    assert.notEqual(blocked.code, 0);
    assert.match(blocked.stdout + blocked.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
    await ok('patch', 'pdb', 'pdb', '--type=merge', '-p', '{"spec":{"minAvailable":1}}');
    assert.match(await ok(...drain, '--timeout=40s'), /node\/node-2 drained/);
    await ok('uncordon', 'node-2');
  });

  await t.test('deletion: by name, by selector, with orphans, with dependents first, a whole namespace', async () => {
    await ok('delete', 'deploy,svc', 'app');
    assert.equal(await ok('delete', 'pod', 'nosuch', '--ignore-not-found'), '');
    await ok('delete', 'cm', '-l', 'part=app');
    await ok('delete', 'deploy', 'web', '--cascade=orphan');
    assert.match(await ok('get', 'rs', '-l', 'app=web', '-o', 'name'), /replicaset/);
    await ok('delete', 'rs', '-l', 'app=web', '--cascade=foreground', '--timeout=40s');
    assert.equal(await ok('get', 'pods', '-l', 'app=web', '-o', 'name'), '');
    await ok('delete', 'ns', 'shop', '--timeout=60s');
    assert.match(await fails('get', 'ns', 'shop'), /namespaces "shop" not found/);
  });
});
