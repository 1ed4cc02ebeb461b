/**
 * Who owns which fields, kept through every write (spec/local-cluster.md 5). In: the live object, the new one, who
 * writes; out: the new object with `metadata.managedFields`, or a conflict. Called by the write path. Pure.
 */

import { equalJson, isObject, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Schema } from '../schema/schema.ts';
import { applyConflict, badRequest, internalError } from '../status.ts';
import { typedProblems } from './check.ts';
import { compare } from './compare.ts';
import type { Comparison } from './compare.ts';
import {
  difference,
  differenceBelow,
  emptySet,
  equalSets,
  fieldSetOf,
  formatFieldSet,
  formatPath,
  intersection,
  isEmpty,
  parseFieldSet,
  pathsOf,
  union,
} from './field-set.ts';
import type { FieldNode } from './field-set.ts';
import { merge, removeGivenUp } from './merge.ts';

/** Who writes, and in what role. */
export interface Writer {
  readonly manager: string;
  readonly subresource: string | undefined;
  readonly apiVersion: string;
  /** RFC 3339 time of the write. */
  readonly time: string;
}

interface Entry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
  readonly fields: FieldNode;
}

const member: FieldNode = { member: true, children: new Map() };
const members = (...names: readonly string[]): ReadonlyMap<string, FieldNode> =>
  new Map(names.map((name) => [`f:${name}`, member]));

/** Paths nobody owns. */
const untracked: FieldNode = {
  member: false,
  children: new Map<string, FieldNode>([
    ['f:apiVersion', member],
    ['f:kind', member],
    [
      'f:metadata',
      {
        member: false,
        children: members(
          'name',
          'namespace',
          'creationTimestamp',
          'selfLink',
          'uid',
          'clusterName',
          'generation',
          'managedFields',
          'resourceVersion',
        ),
      },
    ],
  ]),
};

const statusOnly: FieldNode = { member: false, children: members('status') };

/** Leaves out what is never owned, and what the other side (main resource or status) owns. */
function owned(set: FieldNode, writer: Writer, hasStatus: boolean): FieldNode {
  let result = differenceBelow(set, untracked);
  const metadata = result.children.get('f:metadata');
  if (metadata?.member === true) {
    const children = new Map(result.children);
    if (metadata.children.size === 0) children.delete('f:metadata');
    else children.set('f:metadata', { member: false, children: metadata.children });
    result = { member: false, children };
  }
  if (writer.subresource === 'status') {
    return { member: false, children: new Map([...result.children].filter(([key]) => key === 'f:status')) };
  }
  return hasStatus ? differenceBelow(result, statusOnly) : { member: false, children: result.children };
}

function parseEntries(object: unknown): Entry[] {
  const metadata = isObject(object) ? object['metadata'] : undefined;
  const list = isObject(metadata) && Array.isArray(metadata['managedFields']) ? metadata['managedFields'] : [];
  return list.filter(isObject).map((entry) => ({
    manager: shown(entry['manager'] ?? ''),
    operation: entry['operation'] === 'Apply' ? 'Apply' : 'Update',
    apiVersion: shown(entry['apiVersion'] ?? ''),
    subresource: shown(entry['subresource'] ?? ''),
    time: shown(entry['time'] ?? ''),
    fields: parseFieldSet(entry['fieldsV1']),
  }));
}

function compareEntries(a: Entry, b: Entry): number {
  if (a.operation !== b.operation) return a.operation === 'Apply' ? -1 : 1;
  if (a.time !== b.time) return a.time < b.time ? -1 : 1;
  if (a.manager !== b.manager) return a.manager < b.manager ? -1 : 1;
  if (a.apiVersion !== b.apiVersion) return a.apiVersion < b.apiVersion ? -1 : 1;
  return a.subresource < b.subresource ? -1 : a.subresource > b.subresource ? 1 : 0;
}

const formatEntries = (entries: readonly Entry[]): JsonObject[] =>
  entries.toSorted(compareEntries).map((entry) => ({
    manager: entry.manager,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    time: entry.time,
    fieldsType: 'FieldsV1',
    fieldsV1: formatFieldSet(entry.fields),
    ...(entry.subresource === '' ? {} : { subresource: entry.subresource }),
  }));

