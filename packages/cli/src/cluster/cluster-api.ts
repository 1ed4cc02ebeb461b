// What the commands need of a Kubernetes API, and nothing more. Implemented by connect.ts; doubles in tests.
import type { Duplex } from 'node:stream';
import type { AccessWish, IssuedToken, TokenRequest } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';

/** Kind of an object, as it is written in YAML. */
export interface KindRef {
  readonly apiVersion: string;
  readonly kind: string;
}

/** One object. `namespace` is left out for cluster-scoped kinds. */
export interface ObjectRef extends KindRef {
  readonly name: string;
  readonly namespace?: string;
}

/** Narrows a list. */
export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
}

/** The Kubernetes API of one cluster with one identity. All methods reject with the server's message. */
export interface ClusterApi {
  /** Address of the server, for messages. */
  readonly server: string;
  /** Namespace of the kubeconfig's context. */
  readonly contextNamespace: string | undefined;
  /** Undefined when there is no such object or no such kind. */
  readonly get: (ref: ObjectRef) => Promise<KubernetesObject | undefined>;
  /** Empty when the kind does not exist. */
  readonly list: (kind: KindRef, options?: ListOptions) => Promise<readonly KubernetesObject[]>;
  /** Server-side apply as field manager `ambit`, conflicts taken over. */
  readonly apply: (object: KubernetesObject) => Promise<KubernetesObject>;
  /** JSON merge patch; null removes a field. */
  readonly patch: (ref: ObjectRef, patch: object) => Promise<KubernetesObject>;
  /** JSON patch (RFC 6902). */
  readonly patchJson: (ref: ObjectRef, patch: readonly object[]) => Promise<KubernetesObject>;
  /** True when there was something to delete. `gracePeriodSeconds` shortens what a pod may take to end. */
  readonly delete: (ref: ObjectRef, options?: { readonly gracePeriodSeconds?: number }) => Promise<boolean>;
  /** Log text of one container. */
  readonly podLog: (ref: {
    readonly namespace: string;
    readonly name: string;
    readonly container?: string;
    readonly sinceSeconds?: number;
    /** Of the container before its last restart. */
    readonly previous?: boolean;
  }) => Promise<string>;
  /** Lines of a pod's log as they are written from now on, until `signal`; ends with the pod (needs get on pods/log). */
  readonly followLog: (
    ref: { readonly namespace: string; readonly name: string },
    signal: AbortSignal,
  ) => AsyncIterable<string>;
  /** One HTTP request to a port inside a pod, loopback listeners included (needs create on pods/portforward). */
  readonly askPod: (request: {
    readonly namespace: string;
    readonly name: string;
    readonly port: number;
    readonly path: string;
    readonly method?: 'GET' | 'POST';
  }) => Promise<{ readonly status: number; readonly body: string }>;
  /** A connection to a port inside a pod (needs create on pods/portforward). The caller destroys it. */
  readonly openPod: (target: {
    readonly namespace: string;
    readonly name: string;
    readonly port: number;
  }) => Promise<Duplex>;
  /** The bearer token in use; undefined where the kubeconfig holds a client certificate, or acts as somebody else. */
  readonly token: () => Promise<string | undefined>;
  /** A short-lived token of a service account (needs create on serviceaccounts/token). */
  readonly requestToken: (request: TokenRequest) => Promise<IssuedToken>;
  /** Whether the credentials in use may do this. */
  readonly canI: (wish: AccessWish) => Promise<boolean>;
  /** The text at a path of the API server. */
  readonly text: (path: string) => Promise<string>;
  /** Closes idle connections. */
  readonly close: () => void;
  /** `/version` of the server. */
  readonly version: () => Promise<string>;
}
