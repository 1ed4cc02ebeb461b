// `ambit explain conn`. In: lines of access logs, or flows as `ambit tap -o jsonl` writes them. Out: what was recorded, and what the policies
// say of the same connection now, decided as the proxies decide. Called by command.ts.
import { createInterface } from 'node:readline';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { type Flow, flowOf } from '../traffic/access-line.ts';
import { isDenied, verdictOfFlow } from '../traffic/verdict-of-flow.ts';
import type { Verdict } from './decide.ts';
import { knownError } from './known-errors.ts';
import { loadWorld } from './load-world.ts';
import { decideRecorded, recordedQuestion } from './recorded.ts';
import { verdictStatus, verdictText } from './run.ts';
import type { World } from './world.ts';

/** Lines that are read at once. */
const MAX_LINES = 10_000;

/** A recorded flow beside what would become of it now. */
export interface ExplainedFlow {
  readonly flow: Flow;
  /** Undefined when the question cannot be asked; `missing` says why. */
  readonly now: Verdict | undefined;
  readonly missing: string;
  /** What the recorded error means, where that is known, and whether the policies decide otherwise now. */
  readonly notes: readonly string[];
}

/** Asks again. Pure. */
export function explainFlow(world: World, flow: Flow): ExplainedFlow {
  const question = recordedQuestion(world, flow);
  const now = typeof question === 'string' ? undefined : decideRecorded(world, question);
  const known = knownError(flow.error);
  const notes = known === undefined ? [] : [`why: ${known.why}`, `try: ${known.hint}`];
  if (now?.outcome === 'allowed' && isDenied(flow))
    notes.push('the policies have changed since, or the proxy had not learnt of them: now it would be allowed');
  if (now?.outcome === 'denied' && verdictOfFlow(flow) === 'ok')
    notes.push('it was allowed when it was recorded: the policies have changed since');
  return { flow, now, missing: typeof question === 'string' ? question : '', notes };
}

const places = {
  inbound: 'node proxy of the destination',
  outbound: 'node proxy of the source',
  waypoint: 'waypoint',
} as const;

/** What was recorded, and what is decided now. Pure but for colours. */
function textOf({ flow, now, missing, notes }: ExplainedFlow): string {
  const what = flow.method === '' ? '' : `${flow.method} ${flow.path} `;
  const [from, to] = [flow.source || flow.sourceAddress, flow.service || flow.destination || flow.destinationAddress];
  const reason = flow.error === '' ? '' : `: ${flow.error}`;
  return [
    `recorded ${flow.time} by the ${places[flow.direction]}: ${what}${from} -> ${to} ${verdictOfFlow(flow)}${reason}`,
    ...(now === undefined ? [`not decided again: ${missing}`] : [verdictText(now)]),
    ...notes,
  ].join('\n');
}

/** The line without the mark that `ambit logs` puts in front. Pure. */
export function withoutSource(line: string): string {
  const end = line.indexOf('] ');
  return line.startsWith('[') && end > 0 && line.slice(1, end).includes('/') ? line.slice(end + 2) : line;
}

/** Lines of standard input, or the one that was given. */
async function linesOf(given: string | undefined): Promise<readonly string[]> {
  if (given !== undefined && given !== '-') return [given];
  const lines: string[] = [];
  for await (const line of createInterface({ input: process.stdin })) {
    if (lines.length === MAX_LINES)
      throw new CliError('ERR_CLI_INVALID', `there are more than ${MAX_LINES} lines`, {
        hint: 'grep for some of them',
      });
    lines.push(line);
  }
  return lines;
}

/** Explains each line. Returns the exit status: that of the worst decision as it is made now. */
export async function explainLines(api: OpenedCluster, given: string | undefined, output: string): Promise<number> {
  const lines = await linesOf(given);
  const flows = lines.flatMap((line) => flowOf(withoutSource(line.trim())) ?? []);
  if (flows.length === 0)
    throw new CliError('ERR_CLI_INVALID', 'no line tells of a connection or a request', {
      cause: new Error(`${lines.length} lines were read`),
      hint: 'a line of the access log of a node proxy or waypoint, or of ambit tap -o jsonl; ambit logs WORKLOAD | ambit explain conn',
    });
  const world = await loadWorld(api);
  const explained = flows.map((flow) => explainFlow(world, flow));
  if (!(await printDocument(documentOf('ConnectionExplanationList', { items: explained }), output)))
    process.stdout.write(`${explained.map(textOf).join('\n\n')}\n`);
  return Math.max(...explained.map(({ now }) => (now === undefined ? exitStatus.undecided : verdictStatus(now))));
}
