// `ambit policy simulate` and `diff`. In: the cluster, policies as they are and as they would be, flows. Out: what would be newly denied and
// newly allowed.
import type { KubernetesObject } from '@ambit/resources';
import { parseDocuments } from '@ambit/resources/parse-documents';
import { readTexts } from '../analyze/files.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { decide } from '../explain/decide.ts';
import { meshConfigOf, worldObjects } from '../explain/load-world.ts';
import { type World, worldOf } from '../explain/world.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { allFlows, type Flow, questionOf } from './question.ts';

/** Flags of the command. */
export interface SimulateFlags {
  readonly filename: readonly string[];
  /** Policies to compare with instead of those of the cluster (`diff`). */
  readonly old?: readonly string[];
  readonly delete?: readonly string[];
  readonly recording?: string;
  readonly method: string;
  readonly path: string;
  readonly output: string;
}

const keyOf = (object: KubernetesObject): string => `${object.kind ?? ''} ${namespaceOf(object)}/${nameOf(object)}`;

/** Objects with others laid over them by kind, namespace and name, and some gone. Pure. */
export function withChanges(
  objects: readonly KubernetesObject[],
  changed: readonly KubernetesObject[],
  deleted: readonly string[],
): readonly KubernetesObject[] {
  const all = new Map(objects.map((object) => [keyOf(object), object]));
  for (const object of changed) all.set(keyOf(object), object);
  for (const text of deleted) {
    const [name = '', namespace = 'default'] = text.split('.');
    all.delete(`AuthorizationPolicy ${namespace}/${name}`);
  }
  return [...all.values()];
}

/** Objects without those of the same kind, namespace and name as others: of two revisions each has to stand for itself. Pure. */
export function withoutObjects(
  objects: readonly KubernetesObject[],
  others: readonly KubernetesObject[],
): readonly KubernetesObject[] {
  const gone = new Set(others.map(keyOf));
  return objects.filter((object) => !gone.has(keyOf(object)));
}

/** What a change does to one flow. */
export interface FlowChange {
  readonly flow: Flow;
  readonly before: string;
  readonly after: string;
}

const isOpen = (world: World, flow: Flow): { readonly outcome: string; readonly summary: string } => {
  const question = questionOf(world, flow);
  return typeof question === 'string' ? { outcome: 'unknown', summary: question } : decide(world, question);
};

/** Flows that are decided otherwise. Pure. */
export function changedFlows(before: World, after: World, flows: readonly Flow[]): readonly FlowChange[] {
  return flows.flatMap((flow) => {
    const [old, next] = [isOpen(before, flow), isOpen(after, flow)];
    return old.outcome === next.outcome ? [] : [{ flow, before: old.summary, after: next.summary }];
  });
}

function recordedFlows(file: string): readonly Flow[] {
  return readTexts([file], false)
    .flatMap(({ text }) => text.split('\n'))
    .filter((line) => line.trim() !== '')
    .map((line, index) => {
      try {
        return JSON.parse(line) as Flow;
      } catch (cause) {
        throw new CliError('ERR_CLI_FILE', `line ${index + 1} of ${file} is no JSON`, { cause });
      }
    });
}

const show = ({ from, to, port, method, path }: Flow): string =>
  `${from} -> ${to}:${port}${method === undefined ? '' : ` ${method} ${path ?? '/'}`}`;

/** Compares and prints. Returns 0, or 3 when something would be newly denied. */
export async function policySimulate(api: OpenedCluster, flags: SimulateFlags): Promise<number> {
  const [objects, mesh] = await Promise.all([worldObjects(api), meshConfigOf(api)]);
  const read = (files: readonly string[]): readonly KubernetesObject[] =>
    readTexts(files, true).flatMap(({ text }) => parseDocuments(text));
  const [old, next] = [read(flags.old ?? []), read(flags.filename)];
  const base = flags.old === undefined ? objects : withoutObjects(objects, [...old, ...next]);
  const before = worldOf(withChanges(base, old, []), mesh, api.istioNamespace);
  const after = worldOf(withChanges(base, next, flags.delete ?? []), mesh, api.istioNamespace);
  const flows =
    flags.recording === undefined
      ? allFlows(after, { method: flags.method, path: flags.path })
      : recordedFlows(flags.recording);
  const changes = changedFlows(before, after, flows);
  const denied = changes.filter(({ after: text }) => !text.startsWith('ALLOWED'));
  const allowed = changes.filter(({ after: text }) => text.startsWith('ALLOWED'));
  if (
    !(await printDocument(
      documentOf('Simulation', {
        flows: flows.length,
        newlyDenied: denied,
        newlyAllowed: allowed,
        problems: after.problems,
      }),
      flags.output,
    ))
  ) {
    process.stdout.write(`${flows.length} flows tried\nwould newly deny ${denied.length}\n`);
    for (const { flow, after: text } of denied) process.stdout.write(`  ${show(flow)}  ${text}\n`);
    process.stdout.write(`would newly allow ${allowed.length}\n`);
    for (const { flow } of allowed) process.stdout.write(`  ${show(flow)}\n`);
    for (const problem of after.problems) process.stderr.write(`!! not in force: ${problem}\n`);
  }
  return denied.length > 0 ? exitStatus.no : exitStatus.done;
}
