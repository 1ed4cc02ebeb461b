// Suite `cli`: what an operator waits for. In: nothing. Out: figures. Called by main.ts. The command line runs as a process against a
// Kubernetes API of this process that hands out 1,000 pods; `analyze` reads 10,000 objects from a file.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { benchReport, type BenchFigure, type BenchReport, median } from './report.ts';

const main = new URL('../../packages/cli/src/main.ts', import.meta.url).pathname;
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

/** Lists by the last word of the path; everything else is empty. */
const lists: Readonly<Record<string, readonly unknown[]>> = { namespaces, pods };

function objectsFile(): string {
  const documents = Array.from({ length: OBJECTS }, (_, index) =>
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: `d${index}`, namespace: `n${index % 20}` },
      spec: { host: `web${index}.n${index % 20}.svc.cluster.local`, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } },
    }),
  );
  return documents.join('\n---\n');
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
    writeFileSync(file, objectsFile());
    const commands = {
      'version --client': ['version', '--client'],
      [`mesh status, ${PODS} pods`]: ['mesh', 'status'],
      [`analyze, ${OBJECTS} objects`]: ['analyze', '--use-kube=false', '-A', file],
    };
    const figures: BenchFigure[] = [];
    for (const [path, words] of Object.entries(commands)) {
      const rounds: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const before = performance.now();
        await promisify(execFile)(process.execPath, ['--conditions=@ambit/source', main, ...words], {
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
      notes: ['from sources, types stripped at start; budgets: 150 ms, 1 s, 3 s'],
    });
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}
