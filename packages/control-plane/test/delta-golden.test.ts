// Delta xDS transcripts against recorded behaviour: every case of `golden/cases/delta` through our model, sources and server.
// Nonces, versions and server info are opaque (decision W4): a version is compared as "changed or not".
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Model, modelOptions, type ObjectChange } from '@ambit/model';
import { AuthorizationSchema } from '@ambit/proto/authorization';
import type { DeltaDiscoveryResponse } from '@ambit/proto/discovery';
import { AddressSchema, WorkloadSchema } from '@ambit/proto/workload';
import { parseDocuments } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { createXdsServer } from '@ambit/xds/server';
import { openRawClient, type RawXdsClient } from '@ambit/xds/testing';
import { authorizeClient } from '../src/clients/authorize.ts';
import { listenGrpc } from '../src/listen.ts';
import { createSnapshot } from '../src/snapshot/sources.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../../shared/golden'),
  'cases/delta',
);

/** Cases whose recorded behaviour we leave on purpose; the one list of all groups. Keys are titles without their numbers. */
const { delta: deviations } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/golden/deviations.json'), 'utf8'),
) as { delta: Readonly<Record<string, string>> };

interface Request {
  typeUrl?: string;
  resourceNamesSubscribe?: string[];
  resourceNamesUnsubscribe?: string[];
  initialResourceVersions?: Record<string, string>;
  responseNonce?: string;
  errorDetail?: { code?: number; message?: string };
}
interface Operation {
  send?: Request;
  wait?: boolean;
  apply?: string;
  delete?: string;
  reconnect?: boolean;
  forcedPush?: boolean;
}
interface Event {
  send?: Request & { node?: { id: string; metadata?: Record<string, JsonValue> } };
  receive?: {
    typeUrl?: string;
    resources?: { name: string; resource?: JsonValue; aliases?: string[] }[];
    removedResources?: string[];
  }[];
  streamError?: unknown;
}

/** What one wait brought, as names and contents. */
interface Received {
  answered: boolean;
  resources: Record<string, { aliases: string[]; resource: unknown }>;
  removed: string[];
}

const schemas = { Address: AddressSchema, Workload: WorkloadSchema, Authorization: AuthorizationSchema } as const;

if (!existsSync(folder)) {
  test(
    'golden delta',
    { skip: process.env['AMBIT_GOLDEN_DIR'] === undefined && `no recorded behaviour in ${folder}` },
    () => assert.fail(`missing folder ${folder}`),
  );
} else {
  test('golden delta', async () => {
    const names = readdirSync(folder).toSorted((a, b) => (a < b ? -1 : 1));
    let passed = 0;
    const failures: string[] = [];
    const listed: string[] = [];
    for (const name of names) {
      const reason = deviations[name.slice(name.indexOf('-') + 1)];
      try {
        await runCase(join(folder, name));
        passed++;
      } catch (error) {
        const text = error instanceof Error ? error.message.split('\n').slice(0, 30).join('\n') : String(error);
        if (reason === undefined) failures.push(`${name}: ${text}`);
        else listed.push(`${name}: ${reason}`);
      }
    }
    process.stdout.write(
      `golden delta: ${passed}/${names.length} (listed deviations: ${listed.length}, failed: ${failures.length})\n`,
    );
    for (const line of [...listed.map((l) => `  listed  ${l}`), ...failures.map((f) => `  failed  ${f}`)])
      process.stdout.write(`${line}\n`);
    assert.equal(failures.length, 0);
  });
}

async function runCase(path: string): Promise<void> {
  const read = (file: string): string => readFileSync(join(path, file), 'utf8');
  const model = new Model(modelOptions());
  model.apply(changesOf(read('input.yaml'), false));
  const snapshot = createSnapshot(() => model, {
    keyOf: () => undefined,
    onChange: () => undefined,
    close: () => undefined,
  });
  const xds = createXdsServer({
    sources: snapshot.sources,
    log: silentLogger,
    debounceMs: 5,
    authenticate: () => undefined,
    authorize: (node, identity) => authorizeClient(node, identity, true),
  });
  const listener = await listenGrpc('127.0.0.1', 0, undefined, (server) => xds.mount(server, { isTls: false }));
  const streams: RawXdsClient[] = [];
  try {
    const { ops } = JSON.parse(read('scenario.json')) as { ops: Operation[] };
    const events = (JSON.parse(read('expected.json')) as { events: Event[] }).events;
    const open = (): RawXdsClient => {
      const stream = openRawClient(`127.0.0.1:${listener.port}`);
      streams.push(stream);
      return stream;
    };
    let stream = open();
    const nonces = new Map<string, string>();
    const versions = new Map<string, string>();
    const sends = events.filter((e) => e.send !== undefined);
    const receives = events.filter((e) => e.receive !== undefined);
    const held = new Map<string, string>();
    let isFirst = true;
    let isOver = false;
    let isAnswer = false;
    let sent = 0;
    for (const op of ops) {
      if (op.reconnect === true) {
        stream.close();
        stream = open();
        isFirst = true;
        nonces.clear();
        held.clear();
      }
      if (op.apply !== undefined) snapshot.announce(model.apply(changesOf(read(op.apply), false)));
      if (op.delete !== undefined) snapshot.announce(model.apply(changesOf(read(op.delete), true)));
      if (op.forcedPush === true) xds.forcePush();
      if (op.send !== undefined && !isOver) {
        const node = sends[sent++]?.send?.node;
        stream.send(requestOf(op.send, isFirst ? node : undefined, nonces, versions));
        isFirst = false;
        isAnswer = true;
      }
      if (op.wait === true) {
        const expected = receives.shift();
        const recorded = expected?.receive ?? [];
        const wanted = isAnswer ? recorded : withoutResent(recorded, held);
        isAnswer = false;
        if (!isOver && JSON.stringify(wanted).includes('streamError')) {
          isOver = true;
          await stream.status;
        }
        const responses = isOver ? [] : await receive(stream, (got) => isAsReceived(got, wanted));
        for (const response of responses) {
          nonces.set(response.typeUrl, response.nonce);
          for (const { name, version } of response.resources) versions.set(name, version);
        }
        if (!isOver) compareReceived(responses, wanted);
        for (const { typeUrl, resources = [] } of recorded)
          for (const { name, resource } of resources) held.set(`${typeUrl} ${name}`, JSON.stringify(resource));
      }
    }
  } finally {
    for (const stream of streams) stream.close();
    xds.close();
    listener.destroy();
  }
}

