// The journeys of an operator (specification of the tools, section 1) against one local cluster, headless: every command is typed,
// what it prints and how it ends is compared with the transcripts in ../fixtures/journeys. On the same mesh, the dashboards that we ship
// and what Kiali reads by name. Loopback mode, no rights needed.
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { parseAllDocuments, stringify } from 'yaml';
import { dashboardQueries, withVariables } from '../fixtures/dashboard-queries.ts';
import { freePort } from '../fixtures/free-port.ts';
import { ambit, applyYaml, journeyShell, request } from '../fixtures/journey-shell.ts';
import { objectFindings, seriesFindings } from '../fixtures/kiali-contract.ts';
import { type Loose, startTestCluster, type TestCluster } from '../fixtures/local-cluster.ts';
import { startPrometheus } from '../fixtures/prometheus.ts';
import { randomPolicy, targets } from '../fixtures/random-policy.ts';
import { findPeer, notRun } from '../fixtures/run-client.ts';
import { missingData, scrapeCluster } from '../fixtures/scrape.ts';
import { type Ended, replay, type Typed } from '../fixtures/transcript.ts';

const transcript = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/journeys/${name}.txt`, import.meta.url));

/** The sample application in namespace bookinfo, its load generator idle and reachable from this machine. */
async function applyShop(cluster: TestCluster, loadPort: number): Promise<void> {
  await applyYaml(cluster, 'apiVersion: v1\nkind: Namespace\nmetadata: { name: bookinfo }');
  for (const name of ['bookinfo.yaml', 'load.yaml']) {
    const file = new URL(`../../packages/bookinfo/manifests/${name}`, import.meta.url);
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
      const object = document.toJS() as Loose;
      object.metadata.namespace = 'bookinfo';
      if (object.kind === 'Service' && object.metadata.name === 'load')
        object.metadata.annotations = { 'ambit.io/host-port': String(loadPort) };
      await applyYaml(cluster, stringify(object));
    }
  }
  await cluster.until(
    'the sample application',
    async () => {
      const { items } = await cluster.api('GET', '/apis/apps/v1/namespaces/bookinfo/deployments');
      return (items as Loose[]).every(({ spec, status }) => status?.availableReplicas === spec.replicas);
    },
    120_000,
  );
}

/** What the client sees when a policy refuses: a reset, 403 of a waypoint, or 503 where the waypoint itself is refused behind it. */
const isRefusal = (answer: string): boolean => ['error', '403', '503'].includes(answer);

/**
 * Applies random policies, one after the other, and compares what the command line decides with what the mesh does (CLI-13). The mesh learns
 * of a policy a moment later, so it gets time; it has to agree twice in a row.
 */
async function agreesWithTheMesh(at: 'node proxy' | 'waypoint', count: number): Promise<void> {
  const file = join(cluster.stateDir, 'cases.yaml');
  const flows = targets.flatMap(([service, path]) => ['GET', 'DELETE'].map((method) => ({ service, path, method })));
  const nameOf = ({ service, method }: (typeof flows)[number]): string => `${method} ${service}`;
  const cases = flows.map((flow) => ({
    name: nameOf(flow),
    from: 'bookinfo/sa/bookinfo-load',
    to: `bookinfo/${flow.service}`,
    port: 9080,
    method: flow.method,
    path: flow.path,
    expect: 'allow',
  }));
  writeFileSync(file, stringify(cases));
  for (const policy of fc.sample(randomPolicy(at), count)) {
    await applyYaml(cluster, stringify(policy));
    const decided = await ambit(cluster, ['policy', 'test', '-f', file]);
    const refused = flows.map((flow) => decided.out.includes(`xx  ${nameOf(flow)}: DENIED`));
    let seen: readonly boolean[] = [];
    let inARow = 0;
    await cluster
      .until(
        'agreement',
        async () => {
          seen = (
            await Promise.all(
              flows.map(async ({ service, path, method }) => request(loadUrl, method, `http://${service}:9080${path}`)),
            )
          ).map(isRefusal);
          inARow = isDeepStrictEqual(seen, refused) ? inARow + 1 : 0;
          return inARow === 2;
        },
        20_000,
      )
      .catch(() => undefined);
    assert.deepEqual(seen, refused, `${stringify(policy)}\n${decided.out}${decided.err}`);
  }
  await cluster.api('DELETE', '/apis/security.istio.io/v1/namespaces/bookinfo/authorizationpolicies/random');
}

let cluster: TestCluster;
let loadUrl: string;
let type: (typed: Typed) => Promise<Ended>;
let setLoad: (requestsPerSecond: number) => Promise<void>;