function withEntries(object: JsonObject, entries: readonly Entry[]): JsonObject {
  const metadata: JsonObject = { ...(isObject(object['metadata']) ? object['metadata'] : {}) };
  if (entries.length === 0) delete metadata['managedFields'];
  else metadata['managedFields'] = formatEntries(entries);
  return { ...object, metadata };
}

const isWriter = (entry: Entry, writer: Writer, operation: 'Apply' | 'Update'): boolean =>
  entry.operation === operation &&
  entry.manager === writer.manager &&
  entry.apiVersion === writer.apiVersion &&
  entry.subresource === (writer.subresource ?? '');

function compareOwned(schema: Schema, live: unknown, next: unknown, writer: Writer, hasStatus: boolean): Comparison {
  const result = compare(schema, live, next);
  return {
    added: owned(result.added, writer, hasStatus),
    modified: owned(result.modified, writer, hasStatus),
    removed: owned(result.removed, writer, hasStatus),
  };
}

/** Takes changed and removed paths from every other manager. */
function takeOver(entries: readonly Entry[], changed: FieldNode, removed: FieldNode): Entry[] {
  const result: Entry[] = [];
  for (const entry of entries) {
    const fields = difference(difference(entry.fields, intersection(entry.fields, changed)), removed);
    if (!isEmpty(fields)) result.push(equalSets(fields, entry.fields) ? entry : { ...entry, fields });
  }
  return result;
}

/**
 * managedFields after a create, update or patch. `sent` is the list in the request: null keeps, an empty list or one
 * empty entry resets, anything else replaces.
 */
export function trackUpdate(options: {
  readonly schema: Schema;
  readonly hasStatus: boolean;
  readonly live: JsonObject | undefined;
  readonly next: JsonObject;
  readonly writer: Writer;
}): JsonObject {
  const { schema, hasStatus, live, next, writer } = options;
  const sent = isObject(next['metadata']) ? next['metadata']['managedFields'] : undefined;
  const isReset =
    Array.isArray(sent) &&
    (sent.length === 0 || (sent.length === 1 && isObject(sent[0]) && Object.keys(sent[0]).length === 0));
  if (isReset && live !== undefined) return withEntries(next, []);
  const before = Array.isArray(sent) && !isReset ? parseEntries(next) : parseEntries(live);
  // An object nobody tracks stays untracked until somebody applies.
  if (live !== undefined && before.length === 0) return withEntries(next, []);
  const base = live ?? { apiVersion: next['apiVersion'], kind: next['kind'], metadata: {} };
  const result = compareOwned(schema, base, next, writer, hasStatus);
  const changed = union(result.added, result.modified);
  const others = takeOver(
    before.filter((entry) => !isWriter(entry, writer, 'Update')),
    changed,
    result.removed,
  );
  const own = before.find((entry) => isWriter(entry, writer, 'Update'));
  const fields = union(difference(own?.fields ?? emptySet, result.removed), changed);
  if (isEmpty(fields)) return withEntries(next, others);
  const time = own !== undefined && equalSets(own.fields, fields) && isEmpty(changed) ? own.time : writer.time;
  return withEntries(next, [
    ...others,
    {
      manager: writer.manager,
      operation: 'Update',
      apiVersion: writer.apiVersion,
      subresource: writer.subresource ?? '',
      time,
      fields,
    },
  ]);
}

interface Conflict {
  readonly entry: Entry;
  readonly path: string;
}

const describe = (entry: Entry): string => {
  const subresource = entry.subresource === '' ? '' : ` with subresource "${entry.subresource}"`;
  return `"${entry.manager}"${subresource}${entry.operation === 'Update' ? ` using ${entry.apiVersion}` : ''}`;
};

