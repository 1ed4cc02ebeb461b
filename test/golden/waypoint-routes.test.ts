// Routes at a waypoint and statuses of routes and Gateways against recorded behaviour: `golden/cases/waypoint-routes` through our
// translation. Compared: order and match of routes, destinations and weights, timeouts, retries, direct responses, statuses.
// Filter names, chains and clusters of the upstream proxy are not ours. Pure, one process, no sockets.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { Model, modelOptions } from '@ambit/model';
import { FRONTEND_TYPE_URL, ROUTE_TABLE_TYPE_URL } from '@ambit/proto/type-urls';
import { FrontendSchema, type HttpRoute, RouteTableSchema, type StringMatch } from '@ambit/proto/waypoint';
import { parseDocuments } from '@ambit/resources';
import { deviations } from './deviations.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden'),
  'cases/waypoint-routes',
);

interface DigestRoute {
  name: string;
  match: {
    path?: string;
    pathSeparatedPrefix?: string;
    prefix?: string;
    regex?: string;
    headers?: string[];
    query?: string[];
    ignoreCase?: boolean;
  };
  to?: { cluster: string; weight?: number }[];
  timeout?: string;
  retry?: { attempts?: number } | null;
  directResponse?: { status: number };
  redirect?: object;
}
interface Digest {
  clusters: { name: string }[];
  chains: {
    name: string;
    kind: string;
    virtualHosts?: { routes: DigestRoute[] }[];
    networkFilters?: { to?: DigestRoute['to'] }[];
  }[];
}
/** A route in the words that both sides share. */
interface Plain {
  match: object;
  to: { host: string; weight: number }[] | string;
  timeout: string;
  attempts: number;
}

if (existsSync(folder)) {
  test('golden waypoint-routes', () => {
    const names = readdirSync(folder).toSorted((a, b) => (a < b ? -1 : 1));
    let passed = 0;
    const failures: string[] = [];
    const listed: string[] = [];
    for (const name of names) {
      const input = readFileSync(join(folder, name, 'input.yaml'), 'utf8');
      const reason = deviations['waypoint-routes'][name.slice(name.indexOf('-') + 1)];
      try {
        runCase(join(folder, name), input);
        passed++;
      } catch (error) {
        const text = error instanceof Error ? error.message.split('\n').slice(0, 50).join('\n') : String(error);
        if (reason === undefined) failures.push(`${name}: ${text}`);
        else listed.push(`${name}: ${reason}`);
      }
    }
    console.log(
      `golden waypoint-routes: ${passed}/${names.length} (listed: ${listed.length}, failed: ${failures.length})`,
    );
    for (const line of listed) console.log(`  listed  ${line}`);
    for (const failure of failures.slice(0, 10)) console.log(`  failed  ${failure}`);
    assert.equal(failures.length, 0, `${failures.length} cases differ`);
  });
} else if (process.env['AMBIT_GOLDEN_DIR'] !== undefined) {
  test('golden waypoint-routes', () => assert.fail(`missing folder ${folder}`));
} else test('golden waypoint-routes', { skip: `no recorded behaviour in ${folder}` }, () => {});

function runCase(path: string, input: string): void {
  const model = new Model(modelOptions());
  model.apply(parseDocuments(input).map((object) => ({ type: 'upsert', object })));
  const digest = JSON.parse(readFileSync(join(path, 'digest.json'), 'utf8')) as Digest;
  const clusters = new Set(digest.clusters.map((c) => c.name));
  for (const chain of digest.chains) {
    const [, port = '', kind, host = ''] = chain.name.split('|');
    if (kind === 'tcp') {
      const filter = chain.networkFilters?.find((f) => f.to !== undefined);
      assert.deepEqual(oursOfStream(model, host, Number(port)), normal(weightsOf(filter?.to, clusters)), chain.name);
    }
    if (kind !== 'http') continue;
    assert.deepEqual(
      ours(model, host, Number(port)),
      (chain.virtualHosts?.[0]?.routes ?? []).map((route) => theirs(route, clusters)),
    );
  }
  compareStatus(model, JSON.parse(readFileSync(join(path, 'status.json'), 'utf8')) as Statuses);
}

function theirs(route: DigestRoute, clusters: ReadonlySet<string>): Plain {
  const { match: given, to, timeout = '0s', retry, directResponse, redirect } = route;
  const { ignoreCase, ...match } = given;
  const weights = weightsOf(to, clusters);
  return {
    match: {
      ...match,
      // A regular expression has its own way to ignore case.
      ...(ignoreCase === true && match.regex === undefined && { ignoreCase }),
      headers: (match.headers ?? []).toSorted(byText),
      query: (match.query ?? []).toSorted(byText),
    },
    to:
      redirect !== undefined
        ? 'redirect'
        : directResponse !== undefined
          ? `direct ${directResponse.status}`
          : normal(weights),
    timeout,
    attempts: redirect !== undefined || directResponse !== undefined ? 0 : (retry?.attempts ?? 0),
  };
}

function weightsOf(to: DigestRoute['to'], clusters: ReadonlySet<string>): { host: string; weight: number }[] {
  return (to ?? []).map(({ cluster, weight = 1 }) => ({
    host: clusters.has(cluster) ? hostOfCluster(cluster) : 'invalid',
    weight,
  }));
}

/** Destinations of the first L4 route, else the service itself. */
function oursOfStream(model: Model, host: string, port: number): { host: string; weight: number }[] {
  const key = [...model.config.names(FRONTEND_TYPE_URL)].find((name) => name.endsWith(`/${host}`)) ?? '';
  const resource = model.config.get(FRONTEND_TYPE_URL, key);
  const declared = fromBinary(FrontendSchema, resource?.bytes ?? new Uint8Array()).ports.find((p) => p.port === port);
  const [route] = declared?.l4Routes ?? [];
  if (route === undefined) return [{ host: hostOfBackend(declared?.backend ?? ''), weight: 1 }];
  return normal(
    route.targets.map((t) => ({ host: t.invalid ? 'invalid' : hostOfBackend(t.backend), weight: t.weight })),
  );
}