before(async () => {
  cluster = await startTestCluster('loopback', []);
  const loadPort = await freePort();
  await applyShop(cluster, loadPort);
  loadUrl = `http://127.0.0.1:${loadPort}`;
  setLoad = async (rate) =>
    void (await fetch(`${loadUrl}/load?rate=${rate}`, { method: 'POST', headers: { connection: 'close' } }));
  await setLoad(0);
  type = journeyShell(cluster, loadUrl);
});

after(async () => cluster[Symbol.asyncDispose]());

test('journey A: a mesh is installed and a namespace labelled, nothing restarts', async () => {
  await replay(transcript('a-install'), type);
});

test('journey D: a denied connection names its policy, in explain and in the logs', async () => {
  await replay(transcript('d-why'), type);
});

test('what the command line decides about random L4 policies is what node proxies do', async () => {
  await agreesWithTheMesh('node proxy', 3);
});

test('journey B: a waypoint serves the namespace, with a route and a policy', async () => {
  await replay(transcript('b-waypoint'), type);
});

test('journey D at the waypoint: a refused method names the policy and its nearest rule', async () => {
  await replay(transcript('d-why-at-the-waypoint'), type);
});

test('what the command line decides about random policies at a waypoint is what the waypoint does', async () => {
  await agreesWithTheMesh('waypoint', 3);
});

/** DNS of pods is captured where they have network namespaces, which they do not have in loopback mode. */
const isMeasuredHere = ({ expression }: { readonly expression: string }): boolean =>
  !expression.includes('istio_dns_requests_total');

test('every query of our dashboards has data, and Kiali finds every name that it reads', async () => {
  await setLoad(2);
  // Counters reach the exposition a moment after the traffic.
  let lacks: readonly string[] = ['nothing was scraped'];
  await cluster
    .until('data for every query', async () => {
      const samples = await scrapeCluster(cluster);
      lacks = [
        ...dashboardQueries()
          .filter(isMeasuredHere)
          .flatMap(({ where, expression }) => {
            const missing = missingData(expression, samples);
            return missing === undefined ? [] : [`${where}: ${missing}`];
          }),
        ...seriesFindings(samples),
      ];
      return lacks.length === 0;
    })
    .catch(() => undefined);
  assert.deepEqual(lacks, []);
  assert.deepEqual(await objectFindings(cluster), []);
  const page = readFileSync(new URL('../../packages/docs/metrics.md', import.meta.url), 'utf8');
  const unnamed = (await scrapeCluster(cluster))
    .map(({ metric }) => metric)
    .filter((metric) => !/^(process|nodejs)_/.test(metric))
    .filter(
      (metric) =>
        !page.includes(`\`${metric.replace(/_(bucket|sum|count)$/, '')}\``) && !page.includes(`\`${metric}\``),
    );
  assert.deepEqual([...new Set(unnamed)], [], 'metrics that the reference page does not name');
});

interface SeenEdge {
  readonly source: string;
  readonly destination: string;
  readonly connections: number;
  readonly plaintext: number;
  readonly requests: number;
}

interface SeenFlow {
  readonly direction: string;
  readonly isMutualTls: boolean;
  readonly method: string;
  readonly status: number;
}

/** What is missing in what both commands printed; undefined when nothing is. */
function missingIn(edges: Ended, tap: Ended): string | undefined {
  assert.deepEqual([edges.status, tap.status], [0, 0], edges.err + tap.err);
  const { items } = JSON.parse(edges.out) as { items: readonly SeenEdge[] };
  const edge = items.find(
    ({ source, destination }) => source === 'bookinfo/load-v1' && destination === 'bookinfo/productpage',
  );
  if (edge === undefined || edge.requests === 0 || edge.plaintext > 0) return `edge: ${edges.out}`;
  const flows = tap.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SeenFlow);
  // The waypoint keeps its connections to the workload, so none ends on the inbound side meanwhile.
  for (const direction of ['outbound', 'waypoint'])
    if (!flows.some((flow) => flow.direction === direction && flow.isMutualTls))
      return `${direction}: ${tap.out}${tap.err}`;
  return flows.some(({ method, status }) => method === 'GET' && status === 200) ? undefined : `GET: ${tap.out}`;
}

