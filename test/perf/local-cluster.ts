// Suite `local-cluster`: an empty cluster of two nodes in loopback mode: time until it is ready and its memory when idle;
// the list of 5,000 pods; 1,000 changes a second to 50 watchers. In: nothing. Out: figures. Called by main.ts.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { type Loose, startTestCluster, type TestCluster } from '../fixtures/local-cluster.ts';
import { benchReport, type BenchFigure, type BenchReport, median, percentile } from './report.ts';

const STARTS = 3;
const IDLE_MS = 3000;
const PODS = 5000;
const LISTS = 5;
const WATCHERS = 50;
const CHANGES_PER_SECOND = 1000;
const CHANGE_SECONDS = 5;
const SESSIONS = 5;
/** Windows as the Go clients open them. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_WINDOW_BYTES = 1024 * 1024 * 1024;
const MAPS = '/api/v1/namespaces/default/configmaps';

interface Client extends Disposable {
  send(method: string, path: string, body?: object, type?: string): Promise<{ status: number; text: string }>;
  open(path: string): ClientHttp2Stream;
}

function clientOf(cluster: TestCluster): Client {
  const config = parse(readFileSync(join(cluster.stateDir, 'kubeconfig'), 'utf8')) as Loose;
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster as Record<string, string>;
  const session: ClientHttp2Session = connect(server ?? '', {
    ca: Buffer.from(ca ?? '', 'base64'),
    settings: { initialWindowSize: STREAM_WINDOW_BYTES },
  });
  session.on('error', () => undefined);
  session.on('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
  const authorization = `Bearer ${config.users[0].user.token as string}`;
  const open = (path: string, method = 'GET', type = ''): ClientHttp2Stream => {
    const stream = session.request({
      ':method': method,
      ':path': path,
      authorization,
      ...(type === '' ? {} : { 'content-type': type }),
    });
    stream.on('error', () => undefined);
    return stream;
  };
  return {
    open: (path) => open(path),
    send: async (method, path, body, type = 'application/json') => {
      const stream = open(path, method, body === undefined ? '' : type);
      stream.end(body === undefined ? undefined : JSON.stringify(body));
      const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }];
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      return { status: headers[':status'] ?? 0, text: Buffer.concat(chunks).toString('utf8') };
    },
    [Symbol.dispose]: () => session.destroy(),
  };
}

const residentMib = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;

const figure = (quantity: string, unit: string, path: string, rounds: readonly number[]): BenchFigure => ({
  quantity,
  unit,
  path,
  median: median(rounds),
  rounds,
  ratio: undefined,
});

async function measureStart(): Promise<readonly BenchFigure[]> {
  const ready: number[] = [];
  const idle: number[] = [];
  for (let round = 0; round < STARTS; round += 1) {
    const startedMs = performance.now();
    await using cluster = await startTestCluster('loopback', []);
    await cluster.api('GET', '/api/v1/nodes');
    ready.push(performance.now() - startedMs);
    await delay(IDLE_MS);
    idle.push(residentMib(cluster.process.pid ?? 0));
  }
  return [figure('ready', 'ms', 'empty', ready), figure('resident memory', 'MiB', 'idle', idle)];
}

const podOf = (index: number): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `pod-${index}`, labels: { app: `app-${index % 50}` } },
  spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'example.org/test/none:1' }] },
});

async function measureLists(cluster: TestCluster, client: Client): Promise<readonly BenchFigure[]> {
  const startedMs = performance.now();
  for (let first = 0; first < PODS; first += 50) {
    const batch = Array.from({ length: 50 }, (_, index) => podOf(first + index));
    await Promise.all(batch.map(async (pod) => client.send('POST', '/api/v1/namespaces/default/pods', pod)));
  }
  const perSecond = PODS / ((performance.now() - startedMs) / 1000);
  const rounds: number[] = [];
  for (let round = 0; round < LISTS; round += 1) {
    const beforeMs = performance.now();
    const { text } = await client.send('GET', '/api/v1/pods');
    rounds.push(performance.now() - beforeMs);
    const { items } = JSON.parse(text) as { items: unknown[] };
    if (items.length !== PODS) throw new Error(`the list has ${items.length} pods instead of ${PODS}`);
  }
  return [
    figure('create', 'pods/s', '5k pods', [perSecond]),
    figure('list', 'ms', '5k pods', rounds),
    figure('resident memory', 'MiB', '5k pods', [residentMib(cluster.process.pid ?? 0)]),
  ];
}

interface Watched {
  arrived: number;
  /** Watches that ended before their time, as an API server ends those that read too slowly. */
  ended: number;
  readonly lagsMs: number[];
}

