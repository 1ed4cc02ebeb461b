// In: the events of node's test runner. Out: a JSON line for each failed test, as it fails, and one with the counts of the run.
// Called by the runner, named by test.ts, which reads the lines with {@link readRecords}.

/** What node's test runner counts in one run. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  readonly tests: number;
}

/** A test that failed. */
export interface FailedTest {
  readonly name: string;
  /** Absolute path, where the runner says it. */
  readonly file: string | undefined;
  /** What the error says, all of it. */
  readonly message: string;
}

type Line =
  | { readonly kind: 'counts'; readonly counts: Counts }
  | { readonly kind: 'failed'; readonly test: FailedTest };

/** The part of an event of the runner that is read here. */
export interface RunnerEvent {
  readonly type: string;
  readonly data: {
    readonly counts?: Counts;
    readonly file?: string;
    readonly name?: string;
    readonly details?: { readonly error?: unknown };
  };
}

/** The runner wraps what a test threw; a suite fails only because one of its tests did. */
interface RunnerError {
  readonly failureType?: string;
  readonly cause?: unknown;
  readonly message?: string;
}

function messageOf(thrown: unknown): string {
  const { cause, message = String(thrown) } = (
    typeof thrown === 'object' && thrown !== null ? thrown : {}
  ) as RunnerError;
  return cause === undefined ? message : messageOf(cause);
}

function recordOf({ type, data }: RunnerEvent): Line | undefined {
  if (type === 'test:summary' && data.file === undefined && data.counts !== undefined)
    return { kind: 'counts', counts: data.counts };
  if (type !== 'test:fail') return undefined;
  const error = data.details?.error as RunnerError | undefined;
  if (error?.failureType === 'subtestsFailed') return undefined;
  return { kind: 'failed', test: { name: data.name ?? '', file: data.file, message: messageOf(error) } };
}

/** Reporter for `node --test`: keeps the failed tests and the counts of the whole run. */
export default async function* summaryReporter(source: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    const record = recordOf(event);
    if (record !== undefined) yield `${JSON.stringify(record)}\n`;
  }
}

/** Reads what the reporter wrote. `counts` is undefined when the runner was ended before its summary; a line cut short is left out. */
export function readRecords(text: string): {
  readonly counts: Counts | undefined;
  readonly failed: readonly FailedTest[];
} {
  const records = text.split('\n').flatMap((line): readonly Line[] => {
    try {
      return [JSON.parse(line) as Line];
    } catch {
      return [];
    }
  });
  return {
    counts: records.findLast((record) => record.kind === 'counts')?.counts,
    failed: records.flatMap((record) => (record.kind === 'failed' ? [record.test] : [])),
  };
}
