import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { type InstallerParts, type InstallPlaces, startInstaller } from './installer.ts';

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

const partsOf = (places: InstallPlaces): InstallerParts => ({
  places,
  element: { type: 'istio-cni' },
  way: { kind: 'chained', wanted: '', ownedName: '' },
  configMode: 0o600,
  kubeconfigMode: 0o600,
  kubeconfig: () => 'secret',
  log: silentLogger,
  onReady: () => undefined,
  onInstall: () => undefined,
});

test('the plugin is chained when a configuration appears, put back when another component rewrites it, and taken out at the end', async () => {
  using given = folders();
  const { places } = given;
  const results: string[] = [];
  const { onReady, next } = readiness();
  const file = join(places.configFolder, '10-net.conflist');
  const installer = startInstaller({ ...partsOf(places), onReady, onInstall: (result) => results.push(result) });
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
  assert.equal(statSync(file).mode & 0o777, 0o644);
  assert.deepEqual(readdirSync(places.runFolder), []);
  // What is left deletes pods that were started with the plugin, and adds none.
  const left = (command: string): number | null =>
    spawnSync(join(places.binFolder, 'istio-cni'), { env: { CNI_COMMAND: command } }).status;
  assert.deepEqual([left('DEL'), left('CHECK'), left('ADD')], [0, 0, 1]);
  assert.ok(results.every((result) => result === 'SUCCESS'));
});

test('a new token is in the kubeconfig as soon as it is in the account, and nothing unfinished is left anywhere', async () => {
  using given = folders();
  const { places } = given;
  const account = join(places.serviceAccountFolder, 'token');
  const kubeconfig = join(places.runFolder, 'istio-cni-kubeconfig');
  writeFileSync(account, 'first');
  const chained = join(places.configFolder, '10-net.conflist');
  writeFileSync(chained, config);
  // What a predecessor that was killed left.
  for (const path of [kubeconfig, chained, join(places.binFolder, 'istio-cni')]) writeFileSync(`${path}.tmp.7`, 'half');
  const { onReady, next } = readiness();
  const installer = startInstaller({ ...partsOf(places), kubeconfig: () => readFileSync(account, 'utf8'), onReady });
  try {
    assert.equal(readFileSync(kubeconfig, 'utf8'), 'first');
    const ready = next(true);
    // As the kubelet changes a projected volume: beside, then renamed.
    writeFileSync(`${account}.new`, 'second');
    renameSync(`${account}.new`, account);
    await ready;
    assert.equal(readFileSync(kubeconfig, 'utf8'), 'second');
    const files = Object.values(places).flatMap((folder) => readdirSync(folder));
    assert.deepEqual(files.toSorted(), ['10-net.conflist', 'istio-cni', 'istio-cni', 'istio-cni-kubeconfig', 'token']);
  } finally {
    installer.close(false);
  }
  // A successor comes: everything stays for it, and it writes nothing anew.
  assert.match(readFileSync(chained, 'utf8'), /istio-cni/);
  assert.equal(readFileSync(kubeconfig, 'utf8'), 'second');
  const inodes = (): readonly number[] => [chained, kubeconfig].map((path) => statSync(path).ino);
  const before = inodes();
  startInstaller({ ...partsOf(places), kubeconfig: () => readFileSync(account, 'utf8') }).close(false);
  assert.deepEqual(inodes(), before);
});

test('a configuration that is removed makes the agent not ready; the next one gets the plugin', async () => {
  using given = folders();
  const { places } = given;
  const [first, second] = ['10-net.conflist', '20-other.conflist'].map((name) => join(places.configFolder, name)) as [
    string,
    string,
  ];
  writeFileSync(first, config);
  const { onReady, next } = readiness();
  const installer = startInstaller({ ...partsOf(places), onReady });
  try {
    assert.match(readFileSync(first, 'utf8'), /istio-cni/);
    const lost = next(false);
    rmSync(first);
    await lost;
    const ready = next(true);
    writeFileSync(second, config);
    await ready;
    assert.match(readFileSync(second, 'utf8'), /istio-cni/);
  } finally {
    installer.close(false);
  }
});

test('a program that keeps rewriting the configuration is told about, once', async () => {
  using given = folders();
  const { places } = given;
  const file = join(places.configFolder, '10-net.conflist');
  const warnings: string[] = [];
  const { onReady, next } = readiness();
  const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const installer = startInstaller({ ...partsOf(places), onReady, log, now: () => 0 });
  try {
    for (let round = 0; round < 12; round += 1) {
      const ready = next(true);
      writeFileSync(file, config);
      await ready;
    }
  } finally {
    installer.close(false);
  }
  const conflicts = warnings.filter((text) => text.includes('reconciled multiple times'));
  assert.equal(conflicts.length, 1, warnings.join('\n'));
});

test('what fails is told by its step and makes the agent not ready, until it works', async () => {
  using given = folders();
  const { places } = given;
  writeFileSync(join(places.configFolder, '10-net.conflist'), config);
  const state = { isBroken: true };
  const seen: (string | boolean)[] = [];
  const { onReady, next } = readiness();
  const installer = startInstaller({
    ...partsOf(places),
    kubeconfig: () => {
      if (state.isBroken) throw new Error('ENOENT: token');
      return 'secret';
    },
    onReady: (isReady) => {
      seen.push(isReady);
      onReady(isReady);
    },
    onInstall: (result) => seen.push(result),
  });
  try {
    assert.deepEqual(seen, ['CREATE_KUBECONFIG_FAILURE', false]);
    const ready = next(true);
    state.isBroken = false;
    await ready;
    assert.deepEqual(seen.slice(-2), ['SUCCESS', true]);
  } finally {
    installer.close(false);
  }
});
