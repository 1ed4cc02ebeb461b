// In: the environment of a test run. Out: which groups of tests exist, which files they hold and whether they can run here.
// Called by test.ts.
import { existsSync, globSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { repositoryRoot } from './step.ts';

/** Name of a group, equal to the suffix of its root script. */
export type GroupName = 'unit' | 'loopback' | 'netns' | 'golden' | 'interop' | 'fuzz' | 'conformance';

/** Whether a group can run on this machine: yes, no with a reason, or no although it must. */
export type Readiness =
  | { readonly kind: 'run' }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'fail'; readonly reason: string };

/** One group of tests. */
export interface Group {
  readonly name: GroupName;
  readonly patterns: readonly string[];
  /** `none`: all files share one process, for speed. `process`: a process per file. */
  readonly isolation: 'none' | 'process';
  /** Reporter of node's test runner; default `dot`. `spec` shows what the tests print. */
  readonly reporter?: 'spec';
  /** Longest run of one test, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest run of the whole group, in milliseconds, a process that does not end after its last test included; default: no limit. */
  readonly groupTimeoutMs?: number;
  readonly readiness: (env: NodeJS.ProcessEnv) => Readiness;
}

const run: Readiness = { kind: 'run' };

/** Where the recorded behaviour of the real systems lies (AMBIT_GOLDEN_DIR, default beside the checkout). */
export function goldenDirectory(env: NodeJS.ProcessEnv): string {
  const named = env['AMBIT_GOLDEN_DIR'];
  if (named === undefined || named === '') return resolve(repositoryRoot, '../shared/golden');
  return isAbsolute(named) ? named : resolve(repositoryRoot, named);
}

function goldenReadiness(env: NodeJS.ProcessEnv): Readiness {
  const directory = goldenDirectory(env);
  if (existsSync(directory)) return run;
  const named = env['AMBIT_GOLDEN_DIR'] !== undefined && env['AMBIT_GOLDEN_DIR'] !== '';
  if (named) return { kind: 'fail', reason: 'AMBIT_GOLDEN_DIR names a folder that does not exist' };
  return { kind: 'skip', reason: 'no recorded behaviour beside this checkout; set AMBIT_GOLDEN_DIR to compare' };
}

const tools = ['ip', 'nft', 'unshare', 'nsenter', 'mount'];

function missingTools(env: NodeJS.ProcessEnv): readonly string[] {
  const path = `${env['PATH'] ?? ''}:/usr/sbin:/sbin`.split(':').filter((entry) => entry !== '');
  return tools.filter((name) => !path.some((directory) => existsSync(`${directory}/${name}`)));
}

function netnsReadiness(env: NodeJS.ProcessEnv): Readiness {
  const missing = missingTools(env);
  const reason =
    process.getuid?.() !== 0
      ? 'network namespaces need root; run as root to include them'
      : missing.length > 0
        ? `not installed: ${missing.join(', ')} (Debian: iproute2 nftables util-linux)`
        : undefined;
  if (reason === undefined) return run;
  return env['CI'] === 'true' ? { kind: 'fail', reason } : { kind: 'skip', reason };
}

/** Interop tests run other people's programs, each named by a variable; without any there is nothing to run. */
function interopReadiness(env: NodeJS.ProcessEnv): Readiness {
  const isNamed = Object.entries(env).some(([name, value]) => name.startsWith('AMBIT_PEER_') && value !== '');
  if (isNamed) return run;
  return { kind: 'skip', reason: 'not run: no AMBIT_PEER_* variable names a program' };
}

/** How tests of an app are named that compare with the recordings; they belong to the golden group. */
const goldenSuffix = '-golden.test.ts';

/** How fuzzers of an app are named; they belong to the fuzz group. */
const fuzzSuffix = '-fuzz.test.ts';

/** All groups, in the order in which `test` runs them. */
export const groups: readonly Group[] = [
  {
    name: 'unit',
    patterns: [
      'packages/*/src/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
      'daemonset/*/src/**/*.test.ts',
      'daemonset/*/test/**/*.test.ts',
      'waypoint/src/**/*.test.ts',
      'waypoint/test/**/*.test.ts',
    ],
    isolation: 'none',
    timeoutMs: 60_000,
    groupTimeoutMs: 600_000,
    readiness: () => run,
  },
  {
    name: 'golden',
    patterns: ['test/golden/**/*.test.ts', `packages/*/test/*${goldenSuffix}`, `waypoint/test/*${goldenSuffix}`],
    reporter: 'spec',
    isolation: 'process',
    timeoutMs: 300_000,
    groupTimeoutMs: 900_000,
    readiness: goldenReadiness,
  },
  {
    name: 'fuzz',
    patterns: ['test/fuzz/**/*.test.ts', `waypoint/test/*${fuzzSuffix}`],
    isolation: 'process',
    timeoutMs: 300_000,
    groupTimeoutMs: 600_000,
    readiness: () => run,
  },
  {
    name: 'loopback',
    patterns: ['test/loopback/**/*.test.ts'],
    isolation: 'process',
    timeoutMs: 300_000,
    groupTimeoutMs: 1_200_000,
    readiness: () => run,
  },
  {
    name: 'netns',
    patterns: ['test/netns/**/*.test.ts'],
    isolation: 'process',
    timeoutMs: 300_000,
    groupTimeoutMs: 1_800_000,
    readiness: netnsReadiness,
  },
  {
    name: 'interop',
    patterns: ['test/interop/**/*.test.ts'],
    reporter: 'spec',
    isolation: 'process',
    timeoutMs: 300_000,
    groupTimeoutMs: 1_800_000,
    readiness: interopReadiness,
  },
  {
    name: 'conformance',
    patterns: ['test/conformance/**/*.test.ts'],
    reporter: 'spec',
    isolation: 'process',
    timeoutMs: 1_800_000,
    readiness: () => run,
  },
];

/** The files of a group, in a stable order. */
export function filesOf(group: Group): readonly string[] {
  return globSync([...group.patterns], { cwd: repositoryRoot, exclude: ['**/node_modules/**', '**/dist/**'] })
    .filter((file) => group.name === 'golden' || !file.endsWith(goldenSuffix))
    .filter((file) => group.name === 'fuzz' || !file.endsWith(fuzzSuffix))
    .toSorted();
}
