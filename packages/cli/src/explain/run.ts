// `ambit explain`. In: a source, a destination, a request. Out: why it is allowed or denied, and the exit status. Called by command.ts.
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { toned } from '../output/style.ts';
import { destinationOf, isCaptured, podsOf, workloadOf } from './connection-ends.ts';
import { decide, type Verdict } from './decide.ts';
import { loadWorld } from './load-world.ts';

/** Flags of the command. */
export interface ExplainFlags {
  readonly method?: string;
  readonly path?: string;
  readonly header?: readonly string[];
  readonly output: string;
}

const tones = { allowed: 'good', denied: 'bad', undecided: 'warning' } as const;

/** Lines of a verdict. */
export function verdictText(verdict: Verdict): string {
  const width = Math.max(...verdict.steps.map(({ name }) => name.length));
  return [
    toned(tones[verdict.outcome], verdict.summary),
    ...verdict.steps.map(({ name, text }, index) => `  ${index + 1} ${name.padEnd(width)}  ${text}`),
  ].join('\n');
}

/** Exit status of a verdict. */
export const verdictStatus = ({ outcome }: Verdict): number =>
  outcome === 'allowed' ? exitStatus.done : outcome === 'denied' ? exitStatus.no : exitStatus.undecided;

/** Explains one connection or request. Returns the exit status: 0 allowed, 3 denied, 4 undecided. */
export async function explainConnection(
  api: OpenedCluster,
  source: string,
  destination: string,
  flags: ExplainFlags,
): Promise<number> {
  const world = await loadWorld(api);
  const [pod] = await podsOf(api, source);
  const target = await destinationOf(api, world.snapshot, destination, world.options.domain);
  const isHttp = flags.method !== undefined || flags.path !== undefined || flags.header !== undefined;
  const headers = (flags.header ?? []).map((line): readonly [string, string] => {
    const colon = line.indexOf(':');
    if (colon < 1) throw new CliError('ERR_CLI_INVALID', `"${line}" is no header`, { hint: "'name: value'" });
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  const verdict = decide(world, {
    source: workloadOf(world.snapshot, pod),
    isCaptured: isCaptured(pod),
    destination: target,
    ...(isHttp
      ? {
          request: {
            method: flags.method ?? 'GET',
            path: flags.path ?? '/',
            host: `${target.host}:${target.port}`,
            headers,
          },
        }
      : {}),
  });
  if (!(await printDocument(documentOf('Explanation', { ...verdict, problems: world.problems }), flags.output))) {
    process.stdout.write(`${verdictText(verdict)}\n`);
    for (const problem of world.problems) process.stderr.write(`!! not in force: ${problem}\n`);
  }
  return verdictStatus(verdict);
}
