// `ambit policy test`. In: a table of cases, objects of files or of a cluster. Out: one line per case, and the exit status.
import { parseDocuments } from '@ambit/resources/parse-documents';
import { readTexts } from '../analyze/files.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { decide } from '../explain/decide.ts';
import { loadWorld } from '../explain/load-world.ts';
import { type World, worldOf } from '../explain/world.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type Flow, questionOf } from './question.ts';

interface Case extends Flow {
  readonly name?: string;
  readonly expect: 'allow' | 'deny';
}

async function casesOf(file: string): Promise<readonly Case[]> {
  const { parse } = await import('yaml');
  const [text] = readTexts([file], false);
  const cases: unknown = parse(text?.text ?? '');
  const isCase = (one: unknown): one is Case =>
    typeof one === 'object' && one !== null && 'from' in one && 'to' in one && 'expect' in one;
  if (!Array.isArray(cases) || !cases.every(isCase))
    throw new CliError('ERR_CLI_FILE', `${file} is no list of cases`, {
      hint: '- {name, from: ns/workload, to: ns/service, port, method, path, expect: allow}',
    });
  return cases;
}

/** Decides every case. Returns 0, or 3 when one is decided otherwise than expected. */
export async function policyTest(
  open: () => Promise<OpenedCluster>,
  flags: { readonly filename: string; readonly objects?: readonly string[] },
): Promise<number> {
  const cases = await casesOf(flags.filename);
  let world: World;
  if (flags.objects === undefined) {
    const api = await open();
    world = await loadWorld(api);
    api.close();
  } else
    world = worldOf(
      readTexts(flags.objects, true).flatMap(({ text }) => parseDocuments(text)),
      {},
      'istio-system',
    );
  let failed = 0;
  for (const one of cases) {
    const question = questionOf(world, one);
    const summary = typeof question === 'string' ? question : decide(world, question).summary;
    const isAsExpected = one.expect === 'allow' ? summary.startsWith('ALLOWED') : summary.startsWith('DENIED');
    if (!isAsExpected) failed += 1;
    process.stdout.write(
      `${isAsExpected ? 'ok  ' : 'xx  '}${one.name ?? `${one.from} -> ${one.to}:${one.port}`}: ${summary}${isAsExpected ? '' : ` (expected ${one.expect})`}\n`,
    );
  }
  process.stdout.write(`${cases.length - failed} of ${cases.length} cases as expected\n`);
  return failed > 0 ? exitStatus.no : exitStatus.done;
}
