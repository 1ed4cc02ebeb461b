/**
 * In: the packages in an image. Out: its bill of materials in CycloneDX 1.6 JSON, the same for the same image. Pure.
 *
 * Called by build.ts.
 */
import { createHash } from 'node:crypto';

/** One package that an image holds. */
export interface Part {
  /** Where it comes from: the npm registry, this repository (`ours`), or the Debian of the machine that built. */
  readonly origin: 'npm' | 'ours' | 'deb';
  readonly name: string;
  readonly version: string;
  /** npm: an SPDX expression. Debian: the short names of its copyright file. Empty: nothing is declared. */
  readonly licences: readonly string[];
  /** Debian only: distribution and architecture, as in `pkg:deb/debian/libc6@2.41?arch=amd64`. */
  readonly debian?: { readonly distribution: string; readonly architecture: string };
}

/** What the document is about. */
export interface Subject {
  readonly reference: string;
  /** Digest of the manifest. */
  readonly digest: string;
  readonly seconds: number;
}

/** The document as text. Parts are sorted; a part named twice stands once. */
export function billOfMaterials(subject: Subject, parts: readonly Part[]): string {
  const components = new Map(parts.map((part) => [packageUrl(part), component(part)]));
  const hash = createHash('sha256').update(subject.digest).digest('hex');
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`,
    version: 1,
    metadata: {
      timestamp: new Date(subject.seconds * 1000).toISOString(),
      component: { type: 'container', 'bom-ref': subject.digest, name: subject.reference, version: subject.digest },
    },
    components: [...components.entries()].toSorted(byKey).map(([, value]) => value),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** The package URL of a part. */
export function packageUrl({ origin, name, version, debian }: Part): string {
  if (origin !== 'deb') return `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`;
  const from = debian ?? { distribution: 'debian', architecture: 'all' };
  return `pkg:deb/${from.distribution}/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${from.architecture}`;
}

function component(part: Part): object {
  const licenses =
    part.origin === 'deb'
      ? part.licences.map((name) => ({ license: { name } }))
      : part.licences.map((expression) => ({ expression }));
  const purl = packageUrl(part);
  return {
    type: 'library',
    'bom-ref': purl,
    name: part.name,
    version: part.version,
    ...(licenses.length > 0 && { licenses }),
    purl,
  };
}

const byKey = ([left]: readonly [string, object], [right]: readonly [string, object]): number =>
  left < right ? -1 : Number(left > right);
