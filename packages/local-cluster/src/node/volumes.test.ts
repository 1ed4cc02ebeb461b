import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConfigMap, Pod, Volume, VolumeMount } from '../controllers/objects.ts';
import { createPodVolumes } from './volumes.ts';
import type { VolumeSources } from './volumes.ts';

const podWith = (volumes: Volume[]): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n' },
  spec: { containers: [{ name: 'c' }], volumes },
});
const mapOf = (data: Record<string, string>): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'm' },
  data,
});
const user = process.getuid?.() ?? 0;

async function withVolumes(
  volumes: Volume[],
  sources: Partial<VolumeSources>,
  body: (set: ReturnType<typeof createPodVolumes>, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'ambit-volumes-'));
  const all: VolumeSources = {
    configMap: () => undefined,
    secret: () => undefined,
    hostPath: () => undefined,
    claim: (name) => ({ missing: `persistentvolumeclaim "${name}" not found` }),
    token: () => Promise.resolve({ token: 't', expiresAtMs: Date.now() + 1_000_000 }),
    ...sources,
  };
  try {
    await body(
      createPodVolumes(() => podWith(volumes), dir, user, { podIp: '1.2.3.4', hostIp: '5.6.7.8' }, all),
      dir,
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
const mounts = (set: ReturnType<typeof createPodVolumes>, ...volumeMounts: VolumeMount[]): Promise<unknown> =>
  set.mountsOf({ name: 'c', volumeMounts });

test('a ConfigMap volume changes in one step and keeps its folder', async () => {
  let data: Record<string, string> = { a: 'one' };
  await withVolumes([{ name: 'v', configMap: { name: 'm' } }], { configMap: () => mapOf(data) }, async (set, dir) => {
    await set.refresh();
    const before = await readlink(join(dir, 'v/..data'));
    await set.refresh();
    assert.equal(await readlink(join(dir, 'v/..data')), before, 'nothing changed, nothing is written');
    data = { a: 'two', b: 'new' };
    await set.refresh();
    assert.equal(await readFile(join(dir, 'v/a'), 'utf8'), 'two');
    assert.equal(await readFile(join(dir, 'v/b'), 'utf8'), 'new');
    data = { a: 'two' };
    await set.refresh();
    assert.deepEqual(
      (await readdir(join(dir, 'v'))).filter((name) => !name.startsWith('..')),
      ['a'],
    );
  });
});

test('a missing ConfigMap is named, an optional one leaves an empty folder', async () => {
  await withVolumes([{ name: 'v', configMap: { name: 'm' } }], {}, async (set) => {
    await assert.rejects(set.refresh(), /configmap "m" not found/);
  });
  await withVolumes([{ name: 'v', configMap: { name: 'm', optional: true } }], {}, async (set) => {
    await set.refresh();
  });
});

test('a token is asked for once until most of its life is over', async () => {
  let asked = 0;
  const volume: Volume = {
    name: 'v',
    projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'istio-ca', expirationSeconds: 600 } }] },
  };
  const token: VolumeSources['token'] = (audience, ttlSeconds) => {
    asked += 1;
    assert.deepEqual([audience, ttlSeconds], ['istio-ca', 600]);
    return Promise.resolve({ token: `t${asked}`, expiresAtMs: Date.now() + 600_000 });
  };
  await withVolumes([volume], { token }, async (set, dir) => {
    await set.refresh();
    await set.refresh();
    assert.equal(asked, 1);
    assert.equal(await readFile(join(dir, 'v/token'), 'utf8'), 't1');
    const leftMs = (set.nextRefreshMs() ?? 0) - Date.now();
    assert.ok(leftMs > 470_000 && leftMs <= 480_000);
  });
});

test('no path leaves its volume: item paths, sub paths and links planted by a container', async () => {
  const volume: Volume = { name: 'v', configMap: { name: 'm', items: [{ key: 'a', path: '../../escape' }] } };
  await withVolumes([volume], { configMap: () => mapOf({ a: '1' }) }, async (set) => {
    await assert.rejects(set.refresh(), /leaves its volume/);
  });
  await withVolumes([{ name: 'v', emptyDir: {} }], {}, async (set, dir) => {
    await set.refresh();
    await assert.rejects(mounts(set, { name: 'v', mountPath: '/d', subPath: '../x' }), /leaves its volume/);
    await mkdir(join(dir, 'v'), { recursive: true });
    await symlink('/etc', join(dir, 'v/link'));
    await assert.rejects(mounts(set, { name: 'v', mountPath: '/d', subPath: 'link' }), /leaves its volume/);
    await mounts(set, { name: 'v', mountPath: '/d', subPath: 'made/here' });
  });
});

test('a hostPath without a grant is refused', async () => {
  await withVolumes([{ name: 'v', hostPath: { path: '/' } }], {}, async (set) => {
    await assert.rejects(set.refresh(), /not granted/);
  });
});

test('a claim is a folder of its own that containers may write, and waited for until it is bound', async () => {
  const volumes: Volume[] = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }];
  await withVolumes(volumes, {}, async (set) => {
    await assert.rejects(set.refresh(), /persistentvolumeclaim "data" not found/);
  });
  const folder = await mkdtemp(join(tmpdir(), 'ambit-claim-'));
  try {
    await withVolumes(volumes, { claim: () => ({ path: join(folder, 'pvc') }) }, async (set) => {
      await set.refresh();
      assert.deepEqual(await mounts(set, { name: 'v', mountPath: '/data' }), [
        { source: join(folder, 'pvc'), target: '/data', readOnly: false },
      ]);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
