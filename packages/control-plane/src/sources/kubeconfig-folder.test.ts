import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { openKubeconfigFolder } from './kubeconfig-folder.ts';

const kubeconfig = (cluster: string, token = 't'): string =>
  JSON.stringify({
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster, user: 'u' } }],
    clusters: [{ name: cluster, cluster: { server: 'https://10.0.0.1' } }],
    users: [{ name: 'u', user: { token } }],
  });

function opened(folder: string) {
  const events: string[] = [];
  const source = openKubeconfigFolder({ folder, log: silentLogger })((origin, event) =>
    events.push(`${event} ${origin.slice(folder.length + 1)}`),
  );
  return {
    source,
    events,
    idsIn: (name: string) => Object.keys(source.get(join(folder, name))),
    async until(what: string, condition: () => boolean) {
      for (const deadline = Date.now() + 20_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
        assert.ok(Date.now() < deadline, `${what}; events: ${events.join(', ')}`);
    },
    [Symbol.dispose]: () => source.close(),
  };
}

function folder(): Disposable & { readonly path: string; write(name: string, text: string): void } {
  const path = mkdtempSync(join(tmpdir(), 'ambit-t-kubeconfigs-'));
  return {
    path,
    write: (name, text) => writeFileSync(join(path, name), text),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

test('files with the two endings are taken, each under the name that it gives its cluster', async () => {
  using f = folder();
  f.write('a.yaml', kubeconfig('c2'));
  f.write('b.yml', kubeconfig('c3'));
  f.write('c.txt', kubeconfig('c4'));
  f.write('.d.yaml', kubeconfig('c5'));
  using o = opened(f.path);
  await o.source.synced;
  assert.deepEqual(o.events, ['update a.yaml', 'update b.yml']);
  assert.deepEqual([o.idsIn('a.yaml'), o.idsIn('b.yml'), o.idsIn('c.txt')], [['c2'], ['c3'], []]);
});

test('changes are followed; what cannot be used leaves in force what the file held, and only a file that is gone removes', async () => {
  using f = folder();
  f.write('a.yaml', kubeconfig('c2'));
  using o = opened(f.path);
  await o.source.synced;
  f.write('b.yaml', kubeconfig('c3'));
  await o.until('a new file', () => o.events.includes('update b.yaml'));
  f.write('a.yaml', '{ broken');
  f.write('b.yaml', kubeconfig('c3', 'another'));
  await o.until('a changed file', () => o.source.get(join(f.path, 'b.yaml'))['c3']?.includes('another') === true);
  assert.deepEqual(o.idsIn('a.yaml'), ['c2']);
  rmSync(join(f.path, 'a.yaml'));
  await o.until('a file that is gone', () => o.events.includes('delete a.yaml'));
  assert.deepEqual(o.idsIn('a.yaml'), []);
});

test('a mounted Secret, whose files are links that are exchanged together, is followed', async () => {
  using f = folder();
  using first = folder();
  using second = folder();
  first.write('c2.yaml', kubeconfig('c2', 'one'));
  second.write('c2.yaml', kubeconfig('c2', 'two'));
  symlinkSync(first.path, join(f.path, '..data'));
  symlinkSync(join('..data', 'c2.yaml'), join(f.path, 'c2.yaml'));
  using o = opened(f.path);
  await o.source.synced;
  symlinkSync(second.path, join(f.path, '..data_next'));
  renameSync(join(f.path, '..data_next'), join(f.path, '..data'));
  await o.until('the next one', () => o.source.get(join(f.path, 'c2.yaml'))['c2']?.includes('two') === true);
});

test('a folder that is not there holds nobody up', async () => {
  using o = opened(join(tmpdir(), 'ambit-t-no-such-folder'));
  await o.source.synced;
  assert.deepEqual(o.events, []);
});
