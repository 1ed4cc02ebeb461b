/**
 * What the control plane said last in; a file, and after a restart the same again, out. Main thread.
 *
 * Made by `app.ts` where `AMBIT_STATE_CACHE` names a file (decision W16): a restarted proxy serves from it before the
 * control plane answers, and the control plane sends only what changed meanwhile. Workloads, services and policies with
 * their versions; no key, token or certificate. A file that is damaged or of another mesh is told and left aside.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/proto/type-urls';
import type { Clock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import { type Policy, policyKey, type Service, serviceKey, type Snapshot, type Workload } from '@ambit/state';
import { errorText } from '../telemetry/response-flags.ts';

/** Quiet time after a change before the file is written. */
export const WRITE_AFTER_MS = 5000;
/** Layout of the file; another one is left aside. */
const FORMAT = 'ambit-node-proxy-state/1';
const MAX_BYTES = 512 * 1024 * 1024;

/** What a file holds. */
export interface CachedState {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly Policy[];
  /** Name to version of what is held, by type URL. */
  readonly versions: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** What is written: the state of now and the versions that the client holds of a type. */
export interface CacheSource {
  readonly snapshot: () => Snapshot;
  readonly held: (typeUrl: string) => ReadonlyMap<string, string>;
}

/** The file. */
export interface StateCache extends Disposable {
  /** What it holds, when it can be used; otherwise a log line says why not. */
  read(): CachedState | undefined;
  /** The state changed: the file is written a little later. */
  changed(source: CacheSource): void;
}

/** Where the file is, and for whom it is valid: cluster, network and node of this process. */
export interface StateCacheOptions {
  readonly path: string;
  readonly scope: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Opens the cache; nothing is read or written yet. Disposing writes what is waiting. */
export function createStateCache(options: StateCacheOptions): StateCache {
  const { path, clock, log } = options;
  let waiting: { readonly source: CacheSource; readonly timer: Disposable } | undefined;
  const write = (source: CacheSource): void => {
    waiting = undefined;
    try {
      const temporary = `${path}.new`;
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(temporary, encodeCache(source, options.scope), { mode: 0o600 });
      renameSync(temporary, path);
    } catch (error) {
      log.warn('state cache cannot be written', { path, error: errorText(error) });
    }
  };
  return {
    read() {
      try {
        const cached = decodeCache(readFileSync(path), options.scope);
        log.info('state cache loaded', { path, workloads: cached.workloads.length, policies: cached.policies.length });
        return cached;
      } catch (error) {
        const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
        if (!isMissing) {
          log.warn('state cache is left aside', { path, error: errorText(error) });
          rmSync(path, { force: true });
        }
        return undefined;
      }
    },
    changed(source) {
      waiting ??= { source, timer: clock.setTimeout(() => write(source), WRITE_AFTER_MS) };
    },
    [Symbol.dispose]() {
      if (waiting === undefined) return;
      waiting.timer[Symbol.dispose]();
      write(waiting.source);
    },
  };
}

/** The file's bytes: a line about the content, then the content. */
export function encodeCache(source: CacheSource, scope: readonly string[]): Buffer {
  const snapshot = source.snapshot();
  const addresses = source.held(ADDRESS_TYPE_URL);
  const authorizations = source.held(AUTHORIZATION_TYPE_URL);
  // What a local file added is not the control plane's to keep.
  const content = Buffer.from(
    JSON.stringify({
      workloads: [...snapshot.workloads.values()].filter(({ uid }) => addresses.has(uid)),
      services: [...snapshot.services.values()].filter((service) => addresses.has(serviceKey(service))),
      policies: [...snapshot.policies.values()].filter((policy) => authorizations.has(policyKey(policy))),
      versions: { [ADDRESS_TYPE_URL]: [...addresses], [AUTHORIZATION_TYPE_URL]: [...authorizations] },
    }),
  );
  const head = JSON.stringify({ format: FORMAT, scope, sha256: digestOf(content) });
  return Buffer.concat([Buffer.from(`${head}\n`), content]);
}

/** Reads the bytes. Throws when they are damaged, of another layout, or of another cluster, network or node. */
export function decodeCache(bytes: Buffer, scope: readonly string[]): CachedState {
  if (bytes.length > MAX_BYTES) throw new Error(`the file has more than ${MAX_BYTES} bytes`);
  const end = bytes.indexOf(0x0a);
  if (end < 0 || end > 4096) throw new Error('the file has no head');
  const head = JSON.parse(bytes.toString('utf8', 0, end)) as Partial<Record<'format' | 'sha256', string>> & {
    readonly scope?: readonly string[];
  };
  if (head.format !== FORMAT) throw new Error(`the format ${String(head.format).slice(0, 40)} is not ${FORMAT}`);
  if (JSON.stringify(head.scope) !== JSON.stringify(scope)) throw new Error('the file is of another cluster or node');
  const content = bytes.subarray(end + 1);
  if (head.sha256 !== digestOf(content)) throw new Error('the content is damaged');
  const { versions, ...records } = JSON.parse(content.toString()) as Omit<CachedState, 'versions'> & {
    readonly versions: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  };
  return { ...records, versions: new Map(Object.entries(versions).map(([type, list]) => [type, new Map(list)])) };
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