test('edges shows who talks to whom, and tap each connection and request, without anything installed beside the mesh', async () => {
  await setLoad(2);
  let missing: string | undefined = 'nothing was asked';
  // Both look for some seconds, of which a busy machine may need most until they are connected.
  await cluster
    .until(
      'an edge and its flows',
      async () => {
        const [edges, tap] = await Promise.all([
          ambit(cluster, ['edges', '--interval', '8s', '--to', 'bookinfo', '-o', 'json']),
          ambit(cluster, ['tap', '-n', 'bookinfo', '--for', '8s', '--to', 'productpage', '-o', 'jsonl']),
        ]);
        assert.doesNotMatch(tap.err, /access logs/, 'flows come through the control plane');
        missing = missingIn(edges, tap);
        return missing === undefined;
      },
      120_000,
    )
    .catch((error: unknown) => assert.fail(`${missing}\n${String(error)}`));
  const suggested = await ambit(cluster, ['policy', 'suggest', '-n', 'bookinfo']);
  const policies = parseAllDocuments(suggested.out).map((document) => document.toJS() as Loose);
  const forPage = policies.find(({ metadata }) => metadata.name === 'productpage-v1-callers');
  assert.deepEqual(forPage?.spec.selector.matchLabels.app, 'productpage', suggested.out + suggested.err);
  assert.ok(
    forPage.spec.rules[0].from[0].source.principals.includes('cluster.local/ns/bookinfo/sa/waypoint'),
    suggested.out,
  );
});

interface SeenTrace {
  readonly connection: string;
  readonly method: string;
  readonly status: number;
  readonly hops: readonly {
    readonly hop: string;
    readonly by: string;
    readonly isMutualTls: boolean;
    readonly sourceIdentity: string;
    readonly decided: readonly string[];
  }[];
}

test('trace follows a request through its node proxy and its waypoint, with identities and policies', async () => {
  await setLoad(2);
  const words = ['trace', 'deploy/load-v1', 'svc/productpage:9080', '-n', 'bookinfo', '--for', '60s', '--count', '3'];
  const traced = await ambit(cluster, [...words, '-o', 'jsonl']);
  assert.equal(traced.status, 0, traced.out + traced.err);
  const traces = traced.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SeenTrace);
  assert.equal(traces.length, 3, traced.out + traced.err);
  for (const { connection, method, status, hops } of traces) {
    assert.match(connection, /^[0-9a-f]{32}$/);
    assert.deepEqual([method, status], ['GET', 200]);
    assert.deepEqual(
      hops.map(({ hop }) => hop),
      ['node proxy, outbound', 'waypoint', 'node proxy, inbound'],
    );
    const [, waypoint, inbound] = hops;
    assert.match(waypoint?.by ?? '', /^waypoint-.*\.bookinfo$/);
    assert.equal(waypoint?.isMutualTls, true);
    assert.equal(waypoint.sourceIdentity, 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-load');
    assert.deepEqual(waypoint.decided, ['allowed']);
    assert.match(inbound?.decided.join() ?? '', /^bookinfo\/productpage-v1-.*: no policy applies: allowed$/);
  }
});

/** The documents of lines of JSON. */
const linesOf = <T>({ out }: Ended): readonly T[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

test('cert watch begins with every certificate and the root of the mesh, none of them late', async () => {
  const watched = await ambit(cluster, ['cert', 'watch', '--for', '8s', '--interval', '1s', '-o', 'jsonl']);
  assert.equal(watched.status, 0, watched.out + watched.err);
  const events = linesOf<{ readonly event: string; readonly identity: string }>(watched);
  for (const part of ['/sa/bookinfo-load', 'root '])
    assert.ok(
      events.some(({ event, identity }) => event === 'held' && identity.includes(part)),
      watched.out,
    );
});

test('what node proxies recorded is asked again: a line, and a change of policies', async () => {
  const logs = await ambit(cluster, ['logs', 'deploy/load-v1', '-n', 'bookinfo']);
  const line = logs.out
    .split('\n')
    .findLast((one) => one.includes('dst.service="productpage.') && one.includes('direction="outbound"'));
  const explained = await ambit(cluster, ['explain', 'conn', line ?? 'none', '-o', 'json']);
  const [item] = (JSON.parse(explained.out) as { items: { flow: { source: string }; now: { outcome: string } }[] })
    .items;
  assert.match(item?.flow.source ?? '', /^bookinfo\/load-v1-/, explained.out + explained.err);
  assert.equal(item?.now.outcome, 'undecided', 'the waypoint decides about its requests');

  const file = join(cluster.stateDir, 'no-load.yaml');
  writeFileSync(
    file,
    stringify({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'no-load', namespace: 'bookinfo' },
      spec: {
        targetRefs: [{ kind: 'Service', group: '', name: 'productpage' }],
        action: 'DENY',
        rules: [{ from: [{ source: { principals: ['cluster.local/ns/bookinfo/sa/bookinfo-load'] } }] }],
      },
    }),
  );
  const simulated = await ambit(cluster, ['policy', 'simulate', '-f', file, '--since', '1h', '-o', 'json']);
  assert.equal(simulated.status, 3, simulated.out + simulated.err);
  const { newlyDenied } = JSON.parse(simulated.out) as {
    newlyDenied: { readonly flow: { readonly from: string; readonly to: string }; readonly count: number }[];
  };
  assert.ok(newlyDenied.length > 0);
  for (const { flow, count } of newlyDenied) {
    assert.deepEqual([flow.from, flow.to], ['bookinfo/sa/bookinfo-load', 'bookinfo/productpage'], simulated.out);
    assert.ok(count > 0);
  }
});

