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
import { decideRecorded, recordedQuestion } from '../explain/recorded.ts';
import { type World, worldOf } from '../explain/world.ts';
import { durationMs } from '../output/duration.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { type Flow as RecordedFlow, flowOf } from '../traffic/access-line.ts';
import { allFlows, type Flow, questionOf } from './question.ts';
import { type FlowKind, kindsOfFlows, readAccessLogs } from './recorded-flows.ts';

/** Flags of the command. */
export interface SimulateFlags {
  readonly filename: readonly string[];
  /** Policies to compare with instead of those of the cluster (`diff`). */
  readonly old?: readonly string[];
  readonly delete?: readonly string[];
  readonly recording?: string;
  /** How far back access logs are read. */
  readonly since?: string;
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

/** A flow, and how to ask about it in a world. */
export interface TriedFlow {
  readonly flow: Flow;
  /** How often it was recorded; absent for what was made up. */
  readonly count?: number;
  readonly decide: (world: World) => { readonly outcome: string; readonly summary: string };
}

/** What a change does to one flow. */
export interface FlowChange {
  readonly flow: Flow;
  readonly count?: number;
  readonly before: string;
  readonly after: string;
}

/** A flow that somebody wrote down. Pure. */
export const triedFlow = (flow: Flow): TriedFlow => ({
  flow,
  decide: (world) => {
    const question = questionOf(world, flow);
    return typeof question === 'string' ? { outcome: 'unknown', summary: question } : decide(world, question);
  },
});

/** Flows that proxies recorded. Pure. */
export const triedKind = ({ flow, named, count }: FlowKind): TriedFlow => ({
  flow: named,
  count,
  decide: (world) => {
    const question = recordedQuestion(world, flow);
    return typeof question === 'string' ? { outcome: 'unknown', summary: question } : decideRecorded(world, question);
  },
});

/** Flows that are decided otherwise. Pure. */
export function changedFlows(before: World, after: World, tried: readonly TriedFlow[]): readonly FlowChange[] {
  return tried.flatMap(({ flow, count, decide: ask }) => {
    const [old, next] = [ask(before), ask(after)];
    const counted = count === undefined ? {} : { count };
    return old.outcome === next.outcome ? [] : [{ flow, ...counted, before: old.summary, after: next.summary }];
  });
}

const isNamedFlow = (value: unknown): value is Flow =>
  typeof value === 'object' && value !== null && 'from' in value && 'to' in value && 'port' in value;

/** Flows of a file: those that somebody wrote down, and those that `tap -o jsonl` or an access log did. */
function flowsOfFile(
  world: World,
  file: string,
  request: { readonly method: string; readonly path: string },
): Recording {
  const [named, recorded]: [Flow[], RecordedFlow[]] = [[], []];
  const lines = readTexts([file], false).flatMap(({ text }) => text.split('\n'));
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const flow = flowOf(line.trim());
    if (flow !== undefined) {
      recorded.push(flow);
      continue;
    }
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw new CliError('ERR_CLI_FILE', `line ${index + 1} of ${file} is no JSON`, { cause });
    }
    if (!isNamedFlow(value))
      throw new CliError('ERR_CLI_FILE', `line ${index + 1} of ${file} is no flow`, {
        hint: '{from, to, port, method, path}, or a line of ambit tap -o jsonl',
      });
    named.push(value);
  }
  const kinds = kindsOfFlows(world, recorded, request);
  return { tried: [...named.map(triedFlow), ...kinds.map(triedKind)], notes: notesOf(kinds, request) };
}

/** What is tried, and what has to be said of it. */
interface Recording {
  readonly tried: readonly TriedFlow[];
  readonly notes: readonly string[];
}

function notesOf(
  kinds: readonly FlowKind[],
  { method, path }: { readonly method: string; readonly path: string },
): readonly string[] {
  const assumed = kinds.filter(({ isAssumed }) => isAssumed).reduce((sum, { count }) => sum + count, 0);
  if (assumed === 0) return [];
  return [
    `${assumed} connections led to a waypoint that logs no requests: each was tried as ${method} ${path}`,
    'try: access logs of waypoints (meshConfig.accessLogFile, or Telemetry), or --method and --path',
  ];
}

async function flowsOfLogs(api: OpenedCluster, world: World, flags: SimulateFlags, since: string): Promise<Recording> {
  const { flows, unread, oldest } = await readAccessLogs(api, Math.ceil(durationMs(since) / 1000));
  const kinds = kindsOfFlows(world, flows, flags);
  return {
    tried: kinds.map(triedKind),
    notes: [
      oldest === '' ? 'the access logs tell of no connection' : `the access logs that nodes keep begin at ${oldest}`,
      ...(unread.length === 0 ? [] : [`the logs of ${unread.join(', ')} could not be read`]),
      ...notesOf(kinds, flags),
    ],
  };
}

const triedFlows = async (
  api: OpenedCluster,
  before: World,
  after: World,
  flags: SimulateFlags,
): Promise<Recording> => {
  const { since, recording, method, path } = flags;
  if (since !== undefined) return flowsOfLogs(api, before, flags, since);
  if (recording !== undefined) return flowsOfFile(before, recording, flags);
  return { tried: allFlows(after, { method, path }).map(triedFlow), notes: [] };
};

const show = ({ flow: { from, to, port, method, path }, count }: FlowChange): string =>
  `${from} -> ${to}:${port}${method === undefined ? '' : ` ${method} ${path ?? '/'}`}${count === undefined ? '' : ` (${count} times)`}`;

/** Compares and prints. Returns 0, or 3 when something would be newly denied. */
export async function policySimulate(api: OpenedCluster, flags: SimulateFlags): Promise<number> {
  const [objects, mesh] = await Promise.all([worldObjects(api), meshConfigOf(api)]);
  const read = (files: readonly string[]): readonly KubernetesObject[] =>
    readTexts(files, true).flatMap(({ text }) => parseDocuments(text));
  const [old, next] = [read(flags.old ?? []), read(flags.filename)];
  const base = flags.old === undefined ? objects : withoutObjects(objects, [...old, ...next]);
  const before = worldOf(withChanges(base, old, []), mesh, api.istioNamespace);
  const after = worldOf(withChanges(base, next, flags.delete ?? []), mesh, api.istioNamespace);
  const { tried, notes } = await triedFlows(api, before, after, flags);
  const changes = changedFlows(before, after, tried);
  const denied = changes.filter(({ after: text }) => !text.startsWith('ALLOWED'));
  const allowed = changes.filter(({ after: text }) => text.startsWith('ALLOWED'));
  if (
    !(await printDocument(
      documentOf('Simulation', {
        flows: tried.length,
        newlyDenied: denied,
        newlyAllowed: allowed,
        problems: after.problems,
      }),
      flags.output,
    ))
  ) {
    process.stdout.write(`${tried.length} flows tried\nwould newly deny ${denied.length}\n`);
    for (const change of denied) process.stdout.write(`  ${show(change)}  ${change.after}\n`);
    process.stdout.write(`would newly allow ${allowed.length}\n`);
    for (const change of allowed) process.stdout.write(`  ${show(change)}\n`);
    for (const problem of after.problems) process.stderr.write(`!! not in force: ${problem}\n`);
  }
  for (const note of notes) process.stderr.write(`${note}\n`);
  return denied.length > 0 ? exitStatus.no : exitStatus.done;
}
