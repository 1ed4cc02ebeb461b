// What the mesh asks of the Kubernetes API. Implemented over HTTP by rest-client.ts and in memory by testing/memory-cluster.ts.
import type { KindName, KubernetesObject, ObjectOf } from '@ambit/resources';

/** Which object: kind, namespace (empty for cluster-wide kinds) and name. */
export interface ObjectRef<K extends KindName = KindName> {
  readonly kind: K;
  readonly namespace?: string;
  readonly name: string;
}

/** Which objects. */
export interface ListOptions {
  /** Undefined: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly signal?: AbortSignal;
}

/** A list at one point in time. */
export interface ObjectList {
  readonly items: readonly KubernetesObject[];
  /** Watch from here. */
  readonly resourceVersion: string;
}

/** One event of a watch. A bookmark only moves `resourceVersion` on. */
export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubernetesObject }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

/** Who applies, and whether fields of others are taken over. */
export interface ApplyOptions {
  readonly fieldManager: string;
  /** Default true. */
  readonly force?: boolean;
  readonly subresource?: 'status';
}

/** How to create. */
export interface CreateOptions {
  /** Everything happens but the storing: admission says what it would say. */
  readonly dryRun?: boolean;
  /** Plural of the kind in paths, for kinds that are in no table of ours. */
  readonly resource?: string;
}

/** How to delete. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  /** What the object must still be. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/** Body format of a patch. */
export type PatchType = 'merge' | 'json' | 'strategic';

/** Verdict about a bearer token. */
export interface TokenReview {
  readonly isAuthenticated: boolean;
  readonly username: string;
  readonly groups: readonly string[];
  readonly audiences: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
  /** Why it was refused, for the log. */
  readonly error: string;
}

/** Something that one would like to be allowed to do. */
export interface AccessWish {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
}

/** The Kubernetes API as the mesh uses it. All promises reject with KubeError. */
export interface KubeClient {
  /** The object, or undefined when there is none. */
  get<K extends KindName>(ref: ObjectRef<K>): Promise<ObjectOf<K> | undefined>;
  list(kind: KindName, options?: ListOptions): Promise<ObjectList>;
  /** Events after `resourceVersion` until the server ends the watch or `signal` aborts. ERR_KUBE_GONE: list again. */
  watch(kind: KindName, resourceVersion: string, options?: ListOptions): AsyncIterable<WatchEvent>;
  create<T extends KubernetesObject>(object: T, options?: CreateOptions): Promise<T>;
  /** Replaces; `metadata.resourceVersion` guards against lost updates (ERR_KUBE_CONFLICT). */
  update<T extends KubernetesObject>(object: T, options?: { subresource?: 'status' | 'approval' }): Promise<T>;
  /** Server-side apply: creates or takes over the given fields. */
  apply(object: KubernetesObject, options: ApplyOptions): Promise<KubernetesObject>;
  patch(
    ref: ObjectRef,
    body: unknown,
    options: { type: PatchType; subresource?: 'status'; fieldManager?: string },
  ): Promise<KubernetesObject>;
  /** False when there was nothing to delete. `gracePeriodSeconds` shortens what a pod may take to end; ERR_KUBE_CONFLICT when it is no longer the one of `preconditions`. */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  /** Who a token belongs to; no audience = the API server's own. */
  reviewToken(token: string, audiences: readonly string[]): Promise<TokenReview>;
  /** Whether somebody else may do this (SubjectAccessReview). */
  reviewAccess(user: Pick<TokenReview, 'username' | 'groups' | 'extra'>, wish: AccessWish): Promise<boolean>;
}
