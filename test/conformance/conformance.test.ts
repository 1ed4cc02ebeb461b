// The official Gateway API conformance suite against the mesh on a local cluster: builds the suite and its echo servers,
// runs the profiles of features.ts, prints the report and fails where a claimed test fails. Needs Go and root.
//
//   AMBIT_CONFORMANCE_RUNS=mesh            only these runs of features.ts (comma-separated)
//   AMBIT_CONFORMANCE_TEST=MeshBasic       one test of the suite; its output is shown
//   AMBIT_CONFORMANCE_REPORT=<folder>      keeps the reports and the full output there
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type Run, runs } from './features.ts';
import { type MeshCluster, namespaceLabels, prepareMeshNamespaces, startMeshCluster } from './mesh-cluster.ts';
import { coreSize, failedTests, lastWait, readReport, reportLines, type ProfileResult } from './report.ts';
import { buildPrograms, findGo, goVersion, type Programs } from './toolchain.ts';

const RUN_TIMEOUT_MS = 1_500_000;
const go = findGo(process.env);
const missing =
  go === undefined
    ? 'Go is not installed (https://go.dev/dl, Debian: golang-go); the suite is a Go program'
    : process.getuid?.() !== 0
      ? 'root is needed for network namespaces'
      : undefined;
if (missing !== undefined) console.log(`not run: gateway-conformance: ${missing}`);

const asked = process.env['AMBIT_CONFORMANCE_RUNS']?.split(',');
const oneTest = process.env['AMBIT_CONFORMANCE_TEST'];
const reports = process.env['AMBIT_CONFORMANCE_REPORT'] ?? join(tmpdir(), `ambit-conformance-${process.pid}`);

function suiteWords({ name, isClaimed, profiles, features }: Run, report: string): string[] {
  return [
    '-test.v',
    '-test.run=TestConformance',
    `-test.timeout=${RUN_TIMEOUT_MS / 1000}s`,
    `--conformance-profiles=${Object.keys(profiles).join(',')}`,
    `--supported-features=${features.join(',')}`,
    '--gateway-class=istio',
    ...(name === 'mesh' ? [`--namespace-labels=${namespaceLabels}`] : []),
    // What nobody claims need not be waited for.
    ...(isClaimed ? [] : ['--timeout-config-overrides=NamespacesMustBeReady:60']),
    ...(oneTest === undefined ? [] : [`--run-test=${oneTest}`]),
    '--organization=ambit',
    '--project=ambit',
    '--url=https://example.com',
    '--version=dev',
    '--contact=ambit',
    `--report-output=${report}`,
  ];
}

interface SuiteOutcome {
  readonly profiles: readonly ProfileResult[];
  /** Every test that failed, also those that the suite counts for no profile. */
  readonly failed: readonly string[];
  /** Why no test ran: the last words of the set-up. */
  readonly stopped: string | undefined;
}

/** Runs the suite inside the first node's network namespace, from where the addresses of gateways can be reached. */
async function runSuite(mesh: MeshCluster, programs: Programs, each: Run): Promise<SuiteOutcome> {
  const report = join(reports, `${each.name}.yaml`);
  const words = [`--net=/run/netns/${mesh.netns}`, join(programs.folder, 'suite'), ...suiteWords(each, report)];
  const child = spawn('nsenter', words, { env: { ...process.env, KUBECONFIG: mesh.kubeconfig } });
  const log = createWriteStream(join(reports, `${each.name}.log`));
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log.write(chunk);
      tail = (tail + chunk.toString()).slice(-8000);
      if (oneTest !== undefined) process.stdout.write(chunk);
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS);
  await once(child, 'close');
  clearTimeout(timer);
  log.end();
  await once(log, 'close');
  const output = readFileSync(log.path, 'utf8');
  const profiles = existsSync(report) ? readReport(readFileSync(report, 'utf8')) : [];
  assert.ok(profiles.length > 0 || !each.isClaimed, `the suite wrote no report:\n${tail}`);
  const hasRun = profiles.some(({ core }) => core.passed + core.failed > 0);
  return { profiles, failed: failedTests(output), stopped: hasRun ? undefined : lastWait(output) };
}

/** One line per profile whose set-up did not end: none of its tests passed. */
async function printStopped({ folder }: Programs, each: Run, reason: string): Promise<void> {
  const { stdout } = await promisify(execFile)(join(folder, 'suite'), ['-test.run=TestConformance', '-list']);
  for (const [profile, features] of Object.entries(each.profiles))
    console.log(`conformance ${profile} core: 0/${coreSize(stdout, features)} passed, set-up: ${reason}`);
}

test('Gateway API conformance', { skip: missing ?? false, timeout: 3_600_000 }, async (t) => {
  console.log(goVersion(go ?? ''));
  const programs = await buildPrograms(go ?? '', process.env);
  mkdirSync(reports, { recursive: true });
  console.log(`reports: ${reports}`);
  for (const each of runs.filter(({ name }) => asked?.includes(name) ?? true)) {
    const verdict = each.isClaimed ? 'every claimed test passes' : 'counted, not claimed';
    await t.test(`${Object.keys(each.profiles).join(', ')}: ${verdict}`, async () => {
      await using mesh = await startMeshCluster(programs);
      if (each.name === 'mesh') await prepareMeshNamespaces(mesh.cluster);
      const { profiles, failed, stopped } = await runSuite(mesh, programs, each);
      if (stopped !== undefined) await printStopped(programs, each, stopped);
      else for (const line of reportLines(profiles)) console.log(line);
      if (failed.length > 0) console.log(`failed in all: ${failed.join(', ')}`);
      if (!each.isClaimed) return;
      assert.equal(stopped, undefined);
      assert.deepEqual(failed, []);
    });
  }
});
