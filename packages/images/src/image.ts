/**
 * In: packed layers and how the program is started. Out: the files of an OCI image layout, every digest computed. Pure but for the packing,
 * which gives the same bytes for the same entries and the same Node.
 *
 * Formats: OCI image specification 1.1 (config, manifest, index, layout). Called by build.ts.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { completeEntries, type TarEntry, tarPieces } from './tar.ts';

/** Machine names of Go and OCI that the images are made for. */
export type Architecture = 'amd64' | 'arm64';

/** A layer that is ready to be written. */
export interface Layer {
  /** What it holds, for `history`. */
  readonly title: string;
  readonly packed: Buffer;
  /** Digest of the packed bytes. */
  readonly digest: string;
  /** Digest of the archive before packing. */
  readonly diffId: string;
}

/** How the image is named and started. */
export interface ImageSettings {
  /** Full reference: `docker.io/ambit/pilot:dev`. */
  readonly reference: string;
  readonly architecture: Architecture;
  readonly entrypoint: readonly string[];
  /** Beside PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** `uid:gid`. */
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Seconds since 1970: time of every file and of the image. */
  readonly seconds: number;
}

/** An image as files of its archive. */
export interface PlannedImage {
  /** Digest of the manifest: the name under which a registry serves it. */
  readonly digest: string;
  readonly entries: readonly TarEntry[];
}

const compress = promisify(gzip);

/** `sha256:<hex>` of bytes. */
export const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Packs entries; folders above them are added. Rejects with ERR_IMAGES_PATH. */
export async function packLayer(title: string, entries: readonly TarEntry[], seconds: number): Promise<Layer> {
  const archive = Buffer.concat([...tarPieces(completeEntries(entries), seconds)]);
  const packed = await compress(archive, { level: 6 });
  return { title, packed, digest: digestOf(packed), diffId: digestOf(archive) };
}

/** The image's layout: blobs, `index.json`, `oci-layout`. */
export function planImage(layers: readonly Layer[], settings: ImageSettings): PlannedImage {
  const created = new Date(settings.seconds * 1000).toISOString().replace('.000Z', 'Z');
  const platform = { architecture: settings.architecture, os: 'linux' };
  const config = json({
    created,
    ...platform,
    config: {
      User: settings.user,
      Env: ['PATH=/usr/sbin:/usr/bin', ...Object.entries(settings.environment).map((pair) => pair.join('='))],
      Entrypoint: settings.entrypoint,
      WorkingDir: '/',
      Labels: settings.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ title }) => ({ created, created_by: title })),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: layers.map(({ digest, packed }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size: packed.length,
    })),
    annotations: settings.labels,
  });
  const digest = digestOf(manifest);
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: MANIFEST,
        digest,
        size: manifest.length,
        platform,
        annotations: {
          'io.containerd.image.name': settings.reference,
          'org.opencontainers.image.ref.name': settings.reference.slice(settings.reference.lastIndexOf(':') + 1),
        },
      },
    ],
  });
  const blobs = [config, manifest, ...layers.map(({ packed }) => packed)];
  return {
    digest,
    entries: completeEntries([
      file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
      file('index.json', index),
      ...blobs.map((blob) => file(`blobs/${digestOf(blob).replace(':', '/')}`, blob)),
    ]),
  };
}

/** The full reference that container runtimes make of a hub, a name and a tag. */
export function fullReference(hub: string, name: string, tag: string): string {
  const [first = ''] = hub.split('/');
  const hasHost = first.includes('.') || first.includes(':') || first === 'localhost';
  return `${hasHost ? '' : 'docker.io/'}${hub}/${name}:${tag}`;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const file = (path: string, content: Buffer): TarEntry => ({ kind: 'file', path, content, mode: 0o644 });
