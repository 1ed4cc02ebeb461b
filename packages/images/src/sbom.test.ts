import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billOfMaterials, type Part } from './sbom.ts';

const subject = { reference: 'docker.io/ambit/pilot:dev', digest: `sha256:${'a'.repeat(64)}`, seconds: 0 };
const npm: Part = { origin: 'npm', name: '@scope/one', version: '1.0.0', licences: ['MIT OR Apache-2.0'] };
const debian: Part = {
  origin: 'deb',
  name: 'libstdc++6',
  version: '12.2.0-14+deb12u1',
  licences: ['GPL-3', 'Artistic'],
  debian: { distribution: 'debian', architecture: 'amd64' },
};

interface Document {
  readonly serialNumber: string;
  readonly metadata: { readonly component: { readonly version: string } };
  readonly components: readonly Readonly<Record<string, unknown>>[];
}

test('the document names every package once, with version, licences and package URL', () => {
  const document = JSON.parse(billOfMaterials(subject, [npm, debian, npm])) as Document;
  assert.deepEqual(
    document.components.map(({ purl, version, licenses }) => ({ purl, version, licenses })),
    [
      {
        purl: 'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64',
        version: '12.2.0-14+deb12u1',
        licenses: [{ license: { name: 'GPL-3' } }, { license: { name: 'Artistic' } }],
      },
      { purl: 'pkg:npm/%40scope/one@1.0.0', version: '1.0.0', licenses: [{ expression: 'MIT OR Apache-2.0' }] },
    ],
  );
  assert.equal(document.metadata.component.version, subject.digest);
  assert.match(document.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/u);
});

test('the order of the packages changes nothing, and nothing declared is said as nothing', () => {
  assert.equal(billOfMaterials(subject, [npm, debian]), billOfMaterials(subject, [debian, npm]));
  const [only] = (JSON.parse(billOfMaterials(subject, [{ ...npm, licences: [] }])) as Document).components;
  assert.ok(only !== undefined && !('licenses' in only));
});
