// In: the events of node's test runner. Out: one JSON line with the counts of the run. Called by the runner, named by test.ts.
interface SummaryEvent {
  readonly type: string;
  readonly data: { readonly counts?: Counts; readonly file?: string };
}

/** What node's test runner counts in one run. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  readonly tests: number;
}

/** Reporter for `node --test`: keeps only the counts of the whole run. */
export default async function* summaryReporter(source: AsyncIterable<SummaryEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type === 'test:summary' && event.data.file === undefined) yield `${JSON.stringify(event.data.counts)}\n`;
  }
}