function hostOfCluster(cluster: string): string {
  const parts = cluster.split('|');
  const subset = parts[2]?.split('/')[1];
  return `${parts.at(-1) ?? ''}:${parts[1] ?? ''}${subset === undefined ? '' : `/${subset}`}`;
}

/** A single destination takes all, whatever its weight. */
function normal(targets: { host: string; weight: number }[]): { host: string; weight: number }[] {
  return targets.length === 1 ? targets.map((t) => ({ ...t, weight: 1 })) : targets;
}

function ours(model: Model, host: string, port: number): Plain[] {
  const key = [...model.config.names(FRONTEND_TYPE_URL)].find((name) => name.endsWith(`/${host}`)) ?? '';
  assert.notEqual(key, '', `frontend of ${host}`);
  const table = model.config.get(ROUTE_TABLE_TYPE_URL, `${key}:${port}`);
  const base = { match: { prefix: '/', headers: [], query: [] }, timeout: '0s', attempts: 2 };
  if (table === undefined) return [{ ...base, to: [{ host: `${host}:${port}`, weight: 1 }] }];
  const plain: Plain[] = [];
  for (const route of fromBinary(RouteTableSchema, table.bytes).routes) {
    plain.push(plainOf(route));
    // What follows a catch-all is never asked; upstream leaves it out.
    if (JSON.stringify(plain.at(-1)?.match) === JSON.stringify(base.match)) break;
  }
  return plain;
}

function plainOf(route: HttpRoute): Plain {
  const match = route.matches[0];
  const headers = [
    ...(match?.method === undefined ? [] : [`:method ${textOf(match.method)}`]),
    ...(match?.authority === undefined ? [] : [`:authority ${textOf(match.authority)}`]),
    ...(match?.scheme === undefined ? [] : [`:scheme ${textOf(match.scheme)}`]),
    ...(match?.headers ?? []).map(
      (h) =>
        `${h.invert ? 'not ' : ''}${h.name.toLowerCase()} ${h.present ? 'present' : textOf(h.value)}` +
        (h.treatMissingAsEmpty ? ' (missing-as-empty)' : ''),
    ),
  ];
  const query = (match?.query ?? []).map((q) => `${q.name} ${textOf(q.value)}`);
  const action = route.action;
  const targets = action.case === 'forward' ? action.value.targets : [];
  const weights = targets.map((t) => ({ host: t.invalid ? 'invalid' : hostOfBackend(t.backend), weight: t.weight }));
  const seconds = Number(route.timeout?.seconds ?? 0) + (route.timeout?.nanos ?? 0) / 1e9;
  return {
    match: {
      ...pathOf(match?.path, match?.segmentPrefix ?? false),
      ...(match?.ignoreCase === true && { ignoreCase: true }),
      headers: headers.toSorted(byText),
      query: query.toSorted(byText),
    },
    to:
      action.case === 'redirect'
        ? 'redirect'
        : action.case === 'direct'
          ? `direct ${action.value.status}`
          : normal(weights),
    timeout: `${seconds}s`,
    attempts: action.case === 'forward' ? (route.retry?.attempts ?? 2) : 0,
  };
}

function hostOfBackend(backend: string): string {
  const [, host = '', port = '', subset] = backend.split('/');
  return `${host}:${port}${subset === undefined ? '' : `/${subset}`}`;
}

function pathOf(path: StringMatch | undefined, isSegment: boolean): object {
  const value = typeof path?.m.value === 'string' ? path.m.value : '/';
  if (path?.m.case === 'exact') return { path: value };
  if (path?.m.case === 'regex') return { regex: value };
  if (!isSegment || value === '/') return { prefix: value };
  return { pathSeparatedPrefix: value.endsWith('/') ? value.slice(0, -1) : value };
}

function textOf(match: StringMatch | undefined): string {
  return `${match?.m.case ?? 'exact'}=${String(match?.m.value ?? '')}`;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

type Conditions = readonly { readonly type: string }[];
type Statuses = Record<
  string,
  { conditions?: Conditions; addresses?: object[]; parents?: { parentRef: object; conditions: Conditions }[] }
>;

function compareStatus(model: Model, expected: Statuses): void {
  const wanted = Object.entries(expected).filter(([name]) =>
    ['HTTPRoute ', 'GRPCRoute ', 'TCPRoute ', 'TLSRoute ', 'Gateway '].some((kind) => name.startsWith(kind)),
  );
  const found = new Map([...model.statuses()].map((status) => [`${status.kind} ${status.key}`, status]));
  for (const [name, { conditions, addresses, parents }] of wanted) {
    const status = found.get(name);
    if (status?.kind === 'Gateway') {
      assert.deepEqual(sortedConditions(status.conditions), sortedConditions(conditions ?? []), name);
      assert.deepEqual(status.addresses, addresses, name);
      continue;
    }
    const mine = (status !== undefined && 'parents' in status ? status.parents : []).map((p) => ({
      parentRef: p.parentRef,
      conditions: sortedConditions(p.conditions),
    }));
    const theirParents = (parents ?? []).map((p) => ({
      parentRef: p.parentRef,
      conditions: sortedConditions(p.conditions),
    }));
    assert.deepEqual(mine, theirParents, name);
  }
}

const sortedConditions = (list: Conditions): Conditions => list.toSorted((a, b) => byText(a.type, b.type));
