// In: the failed tests of a run. Out: their names and the beginnings of their messages, for the end of the output, which is all that a
// CI service may show. Pure. Called by test.ts.
import type { FailedTest } from './summary-reporter.ts';

/** Lines of a message that are shown; the whole of it stands further up. */
const SHOWN_LINES = 25;

/** One failed test: its group, where it is, what it says. `root` is taken off the front of its path. */
export function renderFailedTest(group: string, { name, file, message }: FailedTest, root: string): string {
  const lines = message.trimEnd().split('\n');
  const more = lines.length - SHOWN_LINES;
  return [
    `FAILED ${group}: ${name}${file === undefined ? '' : ` (${file.startsWith(root) ? file.slice(root.length) : file})`}`,
    ...lines.slice(0, SHOWN_LINES).map((line) => `  ${line}`.trimEnd()),
    ...(more > 0 ? [`  ... ${more} more lines above`] : []),
  ].join('\n');
}
