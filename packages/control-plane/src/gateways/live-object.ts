// Does an object in the cluster already say what we would apply? Then nothing is written, so that a restarted control plane
// restarts no gateway and troubles no API server. In: the live object with its managed fields, and ours. Out: a verdict.
// Pure; called by deployer.ts. When in doubt the answer is no: applying once too often changes nothing.
import type { KubernetesObject } from '@ambit/resources';

type Json = Readonly<Record<string, unknown>>;

/** Fields that tell the elements of a list apart; the first that both have counts. */
const ELEMENT_KEYS = ['name', 'containerPort', 'port', 'mountPath', 'uid', 'key', 'topologyKey', 'path'];
/** Maps whose values are quantities: the API server writes `2000m` as `2`. */
const QUANTITIES = new Set(['limits', 'requests']);

/** True when every wanted field is there, and we own no field that we no longer want. */
export function isAsWanted(live: KubernetesObject, wanted: KubernetesObject, manager: string): boolean {
  const owned = ownedFields(live, manager);
  return owned !== undefined && isWithin(wanted, live, '') && isWantedField(owned, wanted);
}

/** The field set that the API server keeps for a manager of applies; undefined when we never applied. */
function ownedFields({ metadata }: KubernetesObject, manager: string): Json | undefined {
  const managers = (metadata as { managedFields?: readonly Json[] } | undefined)?.managedFields ?? [];
  const entry = managers.find(
    (m) => m['manager'] === manager && m['operation'] === 'Apply' && (m['subresource'] ?? '') === '',
  );
  const fields = entry?.['fieldsV1'];
  return isMap(fields) ? fields : undefined;
}

/** Every wanted value is in the live one. What the API server leaves out as empty counts as equal to empty. */
function isWithin(wanted: unknown, live: unknown, field: string): boolean {
  if (isEmpty(wanted)) return isEmpty(live) || deepEqual(wanted, live);
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && wanted.every((item, index) => isWithin(item, counterpart(item, index, live), field));
  }
  if (isMap(wanted)) {
    return (
      isMap(live) &&
      Object.entries(wanted).every(([key, value]) =>
        QUANTITIES.has(field) ? isSameQuantity(value, live[key]) : isWithin(value, live[key], key),
      )
    );
  }
  return wanted === live;
}

function counterpart(item: unknown, index: number, live: readonly unknown[]): unknown {
  if (!isMap(item)) return live.includes(item) ? item : undefined;
  const key = ELEMENT_KEYS.find((k) => item[k] !== undefined);
  return key === undefined ? live[index] : live.find((other) => isMap(other) && other[key] === item[key]);
}

/** A field set (`f:<name>`, `k:<keys>`, `v:<value>`, `.`) lies within what is wanted. */
function isWantedField(fields: Json, wanted: unknown): boolean {
  return Object.entries(fields).every(([path, inner]) => {
    const rest = path.slice(2);
    if (path === '.') return true;
    if (path.startsWith('f:')) return isMap(wanted) && rest in wanted && isWantedField(asMap(inner), wanted[rest]);
    if (path.startsWith('v:')) return Array.isArray(wanted) && wanted.includes(parsed(rest));
    if (!path.startsWith('k:') || !Array.isArray(wanted)) return false;
    const keys = asMap(parsed(rest));
    const element = wanted.find((item) => isMap(item) && Object.entries(keys).every(([k, v]) => item[k] === v));
    return element !== undefined && isWantedField(asMap(inner), element);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Two quantities of Kubernetes mean the same amount. */
function isSameQuantity(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const [x, y] = [amountOf(a), amountOf(b)];
  return x !== undefined && x === y;
}

function amountOf(quantity: unknown): number | undefined {
  const text = typeof quantity === 'number' ? String(quantity) : quantity;
  if (typeof text !== 'string' || text === '') return undefined;
  const suffix = Object.keys(SUFFIXES)
    .toSorted((a, b) => b.length - a.length)
    .find((s) => text.endsWith(s));
  const amount = Number(suffix === undefined ? text : text.slice(0, -suffix.length));
  return Number.isNaN(amount) ? undefined : amount * (suffix === undefined ? 1 : (SUFFIXES[suffix] ?? 1));
}

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const asMap = (value: unknown): Json => (isMap(value) ? value : {});
const deepEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return true;
  return Array.isArray(value) ? value.length === 0 : isMap(value) && Object.keys(value).length === 0;
}
