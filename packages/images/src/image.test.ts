import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fullReference, type ImageSettings, packLayer, planImage } from './image.ts';
import { tarPieces, type TarEntry } from './tar.ts';

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const settings: ImageSettings = {
  reference: 'docker.io/ambit/pilot:dev',
  architecture: 'amd64',
  entrypoint: ['/usr/bin/node', '/app/main.js'],
  environment: { A: 'b' },
  user: '65532:65532',
  labels: { 'org.opencontainers.image.title': 'a' },
  seconds: 86_400,
};
const hello: TarEntry = { kind: 'file', path: 'app/main.js', content: Buffer.from('hello'), mode: 0o644 };

/** The archive as Debian's tar sees it. */
async function readerOf(changed: Partial<ImageSettings> = {}) {
  const layers = [await packLayer('one', [hello], 0), await packLayer('two', [{ ...hello, path: 'b' }], 0)];
  const archive = Buffer.concat([...tarPieces(planImage(layers, { ...settings, ...changed }).entries, 0)]);
  const read = (path: string): Buffer => execFileSync('tar', ['-xO', path], { input: archive });
  const parsed = <T>(path: string): T => JSON.parse(read(path).toString('utf8')) as T;
  const blob = ({ digest, size }: Descriptor): Buffer => {
    const bytes = read(`blobs/${digest.replace(':', '/')}`);
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest);
    assert.equal(bytes.length, size);
    return bytes;
  };
  return { archive, parsed, blob };
}

test('every blob that index and manifest name is in the archive with its digest and size', async () => {
  const { parsed, blob } = await readerOf();
  assert.deepEqual(parsed('oci-layout'), { imageLayoutVersion: '1.0.0' });
  const [described] = parsed<{ manifests: Descriptor[] }>('index.json').manifests;
  assert.ok(described !== undefined);
  assert.equal(described.annotations?.['io.containerd.image.name'], 'docker.io/ambit/pilot:dev');
  const manifest = JSON.parse(blob(described).toString()) as { config: Descriptor; layers: Descriptor[] };
  const config = JSON.parse(blob(manifest.config).toString()) as Record<string, unknown>;
  const unpacked = manifest.layers.map((layer) => gunzipSync(blob(layer)));
  assert.deepEqual(
    (config['rootfs'] as { diff_ids: string[] }).diff_ids,
    unpacked.map((bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`),
  );
  assert.equal(execFileSync('tar', ['-xO', 'app/main.js'], { input: unpacked[0] }).toString(), 'hello');
  assert.equal(config['created'], '1970-01-02T00:00:00Z');
  assert.deepEqual(config['config'], {
    User: '65532:65532',
    Env: ['PATH=/usr/sbin:/usr/bin', 'A=b'],
    Entrypoint: ['/usr/bin/node', '/app/main.js'],
    WorkingDir: '/',
    Labels: { 'org.opencontainers.image.title': 'a' },
  });
});

test('the same input gives the same archive, and another user another digest', async () => {
  const [one, two, other] = [await readerOf(), await readerOf(), await readerOf({ user: '0:0' })];
  assert.ok(one.archive.equals(two.archive));
  const digest = ({ parsed }: typeof one) => parsed<{ manifests: Descriptor[] }>('index.json').manifests[0]?.digest;
  assert.notEqual(digest(one), digest(other));
});

test('a hub without a host means docker.io, as container runtimes read it', () => {
  assert.equal(fullReference('ambit', 'pilot', 'dev'), 'docker.io/ambit/pilot:dev');
  assert.equal(fullReference('localhost:5000', 'pilot', '1'), 'localhost:5000/pilot:1');
  assert.equal(fullReference('ghcr.io/a', 'pilot', '1'), 'ghcr.io/a/pilot:1');
});
