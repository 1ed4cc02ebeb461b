// In: nothing. Out: what the server needs to know of one type of resource; the control plane implements it over its snapshot.
// Called by: delta-session.ts. All functions are synchronous and read one consistent state. Main thread.
import type { ClientInfo } from './client-info.ts';

/** One encoded resource. The same object goes to every client; never change it, replace it. */
export interface XdsResource {
  readonly name: string;
  /** Equal content has an equal version on every replica and after a restart. '' = always send. */
  readonly version: string;
  /** The message, encoded once. */
  readonly bytes: Uint8Array;
  /** Type URL inside the Any, when it differs from that of the source. */
  readonly contentTypeUrl?: string;
  /** Other names it answers to; sent to on-demand clients only. */
  readonly aliases?: readonly string[];
}

/** What one client may get of a type. Asked anew for each response, so it may change; then announce the names concerned. */
export interface ClientScope {
  /** Sent unasked to a wildcard client. */
  isPushed(name: string): boolean;
  /** May be asked for by name. Default: everything. */
  isReadable?(name: string): boolean;
}

/** The resources of one type URL. */
export interface ResourceSource {
  readonly typeUrl: string;
  /** All primary names. */
  names(): Iterable<string>;
  get(name: string): XdsResource | undefined;
  /**
   * Tells which primary names may have changed: content, existence, or visibility for some client.
   * `all` = unknown. Calls are merged (debounce), so announce at once and cheaply.
   */
  subscribe(onChange: (names: Iterable<string> | 'all') => void): Disposable;
  /** Primary names behind a key that a client asks for (an address, a service with its workloads). Default: the name itself. */
  lookup?(key: string, client: ClientInfo): Iterable<string>;
  /** Whether a name that stands for no resource of this type exists all the same, so that a client does not drop it. Default: no. */
  isKnown?(name: string): boolean;
  /** Names that an on-demand client gets without asking (workloads of its own node). */
  unasked?(client: ClientInfo): Iterable<string>;
  /** Undefined = the client sees everything. */
  scope?(client: ClientInfo): ClientScope | undefined;
  /** A wildcard client that later asks for names gets only those (true) or everything again (false, as istiod does). Default false. */
  answersNamed?(client: ClientInfo): boolean;
  /** Names in a first request are not honoured: everything is sent (policies). Default false. */
  readonly alwaysWildcard?: boolean;
  /** A forced push sends everything again. Default false. */
  readonly resendOnForcedPush?: boolean;
  /** With several types in one push, removals go in a second round in reverse order (make before break). Default false. */
  readonly removesLast?: boolean;
}
