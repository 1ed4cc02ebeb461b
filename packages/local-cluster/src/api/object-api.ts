/**
 * The in-process door to the API: what controllers and the node runtime use instead of HTTP. The same admission,
 * defaulting, validation, generation and resourceVersion rules apply; authentication and authorization do not (the
 * caller is the cluster itself). Types only; `create-object-api.ts` implements them. Main thread.
 */

import type { KubeObject } from '../store/kube-object.ts';

/**
 * Which collection is meant: plural name, then the group after a dot unless it is the core group
 * (`pods`, `deployments.apps`, `endpointslices.discovery.k8s.io`, `gateways.gateway.networking.k8s.io`).
 * Reads and writes use the storage version of the kind.
 */
export type ResourceName = string;

/** Narrows a list or watch; selectors have kubectl's text form (`app=a,tier in (x,y)`, `spec.nodeName=node-1`). */
export interface Selection {
  /** Absent = all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Options shared by all writes. `fieldManager` defaults to `ambit-local`. */
export interface WriteOptions {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
}

/** The four body formats of a patch; `apply` is server-side apply. */
export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

/** Options of a patch. */
export interface PatchOptions extends WriteOptions {
  /** Default `merge`. */
  readonly type?: PatchType;
  /** Only `status` and `scale` are subresources that can be patched in-process. */
  readonly subresource?: string;
  /** Apply only: take fields over from other managers. */
  readonly force?: boolean;
}

/** Options of a delete. */
export interface DeleteOptions {
  /** Pods: 0 removes at once; absent = the pod's own period. */
  readonly gracePeriodSeconds?: number;
  /** Default `Background`. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

/** One change, in the order of the revisions. DELETED carries the last state, with the revision of the deletion. */
export interface ObjectEvent<T extends KubeObject = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: T;
  /** The state before, for MODIFIED and DELETED. */
  readonly previous: T | undefined;
}

/** A list at one revision. */
export interface ObjectList<T extends KubeObject = KubeObject> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/**
 * The in-process API. Reads are synchronous and answer from memory with shared objects (never change them). Writes
 * reject with `ApiError`, whose `status` is the Status object an HTTP client would get; `isNotFound(error)`,
 * `isConflict(error)` and `isAlreadyExists(error)` of `status.ts` sort the usual ones.
 */
export interface ObjectApi {
  /** True when the resource is served now (builtin, or of an established definition). */
  serves(resource: ResourceName): boolean;
  /** Every served resource that has a `list` verb; used by the namespace and garbage collectors. */
  resources(): readonly { readonly resource: ResourceName; readonly kind: string; readonly namespaced: boolean }[];
  /** The resource of a kind, as an owner reference names it; undefined when it is not served. */
  resourceOf(apiVersion: string, kind: string): { resource: ResourceName; namespaced: boolean } | undefined;
  /** The object, or undefined. `namespace` is ignored for cluster-scoped kinds. */
  get<T extends KubeObject = KubeObject>(resource: ResourceName, name: string, namespace?: string): T | undefined;
  /** All objects of the selection, ordered by namespace and name. */
  list<T extends KubeObject = KubeObject>(resource: ResourceName, selection?: Selection): ObjectList<T>;
  /**
   * Calls the listener with ADDED for every object of the selection before it returns, then with every later change
   * in order, each in a microtask of its own write (never inside it). Dispose to stop. A resource that is not served
   * yet (a definition still to come) yields nothing until it is.
   */
  watch<T extends KubeObject = KubeObject>(
    resource: ResourceName,
    selection: Selection,
    listener: (event: ObjectEvent<T>) => void,
  ): Disposable;
  create<T extends KubeObject = KubeObject>(
    resource: ResourceName,
    object: KubeObject,
    options?: WriteOptions,
  ): Promise<T>;
  /** Replaces all but status; the resourceVersion in the object, when present, is a precondition. */
  update<T extends KubeObject = KubeObject>(
    resource: ResourceName,
    object: KubeObject,
    options?: WriteOptions,
  ): Promise<T>;
  /** Replaces status only. */
  updateStatus<T extends KubeObject = KubeObject>(
    resource: ResourceName,
    object: KubeObject,
    options?: WriteOptions,
  ): Promise<T>;
  /** Patches with an object (merge, strategic, apply) or a list of operations (json). */
  patch<T extends KubeObject = KubeObject>(
    resource: ResourceName,
    name: string,
    namespace: string | undefined,
    patch: unknown,
    options?: PatchOptions,
  ): Promise<T>;
  /** The object that stays (grace, finalizers) or was removed; rejects with NotFound when absent. */
  delete(resource: ResourceName, name: string, namespace?: string, options?: DeleteOptions): Promise<KubeObject>;
  /**
   * Removes one namespace finalizer (`PUT .../finalize`), which lets a terminating namespace go; other kinds use
   * `patch` on metadata.finalizers.
   */
  finalizeNamespace(name: string, finalizer: string): Promise<void>;
  /** A signed service account token (TokenRequest); bound to the pod or Secret when given. `ttlSeconds` 600 and up. */
  createToken(request: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly audiences?: readonly string[];
    readonly ttlSeconds?: number;
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly secret?: { readonly name: string; readonly uid: string };
    readonly node?: { readonly name: string; readonly uid: string };
  }): Promise<{ readonly token: string; readonly expiresAtMs: number }>;
}
