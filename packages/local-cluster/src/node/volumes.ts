// The volumes of a pod as folders on the host (spec local-cluster 10.3).
// Comes in: the pod and readers of ConfigMaps, Secrets and tokens. Goes out: folders with the files, kept up to date.
// Called by the pod worker; the sandbox shows them to containers. Main thread.
import { chmod, chown, mkdir, readdir, readlink, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { ConfigMap, Container, DownwardFile, KeyToPath, Pod, Secret, Volume } from '../controllers/objects.ts';
import { configError, fieldValue, resourceValue } from './container-env.ts';
import type { PodFacts, ValueSources } from './container-env.ts';
import type { HostMount } from './sandbox.ts';

/** What volumes are made from. */
export interface VolumeSources extends ValueSources {
  /** A token of the pod's service account. */
  token(audience: string | undefined, ttlSeconds: number): Promise<{ token: string; expiresAtMs: number }>;
  /** The host folder of a hostPath, or undefined when it is not granted. */
  hostPath(path: string): string | undefined;
  /** The host folder of a volume claim, or why there is none yet. */
  claim(name: string): { readonly path: string } | { readonly missing: string };
}

/** The volumes of one pod; `dir` holds one folder per volume. */
export interface PodVolumes {
  /** Writes everything again; files that did not change are not touched. Rejects when a needed source is missing. */
  refresh(): Promise<void>;
  /** The mounts of one container. Rejects when a mount names no volume or leaves its volume. */
  mountsOf(container: Container): Promise<HostMount[]>;
  /** When a token should be renewed, in ms since the epoch; undefined without tokens. */
  nextRefreshMs(): number | undefined;
}

interface FileToWrite {
  readonly path: string;
  readonly content: Buffer | string;
  readonly mode: number;
}

const DEFAULT_MODE = 0o644;
const DEFAULT_TOKEN_SECONDS = 3600;
const RENEW_AT = 0.8;

/** Prepares the volumes of a pod; `owner` is the numeric user of its processes. */
export function createPodVolumes(
  pod: () => Pod,
  dir: string,
  owner: number,
  facts: PodFacts,
  sources: VolumeSources,
): PodVolumes {
  const tokens = new Map<string, { token: string; renewAtMs: number }>();
  const written = new Map<string, string>();

  const tokenOf = async (volume: string, path: string, audience: string | undefined, ttl: number): Promise<string> => {
    const key = `${volume}/${path}`;
    const known = tokens.get(key);
    if (known !== undefined && Date.now() < known.renewAtMs) return known.token;
    const before = Date.now();
    const fresh = await sources.token(audience, ttl);
    tokens.set(key, { token: fresh.token, renewAtMs: before + (fresh.expiresAtMs - before) * RENEW_AT });
    return fresh.token;
  };

  const filesOf = async (volume: Volume): Promise<FileToWrite[] | undefined> => {
    if (volume.configMap !== undefined) {
      const { name, items, optional, defaultMode } = volume.configMap;
      return configFiles(sources.configMap(name ?? ''), name ?? '', items, optional, defaultMode);
    }
    if (volume.secret !== undefined) {
      const { secretName, items, optional, defaultMode } = volume.secret;
      return secretFiles(sources.secret(secretName ?? ''), secretName ?? '', items, optional, defaultMode);
    }
    if (volume.downwardAPI !== undefined) {
      return downwardFiles(pod(), volume.downwardAPI.items ?? [], facts, volume.downwardAPI.defaultMode);
    }
    if (volume.projected !== undefined) return projectedFiles(volume);
    return undefined;
  };

  const projectedFiles = async (volume: Volume): Promise<FileToWrite[]> => {
    const mode = volume.projected?.defaultMode;
    const files: FileToWrite[] = [];
    for (const source of volume.projected?.sources ?? []) {
      const { configMap, secret, downwardAPI, serviceAccountToken: wanted } = source;
      if (configMap !== undefined) {
        files.push(
          ...configFiles(
            sources.configMap(configMap.name ?? ''),
            configMap.name ?? '',
            configMap.items,
            configMap.optional,
            mode,
          ),
        );
      }
      if (secret !== undefined) {
        files.push(
          ...secretFiles(sources.secret(secret.name ?? ''), secret.name ?? '', secret.items, secret.optional, mode),
        );
      }
      if (downwardAPI !== undefined) files.push(...downwardFiles(pod(), downwardAPI.items ?? [], facts, mode));
      if (wanted !== undefined) {
        const ttl = wanted.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
        files.push({
          path: wanted.path,
          content: await tokenOf(volume.name, wanted.path, wanted.audience, ttl),
          mode: 0o600,
        });
      }
    }
    return files;
  };

  const refreshVolume = async (volume: Volume): Promise<void> => {
    const folder = join(dir, volume.name);
    const files = await filesOf(volume);
    if (files !== undefined) {
      const state = JSON.stringify(files.map(({ path, content, mode }) => [path, content.toString('base64'), mode]));
      if (written.get(volume.name) === state) return;
      await writeAtomically(folder, files, owner);
      written.set(volume.name, state);
      return;
    }
    if (volume.emptyDir !== undefined) {
      await mkdir(folder, { recursive: true });
      await chmod(folder, 0o777);
      return;
    }
    if (volume.hostPath !== undefined) {
      const path = sources.hostPath(volume.hostPath.path);
      if (path === undefined)
        throw configError(
          `hostPath ${volume.hostPath.path} is not granted to the images of this pod (grants.hostPaths of the image map)`,
        );
      if (
        volume.hostPath.type === 'DirectoryOrCreate' ||
        volume.hostPath.type === undefined ||
        volume.hostPath.type === ''
      ) {
        await mkdir(path, { recursive: true });
      }
      return;
    }
    if (volume.persistentVolumeClaim !== undefined) {
      const claim = sources.claim(volume.persistentVolumeClaim.claimName);
      if ('missing' in claim) throw configError(claim.missing);
      await mkdir(claim.path, { recursive: true });
      await chmod(claim.path, 0o777);
      return;
    }
    throw configError(`volume "${volume.name}" is of a kind that this cluster does not have`);
  };

  const baseOf = ({ name, hostPath, persistentVolumeClaim }: Volume): string => {
    if (hostPath !== undefined) return sources.hostPath(hostPath.path) ?? '';
    if (persistentVolumeClaim === undefined) return join(dir, name);
    const claim = sources.claim(persistentVolumeClaim.claimName);
    if ('missing' in claim) throw configError(claim.missing);
    return claim.path;
  };

  return {
    refresh: async () => {
      for (const volume of pod().spec.volumes ?? []) await refreshVolume(volume);
    },
    mountsOf: async (container) => {
      const mounts: HostMount[] = [];
      for (const mount of container.volumeMounts ?? []) {
        const volume = pod().spec.volumes?.find((each) => each.name === mount.name);
        if (volume === undefined) throw configError(`volume mount "${mount.name}" names no volume`);
        const { emptyDir, hostPath, persistentVolumeClaim } = volume;
        const base = baseOf(volume);
        const isGenerated = emptyDir === undefined && hostPath === undefined && persistentVolumeClaim === undefined;
        mounts.push({
          source:
            mount.subPath === undefined || mount.subPath === ''
              ? base
              : await subPathOf(base, mount.subPath, !isGenerated),
          target: normalize(mount.mountPath),
          readOnly: mount.readOnly === true || persistentVolumeClaim?.readOnly === true || isGenerated,
        });
      }
      return mounts;
    },
    nextRefreshMs: () => {
      const times = [...tokens.values()].map((each) => each.renewAtMs);
      return times.length === 0 ? undefined : Math.min(...times);
    },
  };
}

// A subPath may be a link that a container planted: only what truly lies inside the volume is shown.
async function subPathOf(base: string, subPath: string, mayCreate: boolean): Promise<string> {
  const wanted = normalize(join(base, subPath));
  if (wanted !== base && !wanted.startsWith(`${base}/`)) throw configError(`subPath "${subPath}" leaves its volume`);
  if (mayCreate) await mkdir(wanted, { recursive: true }).catch(() => undefined);
  const real = await realpath(wanted).catch(() => {
    throw configError(`subPath "${subPath}" does not exist`);
  });
  const root = await realpath(base);
  if (real !== root && !real.startsWith(`${root}/`)) throw configError(`subPath "${subPath}" leaves its volume`);
  return real;
}

function configFiles(
  map: ConfigMap | undefined,
  name: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number | undefined,
): FileToWrite[] {
  if (map === undefined) {
    if (optional === true) return [];
    throw configError(`configmap "${name}" not found`);
  }
  const values = new Map<string, Buffer | string>(Object.entries(map.data ?? {}));
  for (const [key, value] of Object.entries(map.binaryData ?? {})) values.set(key, Buffer.from(value, 'base64'));
  return pick(values, `configmap "${name}"`, items, optional, mode);
}

function secretFiles(
  secret: Secret | undefined,
  name: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number | undefined,
): FileToWrite[] {
  if (secret === undefined) {
    if (optional === true) return [];
    throw configError(`secret "${name}" not found`);
  }
  const values = new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
  return pick(values, `secret "${name}"`, items, optional, mode);
}

function pick(
  values: ReadonlyMap<string, Buffer | string>,
  what: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number | undefined,
): FileToWrite[] {
  const standard = mode ?? DEFAULT_MODE;
  if (items === undefined) return [...values].map(([path, content]) => ({ path, content, mode: standard }));
  return items.flatMap((item) => {
    const content = values.get(item.key);
    if (content !== undefined) return [{ path: item.path, content, mode: item.mode ?? standard }];
    if (optional === true) return [];
    throw configError(`${what} has no key "${item.key}"`);
  });
}

function downwardFiles(
  pod: Pod,
  items: readonly DownwardFile[],
  facts: PodFacts,
  mode: number | undefined,
): FileToWrite[] {
  return items.map((item) => {
    const first = pod.spec.containers[0] as Container;
    const content =
      item.fieldRef === undefined
        ? item.resourceFieldRef === undefined
          ? ''
          : resourceValue(pod, first, item.resourceFieldRef)
        : fieldValue(pod, item.fieldRef.fieldPath, facts);
    return { path: item.path, content, mode: item.mode ?? mode ?? DEFAULT_MODE };
  });
}

// As kubelet does it: a new folder, `..data` switched to it in one step, links from the names; readers see all or nothing.
async function writeAtomically(folder: string, files: readonly FileToWrite[], owner: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const version = `..${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  const fresh = join(folder, version);
  await mkdir(fresh, { recursive: true });
  for (const file of files) {
    const path = normalize(join(fresh, file.path));
    if (!path.startsWith(`${fresh}/`)) throw configError(`path "${file.path}" leaves its volume`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content);
    await chmod(path, file.mode);
    if (process.getuid?.() === 0) await chown(path, owner, owner);
  }
  const data = join(folder, '..data');
  const old = await readlink(data).catch(() => undefined);
  await symlink(version, `${data}_tmp`);
  await rename(`${data}_tmp`, data);
  const tops = new Set(files.map((file) => normalize(file.path).split('/')[0] ?? ''));
  for (const name of await readdir(folder)) {
    if (!name.startsWith('..') && !tops.has(name)) await rm(join(folder, name), { force: true });
  }
  for (const top of tops) {
    await symlink(join('..data', top), join(folder, top)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  }
  if (old !== undefined && old !== version) await rm(join(folder, old), { recursive: true, force: true });
}