function conflictError(conflicts: readonly Conflict[]): Error {
  const causes = conflicts.map(({ entry, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${describe(entry)}`,
    field: path,
  }));
  const first = conflicts[0];
  if (conflicts.length === 1 && first !== undefined) {
    return applyConflict(`Apply failed with 1 conflict: conflict with ${describe(first.entry)}: ${first.path}`, causes);
  }
  const groups = new Map<string, string[]>();
  for (const { entry, path } of conflicts) {
    const paths = groups.get(describe(entry)) ?? [];
    paths.push(`- ${path}`);
    groups.set(describe(entry), paths);
  }
  const text = [...groups].map(([name, paths]) => `conflicts with ${name}:\n${paths.join('\n')}`).join('\n');
  return applyConflict(`Apply failed with ${conflicts.length} conflicts: ${text}`, causes);
}

function conflictsOf(entries: readonly Entry[], changed: FieldNode): Conflict[] {
  return entries
    .toSorted((a, b) => (a.manager < b.manager ? -1 : 1))
    .flatMap((entry) =>
      [...pathsOf(intersection(entry.fields, changed))].map((path) => ({ entry, path: formatPath(path) })),
    );
}

function withoutUntracked(applied: JsonObject): JsonObject {
  const metadata = isObject(applied['metadata']) ? { ...applied['metadata'] } : {};
  delete metadata['managedFields'];
  delete metadata['resourceVersion'];
  return { ...applied, metadata };
}

/**
 * Server-side apply: the live object (or undefined) with the configuration merged in, given-up fields removed and
 * ownership updated. Throws the 409 of a conflict unless `force`, the 500 of a value that does not fit the schema.
 */
export function applyConfiguration(options: {
  readonly schema: Schema;
  readonly hasStatus: boolean;
  readonly live: JsonObject | undefined;
  readonly applied: JsonObject;
  readonly writer: Writer;
  readonly force: boolean;
  /** For the text of type errors: `/a; golden.example.com/v1, Kind=Widget`. */
  readonly described: string;
}): JsonObject {
  const { schema, hasStatus, live, applied, writer, force, described } = options;
  const sent = isObject(applied['metadata']) ? applied['metadata']['managedFields'] : undefined;
  if (sent !== undefined && sent !== null) throw badRequest('metadata.managedFields must be nil');
  const problems = typedProblems(schema, applied, '');
  if (problems.length > 0) {
    const text =
      problems.length === 1 ? problems[0] : `errors:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
    throw internalError(`failed to create typed patch object (${described}): ${text}`);
  }
  const configuration = withoutUntracked(applied);
  const base: JsonObject = live ?? { apiVersion: applied['apiVersion'], kind: applied['kind'], metadata: {} };
  const entries = entriesForApply(schema, base, live !== undefined, writer, hasStatus);
  const last = entries.find((entry) => isWriter(entry, writer, 'Apply'));
  const others = entries.filter((entry) => !isWriter(entry, writer, 'Apply'));
  const fields = owned(fieldSetOf(schema, configuration), writer, hasStatus);
  let next = merge(schema, base, configuration) as JsonObject;
  if (last !== undefined) {
    const allOwned = others.reduce((set, entry) => union(set, entry.fields), fields);
    next = removeGivenUp(schema, next, last.fields, allOwned) as JsonObject;
  }
  const result = compareOwned(schema, base, next, writer, hasStatus);
  const changed = union(result.added, result.modified);
  const conflicts = conflictsOf(others, changed);
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);
  const remaining = takeOver(others, changed, result.removed);
  const isSame = last !== undefined && equalSets(last.fields, fields) && equalJson(base, next);
  const own: Entry = {
    manager: writer.manager,
    operation: 'Apply',
    apiVersion: writer.apiVersion,
    subresource: writer.subresource ?? '',
    time: isSame ? last.time : writer.time,
    fields,
  };
  return withEntries(next, isEmpty(fields) ? remaining : [...remaining, own]);
}

/** Entries before an apply; fields of an untracked live object belong to `before-first-apply`. */
function entriesForApply(
  schema: Schema,
  base: JsonObject,
  isLive: boolean,
  writer: Writer,
  hasStatus: boolean,
): Entry[] {
  const entries = parseEntries(base);
  if (entries.length > 0 || !isLive) return entries;
  const empty = { apiVersion: base['apiVersion'], kind: base['kind'], metadata: {} };
  const everything = compareOwned(schema, empty, base, { ...writer, subresource: undefined }, hasStatus).added;
  return isEmpty(everything)
    ? []
    : [
        {
          manager: 'before-first-apply',
          operation: 'Update',
          apiVersion: writer.apiVersion,
          subresource: '',
          time: writer.time,
          fields: everything,
        },
      ];
}
