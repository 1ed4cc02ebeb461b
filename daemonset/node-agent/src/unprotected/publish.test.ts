// The count of unprotected connections as pods' annotations say it: what is so, whatever happened before or happens meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { type EnrolmentWorld, enrolmentWorld, podOf } from '../enrol/enrolment-world.ts';
import { publishUnprotected, type UnprotectedWatchParts } from './publish.ts';
import type { TableConnection } from './table.ts';
import { openConnection } from './testing.ts';

const annotation = 'ambient.ambit.io/unprotected-connections';
const old = openConnection('10.0.0.1:8080', '10.0.0.2:40000', 7);

/** A world whose API keeps the annotation, and pods in which something is open. */
function publishing(...uids: readonly string[]) {
  const world: EnrolmentWorld = enrolmentWorld(uids.map((uid) => podOf(uid)));
  const tables = new Map<string, readonly TableConnection[]>();
  const patched: string[] = [];
  const totals: number[] = [];
  const annotationOf = (uid: string): string | undefined => world.pods.get(uid)?.metadata?.annotations?.[annotation];
  const { patchPodStatus: write } = world.source;
  const patchPodStatus = async (pod: KubernetesObject, patch: object): Promise<void> => {
    const uid = pod.metadata?.uid ?? '';
    const { annotations } = (patch as { metadata: { annotations: Record<string, string | null> } }).metadata;
    await write(pod, patch);
    const now = world.pods.get(uid);
    if (now?.metadata === undefined || !(annotation in annotations)) return;
    patched.push(`${uid} ${annotations[annotation] ?? 'none'}`);
    const { [annotation]: _old, ...rest } = now.metadata.annotations ?? {};
    const value = annotations[annotation];
    world.pods.set(uid, {
      ...now,
      metadata: { ...now.metadata, annotations: typeof value === 'string' ? { ...rest, [annotation]: value } : rest },
    });
  };
  // Removals patch the same API.
  Object.assign(world.source, { patchPodStatus });
  const parts: UnprotectedWatchParts = {
    cache: world.cache,
    unprotected: world.unprotected,
    enrolment: world.enrolment,
    source: world.source,
    capture: { connections: ({ uid }) => tables.get(uid) ?? [] },
    log: silentLogger,
    onTotal: (total) => totals.push(total),
  };
  /** The pod is captured, with these connections from before. */
  const enrol = async (uid: string, connections: readonly TableConnection[]): Promise<void> => {
    tables.set(uid, connections);
    await world.enrolment.enrol(world.pods.get(uid) ?? podOf(uid), ['10.0.0.1']);
    world.unprotected.forget(uid);
    world.unprotected.begin(uid, 1n, { uncarried: () => connections, connections: () => connections });
    world.unprotected.settle(uid);
  };
  return { world, tables, patched, totals, annotationOf, parts, enrol };
}

test('the count is published when it changes, and goes with the last connection', async () => {
  const { world, tables, patched, totals, parts, enrol } = publishing('with', 'without');
  await world.connectProxy();
  await enrol('with', [old]);
  await enrol('without', []);
  await publishUnprotected(parts);
  await publishUnprotected(parts);
  assert.deepEqual(patched, ['with 1']);
  tables.set('with', []);
  await publishUnprotected(parts);
  await publishUnprotected(parts);
  assert.deepEqual(
    [patched, totals],
    [
      ['with 1', 'with none'],
      [1, 1, 0, 0],
    ],
  );
});

test('only pods with connections from before their enrolment are looked at again', async () => {
  const { world, parts, enrol, tables } = publishing('with', 'without');
  await world.connectProxy();
  await enrol('with', [old]);
  await enrol('without', []);
  const looked: string[] = [];
  const connections = ({ uid }: { readonly uid: string }): readonly TableConnection[] => {
    looked.push(uid);
    return tables.get(uid) ?? [];
  };
  await publishUnprotected({ ...parts, capture: { connections } });
  tables.set('with', []);
  for (let round = 0; round < 3; round += 1) await publishUnprotected({ ...parts, capture: { connections } });
  assert.deepEqual(looked, ['with', 'with']);
});

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

for (const [when, isAsked] of [
  ['after the count was taken', 'pods'],
  ['while the API writes it', 'patch'],
] as const)
  test(`a pod that is asked to leave the mesh ${when} keeps no annotation`, async () => {
    const { world, parts, enrol, annotationOf } = publishing('a');
    await world.connectProxy();
    await enrol('a', [old]);
    let removal: Promise<void> | undefined;
    const ask = (at: string): void => {
      if (at === isAsked) removal ??= world.enrolment.remove(podOf('a'), false);
    };
    const source = {
      pods: () => {
        const pods = parts.source.pods();
        ask('pods');
        return pods;
      },
      patchPodStatus: async (pod: KubernetesObject, patch: object) => {
        ask('patch');
        await turns(100);
        await parts.source.patchPodStatus(pod, patch);
      },
    };
    await publishUnprotected({ ...parts, source });
    assert.ok(removal !== undefined);
    await removal;
    assert.equal(annotationOf('a'), undefined);
  });

test('what an earlier agent, or a moment of an earlier round, left on a pod is taken away', async () => {
  const { world, parts, annotationOf } = publishing('a');
  const pod = podOf('a');
  world.pods.set('a', { ...pod, metadata: { ...pod.metadata, annotations: { [annotation]: '3' } } });
  await publishUnprotected(parts);
  assert.equal(annotationOf('a'), undefined);
});

test('a pod that left and came back says its count again', async () => {
  const { world, parts, patched, enrol } = publishing('a');
  await world.connectProxy();
  await enrol('a', [old]);
  await publishUnprotected(parts);
  const pod = world.pods.get('a') ?? podOf('a');
  await world.enrolment.remove(pod, false);
  world.pods.set('a', podOf('a'));
  await enrol('a', [old]);
  await publishUnprotected(parts);
  assert.deepEqual(patched, ['a 1', 'a none', 'a 1']);
});

test('a patch that fails keeps no other pod from being told, and is tried again', async () => {
  const { world, parts, patched, enrol } = publishing('a', 'b');
  await world.connectProxy();
  for (const uid of ['a', 'b']) await enrol(uid, [old]);
  world.failing.add('state a none');
  await publishUnprotected(parts);
  assert.deepEqual(patched, ['b 1']);
  world.failing.clear();
  await publishUnprotected(parts);
  assert.deepEqual(patched, ['b 1', 'a 1']);
});
