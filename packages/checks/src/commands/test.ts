// In: names of test groups (none = all that can run here). Out: the runner's report per group, a table, a closing line with the totals,
// and each failed test once more, since some services show only the end of an output; exit 1 when anything failed, was cancelled, or a
// group that must run could not. Called by the root scripts.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderFailedTest } from './failed-tests.ts';
import { filesOf, type Group, goldenDirectory, groups } from './groups.ts';
import { removeStaleNamespaces } from './stale-namespaces.ts';
import { repositoryRoot, runStep, sourceFlags } from './step.ts';
import { type Counts, type FailedTest, readRecords } from './summary-reporter.ts';

interface GroupOutcome {
  readonly name: string;
  readonly ok: boolean;
  readonly note: string;
  readonly counts: Counts | undefined;
  readonly failed: readonly FailedTest[];
  readonly elapsedMs: number;
}

const inAll = new Set(['unit', 'golden', 'fuzz', 'loopback', 'netns', 'interop']);
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !groups.some((group) => group.name === name));
if (unknown.length > 0) {
  console.error(
    `unknown test group: ${unknown.join(', ')}\ntry: one of ${groups.map((group) => group.name).join(', ')}`,
  );
  process.exit(2);
}

/** Hands the recordings on as an absolute path; a checkout that has none beside it, and was told of none, stays without. */
function withGolden(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const directory = goldenDirectory(env);
  const isNamed = env['AMBIT_GOLDEN_DIR'] !== undefined && env['AMBIT_GOLDEN_DIR'] !== '';
  return isNamed || existsSync(directory) ? { ...env, AMBIT_GOLDEN_DIR: directory } : env;
}

async function runGroup(group: Group): Promise<GroupOutcome> {
  const base = { name: group.name, counts: undefined, failed: [], elapsedMs: 0 };
  const ready = group.readiness(process.env);
  if (ready.kind !== 'run') return { ...base, ok: ready.kind === 'skip', note: `${ready.kind}: ${ready.reason}` };
  const files = filesOf(group);
  if (files.length === 0) return { ...base, ok: true, note: 'no test files yet' };
  if (group.name === 'netns') removeStaleNamespaces();
  console.log(`\n== ${group.name}: ${files.length} files`);
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-test-'));
  const recordsFile = join(scratch, 'records');
  try {
    const step = await runStep(
      group.name,
      process.execPath,
      [
        ...sourceFlags,
        '--test',
        `--test-isolation=${group.isolation}`,
        '--test-concurrency=1',
        `--test-timeout=${group.timeoutMs}`,
        `--test-reporter=${group.reporter ?? 'dot'}`,
        '--test-reporter-destination=stdout',
        `--test-reporter=${new URL('summary-reporter.ts', import.meta.url).href}`,
        `--test-reporter-destination=${recordsFile}`,
        ...files.map((file) => repositoryRoot + file),
      ],
      {
        // Tests start our programs from their sources hundreds of times: each file is stripped of its types and compiled once.
        env: { ...withGolden(process.env), NODE_COMPILE_CACHE: join(scratch, 'compile-cache') },
        ...(group.groupTimeoutMs !== undefined && { timeoutMs: group.groupTimeoutMs }),
      },
    );
    const { counts, failed } = readRecords(existsSync(recordsFile) ? readFileSync(recordsFile, 'utf8') : '');
    const complete = counts !== undefined && counts.failed === 0 && counts.cancelled === 0 && counts.passed > 0;
    return {
      name: group.name,
      ok: step.ok && complete,
      note: counts === undefined ? 'the runner was ended before its summary' : '',
      counts,
      failed,
      elapsedMs: step.elapsedMs,
    };
  } finally {
    // A process that ends late may still write its compiled files.
    rmSync(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

const selected = groups.filter((group) => (asked.length === 0 ? inAll.has(group.name) : asked.includes(group.name)));
const outcomes: GroupOutcome[] = [];
for (const group of selected) outcomes.push(await runGroup(group));

console.log('');
let passed = 0;
let failed = 0;
let skipped = 0;
for (const outcome of outcomes) {
  const counts = outcome.counts;
  passed += counts?.passed ?? 0;
  failed += (counts?.failed ?? 0) + (counts?.cancelled ?? 0) + (counts === undefined && !outcome.ok ? 1 : 0);
  skipped += counts?.skipped ?? 0;
  const detail =
    counts === undefined
      ? outcome.note
      : `${counts.passed}/${counts.tests} in ${(outcome.elapsedMs / 1000).toFixed(1)} s`;
  console.log(`${outcome.ok ? 'ok    ' : 'FAILED'} ${outcome.name}: ${detail}`);
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
for (const { name, failed: tests } of outcomes)
  for (const one of tests) console.log(`\n${renderFailedTest(name, one, repositoryRoot)}`);
process.exitCode = outcomes.every((outcome) => outcome.ok) ? 0 : 1;
