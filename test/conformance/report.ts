// In: the report that the suite wrote. Out: what passed and failed per profile, as lines for people. Pure. Called by
// conformance.test.ts.
import { parse } from 'yaml';

/** Results of one set of tests of a profile. */
export interface SetResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failedTests: readonly string[];
}

/** Results of one profile. */
export interface ProfileResult {
  readonly name: string;
  readonly core: SetResult;
  readonly extended: SetResult;
}

interface RawSet {
  readonly statistics?: { readonly Passed?: number; readonly Failed?: number; readonly Skipped?: number };
  readonly failedTests?: readonly string[] | null;
}

interface RawReport {
  readonly profiles?: readonly { readonly name: string; readonly core?: RawSet; readonly extended?: RawSet }[] | null;
}

const setOf = (raw: RawSet | undefined): SetResult => ({
  passed: raw?.statistics?.Passed ?? 0,
  failed: raw?.statistics?.Failed ?? 0,
  skipped: raw?.statistics?.Skipped ?? 0,
  failedTests: (raw?.failedTests ?? []).toSorted(),
});

/** Reads a report; a profile without a set counts nothing there. */
export function readReport(text: string): readonly ProfileResult[] {
  const report = parse(text) as RawReport | null;
  return (report?.profiles ?? []).map(({ name, core, extended }) => ({
    name,
    core: setOf(core),
    extended: setOf(extended),
  }));
}

/** One line per set of a profile, then the names of the tests that failed. */
export function reportLines(profiles: readonly ProfileResult[]): readonly string[] {
  return profiles.flatMap(({ name, core, extended }) =>
    (['core', 'extended'] as const).flatMap((kind) => {
      const { passed, failed, skipped, failedTests } = kind === 'core' ? core : extended;
      if (passed + failed + skipped === 0) return [];
      const line = `conformance ${name} ${kind}: ${passed}/${passed + failed} passed, ${skipped} skipped`;
      return [line, ...failedTests.map((test) => `  failed: ${test}`)];
    }),
  );
}

/**
 * How many tests the core of a profile has, from the suite's list (`<name> TAB <features> TAB ...`): those that need no
 * feature beyond the core's.
 */
export function coreSize(list: string, coreFeatures: readonly string[]): number {
  const needs = list
    .split('\n')
    .map((line) => line.split('\t')[1])
    .filter((features) => features !== undefined);
  return needs.filter((features) => features.split(',').every((name) => coreFeatures.includes(name))).length;
}

const FAILURE = '    --- FAIL: TestConformance/';

/** Names of the tests that failed, from the suite's own output. */
export function failedTests(output: string): readonly string[] {
  const lines = output.split('\n').filter((line) => line.startsWith(FAILURE));
  return lines.map((line) => line.slice(FAILURE.length).split(' ')[0] ?? '').toSorted();
}

/** What the set-up waited for when it gave up: the suite's last line of waiting, without place and time. */
export function lastWait(output: string): string {
  const lines = output.split('\n').map((line) => line.split('Z: '));
  const text = lines.findLast(([place, words]) => words !== undefined && place?.includes('helpers.go:') === true)?.[1];
  return text ?? 'it ended before it waited for anything';
}
