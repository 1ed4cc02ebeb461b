// `ambit trace`: one connection or request, hop by hop.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type GlobalOptions, openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { endOf } from '../output/end-of.ts';
import { exitStatusHelp } from '../output/exit-status.ts';

interface TraceFlags {
  readonly for?: string;
  readonly count: number;
  readonly id?: string;
  readonly output: 'text' | 'jsonl';
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0) return count;
  throw new InvalidArgumentError('a whole number.');
}

/** Adds `trace`. */
export function addTraceCommand(program: Command, config: CliConfig): void {
  program
    .command('trace')
    .argument('<source>', 'who connects: a pod, deploy/x, svc/x, sa/x')
    .argument('<destination>', 'svc/x:PORT, a pod, an address or a host name with a port')
    .description(
      'Follow connections and requests through the mesh as they end: every hop, its identities and its verdict',
    )
    .option('--for <duration>', 'how long, for example 30s; default: until Ctrl-C')
    .option('--count <count>', 'end after so many', countOf, 0)
    .option('--id <id>', 'only this connection id, or the trace id that a request carries')
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'jsonl']).default('text'))
    .addHelpText(
      'after',
      exitStatusHelp(
        '3 something was denied, or you may not watch',
        '4 nothing ended between them in that time',
        'Needs what tap needs: watch on flows.telemetry.ambit.io, in the namespace of -n or in all.',
        'It sends nothing: a request shows when the application makes one. Headers are not in flows, so a policy about headers may decide otherwise than is shown.',
      ),
    )
    .action(async (source: string, destination: string, flags: TraceFlags) => {
      const [{ trace }, { durationMs }] = await Promise.all([import('./trace.ts'), import('../output/duration.ts')]);
      const api = await openCluster(program, config);
      const signal = endOf(flags.for === undefined ? undefined : durationMs(flags.for));
      const namespace = program.opts<GlobalOptions>().namespace ?? '';
      process.exitCode = await trace(api, source, destination, { ...flags, namespace }, signal);
      api.close();
    });
}
