/**
 * Everything that the main thread (control) and a data thread say to each other. Plain data only: it crosses a
 * structured clone. Read by threads/publish.ts (main) and threads/data-thread.ts (data).
 */
import type { ByteEngineName } from '@ambit/hbone';
import type { WorkloadCertificate } from '@ambit/identity';
import type { SocketDomain } from '@ambit/net';
import type { LogThreshold } from '@ambit/runtime/log';
import type { StateDiff } from '@ambit/state';
import type { FlowBatch } from '@ambit/xds/flow-buffer';
import type { AccessLogEncoding } from '../telemetry/access-log.ts';
import type { ConfigDiff } from '../updates/config-store.ts';
import type { SharedMemory } from './shared-memory.ts';

/** Fixed for the life of a data thread. */
export interface DataThreadSettings {
  readonly domain: SocketDomain;
  /** Port for tunnels; 0 lets the kernel choose (tests, one thread only). */
  readonly hbonePort: number;
  /** Port of tunnels at endpoints; differs only in tests. */
  readonly upstreamHbonePort: number;
  /** Own pod address. */
  readonly ownIp: string;
  readonly logLevel: string;
  readonly logFormat: 'plain' | 'json';
  /** Encoding of access lines; `mesh` = what the mesh configures, none by default. */
  readonly accessLog: AccessLogEncoding | 'mesh' | 'off';
  /** How long connections of clients may be quiet; Infinity = for ever, undefined = an hour. */
  readonly idleMs: number | undefined;
  readonly reusePort: boolean;
  /** Key of this process for tokens of sessions, as long as the control plane gives none. */
  readonly sessionKey: Uint8Array;
  /** Memory of all data threads. */
  readonly shared: SharedMemory;
  /** The engine that the main thread chose; a data thread tests it once more for itself. */
  readonly byteEngine: ByteEngineName;
}

/** Main -> data. */
export type ToDataThread =
  | { readonly kind: 'config'; readonly diff: ConfigDiff }
  | { readonly kind: 'state'; readonly diff: StateDiff }
  | { readonly kind: 'certificate'; readonly certificate: WorkloadCertificate }
  /** Answer to a `lookup`: the state that it led to was sent before. */
  | { readonly kind: 'looked-up'; readonly key: string }
  /** Key set of a URI, new or asked for; undefined = there is none. */
  | { readonly kind: 'jwks'; readonly uri: string; readonly json: string | undefined }
  /** Another thread found an endpoint ill. */
  | { readonly kind: 'ejected'; readonly backend: string; readonly endpoint: string; readonly forMs: number }
  | { readonly kind: 'log-level'; readonly scope: string | undefined; readonly level: LogThreshold }
  /** Flows a second that are wanted from this thread; 0 = none. */
  | { readonly kind: 'flow-limit'; readonly maxPerSecond: number }
  | { readonly kind: 'scrape'; readonly id: number }
  | { readonly kind: 'ping'; readonly id: number }
  /** GOAWAY, no new connections; ends with `drained`. */
  | { readonly kind: 'drain' }
  /** Ends everything now. */
  | { readonly kind: 'destroy' };

/** Data -> main. */
export type FromDataThread =
  | { readonly kind: 'listening'; readonly ip: string; readonly port: number }
  /** Asks for a WDS address `network/ip`. */
  | { readonly kind: 'lookup'; readonly key: string }
  /** A token names a key that the key set of this URI does not have, or there is no key set yet. */
  | { readonly kind: 'jwks-wanted'; readonly uri: string }
  /** What ended since the last such message, while somebody watches. */
  | { readonly kind: 'flows'; readonly batch: FlowBatch }
  /** An endpoint was found ill; the others shall leave it out as well. */
  | { readonly kind: 'ejected'; readonly backend: string; readonly endpoint: string; readonly forMs: number }
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string }
  | { readonly kind: 'pong'; readonly id: number }
  | { readonly kind: 'drained' }
  | { readonly kind: 'failed'; readonly reason: string };