/** Upstream pushes the workloads of a changed service again although the client has them; only changes are required (W6). */
function withoutResent(
  pushed: NonNullable<Event['receive']>,
  held: ReadonlyMap<string, string>,
): NonNullable<Event['receive']> {
  return pushed
    .map((response) => ({
      ...response,
      resources: (response.resources ?? []).filter(
        ({ name, resource }) => held.get(`${response.typeUrl} ${name}`) !== JSON.stringify(resource),
      ),
    }))
    .filter(({ resources, removedResources = [] }) => resources.length + removedResources.length > 0);
}

/** Quiet time after which nothing more is expected. */
const QUIET_MS = 60;
/** Longest wait for what is expected. */
const DEADLINE_MS = 3_000;

/** Reads until all is there that is expected, and then until it is quiet: what comes too much is found as well. */
async function receive(
  stream: RawXdsClient,
  isComplete: (got: readonly DeltaDiscoveryResponse[]) => boolean,
): Promise<DeltaDiscoveryResponse[]> {
  const responses: DeltaDiscoveryResponse[] = [];
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const next = await stream.next(isComplete(responses) ? QUIET_MS : Math.max(deadline - Date.now(), 1));
    if (next === undefined) return responses;
    responses.push(next);
  }
}

function isAsReceived(responses: readonly DeltaDiscoveryResponse[], expected: NonNullable<Event['receive']>): boolean {
  try {
    compareReceived(responses, expected);
    return true;
  } catch {
    return false;
  }
}

function requestOf(
  request: Request,
  node: { id: string; metadata?: Record<string, JsonValue> } | undefined,
  nonces: ReadonlyMap<string, string>,
  versions: ReadonlyMap<string, string>,
): Parameters<RawXdsClient['send']>[0] {
  const { errorDetail, responseNonce, initialResourceVersions = {}, typeUrl = '' } = request;
  const resolved = Object.entries(initialResourceVersions).map(([name, version]) => {
    const wanted = version.startsWith('$version:') ? (versions.get(version.slice(9, -1)) ?? '') : version;
    return [name, wanted] as const;
  });
  return {
    typeUrl,
    resourceNamesSubscribe: request.resourceNamesSubscribe ?? [],
    resourceNamesUnsubscribe: request.resourceNamesUnsubscribe ?? [],
    initialResourceVersions: Object.fromEntries(resolved),
    responseNonce: responseNonce === '$last' ? (nonces.get(typeUrl) ?? '') : (responseNonce ?? ''),
    ...(node !== undefined && { node: { id: node.id, metadata: node.metadata ?? {} } as never }),
    ...(errorDetail !== undefined && {
      errorDetail: { code: errorDetail.code ?? 0, message: errorDetail.message ?? '' },
    }),
  };
}

function compareReceived(responses: readonly DeltaDiscoveryResponse[], expected: NonNullable<Event['receive']>): void {
  const types = new Set([...responses.map((r) => r.typeUrl), ...expected.map((r) => r.typeUrl ?? '')]);
  for (const typeUrl of types) {
    const ours: Received = { answered: false, resources: {}, removed: [] };
    for (const response of responses.filter((r) => r.typeUrl === typeUrl)) {
      ours.answered = true;
      for (const { name, aliases, resource } of response.resources) {
        ours.resources[name] = { aliases: sorted(aliases), resource: decode(resource?.typeUrl ?? '', resource?.value) };
      }
      ours.removed.push(...response.removedResources);
    }
    const theirs: Received = { answered: false, resources: {}, removed: [] };
    for (const response of expected.filter((r) => r.typeUrl === typeUrl)) {
      theirs.answered = true;
      for (const { name, aliases = [], resource } of response.resources ?? []) {
        const { '@type': _type, ...content } = resource as Record<string, JsonValue>;
        theirs.resources[name] = { aliases: sorted(aliases), resource: content };
      }
      theirs.removed.push(...(response.removedResources ?? []));
    }
    assert.deepEqual({ ...ours, removed: sorted(ours.removed) }, { ...theirs, removed: sorted(theirs.removed) });
  }
}

const sorted = (list: readonly string[]): string[] => list.toSorted((a, b) => (a < b ? -1 : 1));

function decode(typeUrl: string, bytes: Uint8Array | undefined): unknown {
  const schema = schemas[typeUrl.slice(typeUrl.lastIndexOf('.') + 1) as keyof typeof schemas];
  if (schema === undefined || bytes === undefined) return undefined;
  return toJson(schema as typeof AddressSchema, fromBinary(schema as typeof AddressSchema, bytes));
}

function changesOf(text: string, isDelete: boolean): ObjectChange[] {
  return parseDocuments(text).map((object) =>
    isDelete
      ? {
          type: 'delete',
          kind: object.kind ?? '',
          namespace: object.metadata?.namespace ?? '',
          name: object.metadata?.name ?? '',
        }
      : { type: 'upsert', object },
  );
}