test('top policies counts what a policy of the waypoint lets through', async () => {
  await setLoad(2);
  const words = ['top', 'policies', '--once', '--interval', '10s', '--to', 'bookinfo', '-o', 'json'];
  let seen = await ambit(cluster, words);
  await cluster
    .until(
      'a policy that lets something through',
      async () => {
        seen = await ambit(cluster, words);
        const { items } = JSON.parse(seen.out) as { items: { policy: string; layer: string; allowed: number }[] };
        return items.some(
          ({ policy, layer, allowed }) => policy === 'bookinfo/readers' && layer === 'L7' && allowed > 0,
        );
      },
      120_000,
    )
    .catch((error: unknown) => assert.fail(`${seen.out}${seen.err}\n${String(error)}`));
});

test('who has no bearer token watches with a token that is good for flows alone', async () => {
  await setLoad(2);
  const words = [
    '--as',
    'anna',
    '--as-group',
    'system:masters',
    'tap',
    '-n',
    'bookinfo',
    '--for',
    '12s',
    '-o',
    'jsonl',
  ];
  const tap = await ambit(cluster, words);
  assert.doesNotMatch(tap.err, /access logs/, tap.err);
  assert.ok(tap.out.includes('"direction":"waypoint"'), tap.out + tap.err);
  const nobody = await ambit(cluster, ['--as', 'nobody', 'tap', '--for', '2s']);
  assert.notEqual(nobody.status, 0, nobody.out + nobody.err);
});

test('a bug report holds logs, dumps and objects, and no key and no token', async () => {
  const folder = join(cluster.stateDir, 'report');
  const ended = await ambit(cluster, ['bug-report', '--output-dir', folder]);
  assert.equal(ended.status, 0, ended.out + ended.err);
  assert.equal(ended.out, '', 'every file was collected');
  const files = globSync('**/*.*', { cwd: folder });
  for (const wanted of [
    'check.txt',
    'objects.json',
    'dumps/istio-system.ztunnel-',
    'metrics/bookinfo.waypoint-',
    'logs/',
  ])
    assert.ok(
      files.some((file) => file.startsWith(wanted)),
      `${wanted}: ${files.join(' ')}`,
    );
  // A private key, and the header of a signed token.
  const secret = /PRIVATE KEY|eyJhbGciOi/;
  const leaking = files.filter((file) => secret.test(readFileSync(join(folder, file), 'utf8')));
  assert.deepEqual(leaking, []);
});

const prometheus = findPeer('prometheus', 'AMBIT_PEER_PROMETHEUS');

test(
  'a real Prometheus finds the mesh with our configuration and answers every query of the dashboards',
  { skip: prometheus === undefined ? notRun('prometheus', 'AMBIT_PEER_PROMETHEUS') : false },
  async () => {
    await using server = await startPrometheus(prometheus ?? '', cluster);
    let empty: readonly string[] = [];
    await cluster
      .until(
        'an answer to every query',
        async () => {
          const answers = await Promise.all(
            dashboardQueries()
              .filter(isMeasuredHere)
              .map(async ({ where, expression }) => ({
                where,
                expression,
                series: await server.query(withVariables(expression, '30s')),
              })),
          );
          empty = answers
            .filter(({ series }) => series.length === 0)
            .map(({ where, expression }) => `${where}: ${expression}`);
          return empty.length === 0;
        },
        60_000,
      )
      .catch(() => undefined);
    assert.deepEqual(empty, []);
  },
);

test('journey C: node proxies are replaced node by node, then the whole mesh is upgraded', async () => {
  await setLoad(0);
  await replay(transcript('c-upgrade'), type);
});

test('journey E: the mesh leaves, nothing is left and the application goes on', async () => {
  await replay(transcript('e-leave'), type);
});
