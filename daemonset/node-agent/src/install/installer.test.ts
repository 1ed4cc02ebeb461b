import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { startInstaller } from './installer.ts';

function folders() {
  const root = mkdtempSync(join(tmpdir(), 'ambit-installer-'));
  const places = {
    binSource: join(root, 'image'),
    binFolder: join(root, 'bin'),
    configFolder: join(root, 'net.d'),
    runFolder: join(root, 'run'),
    serviceAccountFolder: join(root, 'account'),
  };
  for (const folder of Object.values(places)) mkdirSync(folder);
  writeFileSync(join(places.binSource, 'istio-cni'), '#!/bin/sh\n');
  return { places, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

/** Waits for the next answer of the installer that is `wanted`. */
function readiness() {
  const waiting = new Set<{ readonly wanted: boolean; readonly resolve: () => void }>();
  return {
    onReady: (isReady: boolean) => {
      for (const each of waiting) if (each.wanted === isReady) each.resolve();
    },
    next: async (wanted: boolean) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add({ wanted, resolve });
      return promise;
    },
  };
}

const config = '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}';

test('the plugin is chained when a configuration appears, put back when another component rewrites it, and taken out at the end', async () => {
  using given = folders();
  const { places } = given;
  const results: string[] = [];
  const { onReady, next } = readiness();
  const file = join(places.configFolder, '10-net.conflist');
  const installer = startInstaller({
    places,
    element: { type: 'istio-cni' },
    way: { kind: 'chained', wanted: '', ownedName: '' },
    configMode: 0o600,
    kubeconfigMode: 0o600,
    kubeconfig: () => 'secret',
    log: silentLogger,
    onReady,
    onInstall: (result) => results.push(result),
  });
  try {
    assert.equal(statSync(join(places.binFolder, 'istio-cni')).mode & 0o777, 0o755);
    assert.equal(statSync(join(places.runFolder, 'istio-cni-kubeconfig')).mode & 0o777, 0o600);
    const ready = next(true);
    writeFileSync(file, config, { mode: 0o644 });
    await ready;
    assert.match(readFileSync(file, 'utf8'), /istio-cni/);
    assert.equal(statSync(file).mode & 0o777, 0o644);
    const again = next(true);
    writeFileSync(file, config);
    await again;
    assert.match(readFileSync(file, 'utf8'), /istio-cni/);
  } finally {
    installer.close(true);
  }
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(config));
  assert.deepEqual(readdirSync(places.runFolder), []);
  // What is left deletes pods that were started with the plugin, and adds none.
  const left = (command: string): number | null =>
    spawnSync(join(places.binFolder, 'istio-cni'), { env: { CNI_COMMAND: command } }).status;
  assert.deepEqual([left('DEL'), left('CHECK'), left('ADD')], [0, 0, 1]);
  assert.ok(results.every((result) => result === 'SUCCESS'));
});
