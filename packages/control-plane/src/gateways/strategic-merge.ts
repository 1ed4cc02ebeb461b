// Strategic merge patch of Kubernetes, as far as Deployments, Services, ServiceAccounts and their scalers need it: lists with a
// key are merged by it, other lists are replaced, `null` deletes, `$patch` and its relatives are honoured.
// In: an object and a patch, both plain JSON. Out: a new object. Pure; called by overlays.ts.
// Source: Kubernetes API conventions, "strategic merge patch".

type Json = Record<string, unknown>;

/** A patch that cannot be applied. */
export class PatchError extends TypeError {}

/** Deepest nesting of a patch; deeper ones are refused. */
const MAX_DEPTH = 64;

/** Keys of lists by field, or by parent and field where a field name has several meanings. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  env: 'name',
  'containers/ports': 'containerPort',
  'initContainers/ports': 'containerPort',
  'spec/ports': 'port',
  volumes: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  imagePullSecrets: 'name',
  secrets: 'name',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
  schedulingGates: 'name',
  resourceClaims: 'name',
  ownerReferences: 'uid',
};
/** Lists of texts that are united. */
const UNITED = new Set(['finalizers']);
const DELETE_FROM = '$deleteFromPrimitiveList/';
const SET_ORDER = '$setElementOrder/';

/** The object with the patch applied. Throws PatchError. */
export function strategicMerge(object: Json, patch: Json): Json {
  return mergeMap(object, patch, '', '', 0);
}

function mergeMap(original: Json, patch: Json, parent: string, field: string, depth: number): Json {
  if (depth > MAX_DEPTH) throw new PatchError(`nested deeper than ${MAX_DEPTH} levels`);
  const { $patch: directive, $retainKeys: retained, ...changes } = patch;
  if (directive === 'replace') return clean(changes) as Json;
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw new PatchError('unknown $patch directive');
  const kept = Array.isArray(retained)
    ? Object.entries(original).filter(([key]) => retained.includes(key))
    : Object.entries(original);
  const result: Json = Object.fromEntries(kept);
  const place = field === '' ? parent : field;
  for (const [key, value] of Object.entries(changes)) {
    if (key.startsWith(SET_ORDER)) continue;
    if (key.startsWith(DELETE_FROM)) {
      removeFrom(result, key.slice(DELETE_FROM.length), value);
      continue;
    }
    if (value === null) delete result[key];
    else setOwn(result, key, mergeValue(ownOf(result, key), value, place, key, depth + 1));
  }
  return result;
}

function mergeValue(original: unknown, value: unknown, parent: string, field: string, depth: number): unknown {
  if (Array.isArray(value)) return mergeList(Array.isArray(original) ? original : [], value, parent, field, depth);
  if (isMap(value)) return mergeMap(isMap(original) ? original : {}, value, parent, field, depth);
  return value;
}

function mergeList(
  original: readonly unknown[],
  patch: readonly unknown[],
  parent: string,
  field: string,
  depth: number,
): unknown[] {
  if (UNITED.has(field)) return [...new Set([...original, ...patch])];
  const mergeKey = MERGE_KEYS[`${parent}/${field}`] ?? MERGE_KEYS[field];
  if (mergeKey === undefined || !patch.every(isMap)) return clean(patch) as unknown[];
  const plain = patch.filter((item) => item['$patch'] === undefined || item['$patch'] === 'merge');
  const isReplaced = patch.some((item) => item['$patch'] === 'replace' && item[mergeKey] === undefined);
  const gone = new Set(patch.filter((item) => item['$patch'] === 'delete').map((item) => item[mergeKey]));
  const server = (isReplaced ? [] : original.filter(isMap)).filter((item) => !gone.has(item[mergeKey]));
  const merged = new Map<unknown, Json>();
  for (const item of [...plain, ...patch.filter((i) => i['$patch'] === 'replace' && i[mergeKey] !== undefined)]) {
    const key = item[mergeKey];
    if (key === undefined) throw new PatchError(`an element of ${field} has no ${mergeKey}`);
    const base = merged.get(key) ?? server.find((s) => s[mergeKey] === key) ?? {};
    merged.set(key, mergeMap(base, item, '', field, depth + 1));
  }
  return interleave(server, merged, mergeKey);
}

/** What the patch names keeps the patch's order; the rest is put in front of the first later element of the old order. */
function interleave(server: readonly Json[], merged: ReadonlyMap<unknown, Json>, mergeKey: string): Json[] {
  const position = new Map(server.map((item, index) => [item[mergeKey], index]));
  const rest = server.filter((item) => !merged.has(item[mergeKey]));
  const named = [...merged];
  const result: Json[] = [];
  while (rest.length > 0 || named.length > 0) {
    const [next] = rest;
    const at = named[0] === undefined ? undefined : position.get(named[0][0]);
    const isBefore = at !== undefined && next !== undefined && (position.get(next[mergeKey]) ?? 0) < at;
    if (next !== undefined && (named.length === 0 || isBefore)) {
      result.push(next);
      rest.shift();
    } else {
      const entry = named.shift();
      if (entry !== undefined) result.push(entry[1]);
    }
  }
  return result;
}

function removeFrom(result: Json, field: string, values: unknown): void {
  const list = ownOf(result, field);
  if (Array.isArray(list) && Array.isArray(values)) result[field] = list.filter((item) => !values.includes(item));
}

/** A new value has no directives and no deletions. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).filter(([key, v]) => v !== null && !key.startsWith('$'));
  return Object.fromEntries(entries.map(([key, v]) => [key, clean(v)]));
}

const ownOf = (object: Json, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined);

/** `__proto__` is a name like any other. */
function setOwn(object: Json, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