/**
 * Follows the object `clock` as an informer does: a watch that ends is opened again from the last revision it showed.
 * Resolves when the first watch answers.
 */
async function follow(client: Client, watched: Watched, revision = ''): Promise<void> {
  let last = revision;
  const from = revision === '' ? '' : `&resourceVersion=${revision}`;
  const stream = client.open(`${MAPS}?watch=true&fieldSelector=metadata.name%3Dclock${from}`);
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      last = /"resourceVersion":"(\d+)"/.exec(line)?.[1] ?? last;
      const sent = /"sentMs":"([\d.]+)"/.exec(line)?.[1];
      if (sent === undefined) continue;
      watched.arrived += 1;
      watched.lagsMs.push(performance.now() - Number(sent));
    }
  });
  stream.on('end', () => {
    watched.ended += 1;
    void follow(client, watched, last).catch(() => undefined);
  });
  await once(stream, 'response');
}

async function measureWatches(cluster: TestCluster): Promise<readonly BenchFigure[]> {
  using stack = new DisposableStack();
  const clients = Array.from({ length: SESSIONS }, () => stack.use(clientOf(cluster)));
  const writer = stack.use(clientOf(cluster));
  await writer.send('POST', MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'clock' } });
  const watched: Watched = { arrived: 0, ended: 0, lagsMs: [] };
  for (let index = 0; index < WATCHERS; index += 1) await follow(clients[index % SESSIONS] as Client, watched);
  const total = CHANGES_PER_SECOND * CHANGE_SECONDS;
  const startedMs = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, ((performance.now() - startedMs) / 1000) * CHANGES_PER_SECOND);
    for (; sent < due; sent += 1) {
      const patch = { data: { sentMs: String(performance.now()), index: String(sent) } };
      writes.push(writer.send('PATCH', `${MAPS}/clock`, patch, 'application/merge-patch+json'));
    }
    await delay(2);
  }
  await Promise.all(writes);
  const writtenMs = performance.now() - startedMs;
  const deadlineMs = performance.now() + 30_000;
  while (watched.arrived < total * WATCHERS && performance.now() < deadlineMs) await delay(5);
  return [
    figure('changes', '/s', '50 watches', [total / (writtenMs / 1000)]),
    figure('lag p50', 'ms', '50 watches', [percentile(watched.lagsMs, 0.5)]),
    figure('lag p99', 'ms', '50 watches', [percentile(watched.lagsMs, 0.99)]),
    figure('changes not arrived', 'events', '50 watches', [total * WATCHERS - watched.arrived]),
    figure('watches ended and opened again', 'watches', '50 watches', [watched.ended]),
  ];
}

/** Runs the suite. */
export async function runLocalCluster(): Promise<BenchReport> {
  const startedMs = performance.now();
  const figures = [...(await measureStart())];
  {
    await using cluster = await startTestCluster('loopback', []);
    using client = clientOf(cluster);
    figures.push(...(await measureLists(cluster, client)));
  }
  {
    await using cluster = await startTestCluster('loopback', []);
    figures.push(...(await measureWatches(cluster)));
  }
  return benchReport(startedMs, {
    suite: 'local-cluster',
    reference: 'none',
    figures,
    notRun: [],
    notes: [
      'client and server share the machine; lag counts from before the request is written to the arrival at a watcher',
      'aims: ready < 3,000 ms, list of 5,000 pods < 300 ms, 1,000 changes/s without loss, idle < 150 MiB',
    ],
  });
}
