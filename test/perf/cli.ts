// Suite `cli`: what an operator waits for. In: nothing. Out: figures. Called by main.ts. The command line runs as a process against a
// Kubernetes API of this process that hands out 1,000 pods and 10,000 objects to analyze; the same objects are analyzed from a file.
// What runs is the emitted JavaScript, as the package ships it; the same command from the sources beside.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { benchReport, type BenchFigure, type BenchReport, median } from './report.ts';

const root = new URL('../../', import.meta.url).pathname;
const installed = [join(root, 'packages/cli/bin/ambit.js')];
const fromSources = ['--conditions=@ambit/source', join(root, 'packages/cli/src/main.ts')];
const PODS = 1000;
const OBJECTS = 10_000;
const ROUNDS = 5;

const namespaces = Array.from({ length: 20 }, (_, index) => ({
  metadata: { name: `n${index}`, labels: { 'istio.io/dataplane-mode': 'ambient' } },
}));
const pods = Array.from({ length: PODS }, (_, index) => ({
  metadata: {
    name: `p${index}`,
    namespace: `n${index % 20}`,
    labels: { app: `a${index % 50}` },
    annotations: { 'ambient.istio.io/redirection': 'enabled' },
  },
  status: { phase: 'Running' },
}));

const rules = Array.from({ length: OBJECTS }, (_, index) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: `d${index}`, namespace: `n${index % 20}` },
  spec: { host: `web${index}.n${index % 20}.svc.cluster.local`, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } },
}));

/** Lists by the last word of the path; everything else is empty. */
const lists: Readonly<Record<string, readonly unknown[]>> = { namespaces, pods, destinationrules: rules };

interface Measured {
  readonly entry: readonly string[];
  readonly words: readonly string[];
}

/** Runs the suite. */
export async function runCli(): Promise<BenchReport> {
  const startedMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-cli-'));
  const server = createServer((request, response) => {
    const name = (request.url ?? '').split('?')[0]?.split('/').at(-1) ?? '';
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ kind: 'List', metadata: { resourceVersion: '1' }, items: lists[name] ?? [] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'u', user: {} }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    );
    const file = join(folder, 'objects.yaml');
    writeFileSync(file, rules.map((rule) => stringify(rule)).join('---\n'));
    await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-b', 'packages/cli'], { cwd: root });
    const commands: Readonly<Record<string, Measured>> = {
      'version --client': { entry: installed, words: ['version', '--client'] },
      'version --client, from sources': { entry: fromSources, words: ['version', '--client'] },
      [`mesh status, ${PODS} pods`]: { entry: installed, words: ['mesh', 'status'] },
      [`analyze, ${OBJECTS} objects of a cluster`]: { entry: installed, words: ['analyze', '-A'] },
      [`analyze, ${OBJECTS} objects of a file`]: {
        entry: installed,
        words: ['analyze', '--use-kube=false', '-A', file],
      },
    };
    const figures: BenchFigure[] = [];
    for (const [path, { entry, words }] of Object.entries(commands)) {
      const rounds: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const before = performance.now();
        await promisify(execFile)(process.execPath, [...entry, ...words], {
          env: { ...process.env, KUBECONFIG: kubeconfig },
          maxBuffer: 256 * 1024 * 1024,
        });
        rounds.push(performance.now() - before);
      }
      figures.push({
        quantity: 'time to the prompt',
        unit: 'ms',
        path,
        median: median(rounds),
        rounds,
        ratio: undefined,
      });
    }
    return benchReport(startedMs, {
      suite: 'cli',
      reference: '',
      figures,
      notRun: [],
      notes: ['emitted JavaScript, as installed, where nothing else is said; budgets: 150 ms, 1 s, 3 s'],
    });
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}
