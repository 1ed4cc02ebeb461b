// Hosts that Services and ServiceEntries define, by who may see them. In: the inventory. Out: look-up by the host of a route or of
// a DestinationRule. Called by the analyzers of VirtualServices and DestinationRules. Pure.
import { type Json, mapOf, mapsOf, numberOf, textsOf } from '../validate/json.ts';
import type { Inventory } from './inventory.ts';

const SUFFIX = '.svc.cluster.local';
/** Scope of what everybody sees. */
export const EVERYBODY = '*';
const OWN_NAMESPACE = '.';

/** True when two host names, each perhaps beginning with `*`, overlap. */
export function hostsOverlap(a: string, b: string): boolean {
  const [isWildA, isWildB] = [a.startsWith('*'), b.startsWith('*')];
  if (isWildA && isWildB) {
    return a.length < b.length ? b.slice(1).endsWith(a.slice(1)) : a.slice(1).endsWith(b.slice(1));
  }
  if (isWildA) return b.endsWith(a.slice(1));
  return isWildB ? a.endsWith(b.slice(1)) : a === b;
}

/** Short names become full ones; wildcards and names with a dot stay. */
export function fullHost(namespace: string, host: string): string {
  return host.startsWith('*') || host.includes('.') ? host : `${host}.${namespace}${SUFFIX}`;
}

/** `<namespace>/<name>` of the Service that a host means: cluster-local full names, else a short name. */
export function serviceOfHost(namespace: string, host: string): string {
  const [ofNamespace, name] = localNameOf(host);
  return ofNamespace === '' ? `${namespace}/${host}` : `${ofNamespace}/${name}`;
}

/** Namespace and name in a cluster-local full name; empty texts when it is none. */
function localNameOf(host: string): readonly [namespace: string, name: string] {
  if (!host.endsWith(SUFFIX)) return ['', ''];
  const local = host.slice(0, -SUFFIX.length);
  const dot = local.lastIndexOf('.', local.length - 2);
  return dot < 1 ? ['', ''] : [local.slice(dot + 1), local.slice(0, dot)];
}

/** True when `exportTo` reaches every namespace; an empty list does. */
export function isExportedToAll(exportTo: readonly string[]): boolean {
  return exportTo.length === 0 || exportTo.includes(EVERYBODY);
}

/** Scopes of `exportTo`: one for everybody, or the named namespaces with `.` replaced. */
export function scopesOf(exportTo: readonly string[], namespace: string): string[] {
  if (isExportedToAll(exportTo)) return [EVERYBODY];
  return [...new Set(exportTo.map((to) => (to === OWN_NAMESPACE ? namespace : to)))];
}

/** What defines a host. */
export interface HostDefinition {
  readonly ports: readonly number[];
  /** Labels of `workloadSelector`; empty for Services. */
  readonly selector: Readonly<Record<string, unknown>>;
}

/** Hosts of the mesh by scope. */
export class HostIndex {
  readonly #hosts = new Map<string, HostDefinition>();
  readonly #wildcards: { readonly scope: string; readonly suffix: string; readonly definition: HostDefinition }[] = [];

  constructor(objects: Inventory) {
    for (const entry of objects.all('ServiceEntry')) {
      const definition = {
        ports: mapsOf(entry.spec['ports']).map((port) => numberOf(port['number'])),
        selector: mapOf(mapOf(entry.spec['workloadSelector'])['labels']),
      };
      const exportTo = textsOf(entry.spec['exportTo']);
      for (const host of textsOf(entry.spec['hosts'])) {
        for (const scope of exportTo.includes(EVERYBODY) ? scopesBefore(exportTo) : exportTo) {
          this.#set(scope === OWN_NAMESPACE ? entry.namespace : scope, entry.namespace, host, definition);
        }
        if (isExportedToAll(exportTo)) this.#set(EVERYBODY, entry.namespace, host, definition);
      }
    }
    for (const service of objects.all('Service')) {
      const definition = {
        ports: mapsOf(service.spec['ports']).map((port) => numberOf(port['port'])),
        selector: {},
      };
      for (const scope of serviceScopes(service.annotations['networking.istio.io/exportTo'], service.namespace)) {
        this.#set(scope, service.namespace, service.name, definition);
      }
    }
  }

  #set(scope: string, namespace: string, host: string, definition: HostDefinition): void {
    const full = fullHost(namespace, host);
    this.#hosts.set(`${scope}/${full}`, definition);
    if (full.startsWith('*')) this.#wildcards.push({ scope, suffix: full.slice(1), definition });
  }

  /** What defines `host` as seen from `namespace` by an object with this `exportTo`. */
  find(namespace: string, exportTo: readonly string[], host: string): HostDefinition | undefined {
    const full = fullHost(namespace, host);
    const scopes = exportTo.length === 0 ? [namespace] : exportTo.map((to) => (to === OWN_NAMESPACE ? namespace : to));
    for (const scope of [EVERYBODY, ...scopes]) {
      const found = this.#hosts.get(`${scope}/${full}`);
      if (found !== undefined) return found;
    }
    const tail = host.startsWith('*') ? host.slice(1) : host;
    return this.#wildcards.find(
      ({ scope, suffix }) => (scope === EVERYBODY || scope === namespace) && tail.endsWith(suffix),
    )?.definition;
  }
}

/** Namespaces named before `*`: upstream files the host there, too. */
function scopesBefore(exportTo: readonly string[]): readonly string[] {
  return exportTo.slice(0, exportTo.indexOf(EVERYBODY));
}

function serviceScopes(annotation: string | undefined, namespace: string): string[] {
  if (annotation === undefined || annotation === '') return [EVERYBODY];
  return annotation.split(',').map((part) => (part.trim() === OWN_NAMESPACE ? namespace : part.trim()));
}

/** Ports and destinations of rules, with the field that names each. */
export interface NamedDestination {
  readonly destination: Json;
  /** Path of its host, for the line of a message. */
  readonly path: string;
  readonly isMirror: boolean;
}

/** Destinations of the routes of a VirtualService, then its mirrors. */
export function destinationsOf(spec: Json): NamedDestination[] {
  const routes = ['tcp', 'tls', 'http'].flatMap((part) =>
    mapsOf(spec[part]).flatMap((rule, i) =>
      mapsOf(rule['route']).map((route, j) => ({
        destination: mapOf(route['destination']),
        path: `.spec.${part}[${i}].route[${j}].destination.host`,
        isMirror: false,
      })),
    ),
  );
  const mirrors = mapsOf(spec['http']).flatMap((rule, i) => {
    const one = rule['mirror'] === undefined || rule['mirror'] === null ? [] : [mapOf(rule['mirror'])];
    return [
      ...one.map((destination) => ({ destination, path: `.spec.http[${i}].mirror.host`, isMirror: true })),
      ...mapsOf(rule['mirrors']).map((mirror, j) => ({
        destination: mapOf(mirror['destination']),
        path: `.spec.http[${i}].mirrors[${j}].host`,
        isMirror: true,
      })),
    ];
  });
  return [...routes, ...mirrors];
}
