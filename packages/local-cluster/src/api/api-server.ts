/**
 * The API server of the local cluster, composed. In: a state folder; out: listeners that speak the Kubernetes API,
 * a kubeconfig, and the in-process `ObjectApi`. Called by the cluster's main. Main thread.
 */

import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from './object-api.ts';
import type { PodStreams } from './pod-streams.ts';

/** Settings of the API server. */
export interface ApiServerOptions {
  /** Folder of the database, the CA, the signing key and the kubeconfig; made when missing, mode 0700. */
  readonly stateDir: string;
  readonly log: Logger;
  /** Extra addresses and names for the serving certificate, beside those of spec/local-cluster.md 2. */
  readonly certificateNames?: readonly string[];
  /** The node side of log, exec, attach and portforward; without it they answer 501. May be set later. */
  readonly podStreams?: PodStreams;
  /** Static bearer tokens beside the admin token: token -> user. For tests. */
  readonly tokens?: Readonly<Record<string, { readonly username: string; readonly groups?: readonly string[] }>>;
  /** The first address of the service range, for the certificate. Default 10.96.0.1. */
  readonly serviceAddress?: string;
}

/** A running API server. */
export interface ApiServer {
  readonly objects: ObjectApi;
  /** PEM of the cluster CA: clients trust it, `kube-root-ca.crt` carries it. */
  readonly caPem: string;
  /** The bearer token of the administrator (group system:masters). A secret. */
  readonly adminToken: string;
  /** Listens on an address; port 0 picks one. */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly port: number }>;
  /** Listens on an already bound socket (made inside a node's namespace); the server owns the fd from here on. */
  listenFd(fd: number): Promise<void>;
  /** YAML of a kubeconfig for this server address (`https://127.0.0.1:6443`) with the administrator's token. */
  kubeconfig(server: string): string;
  /** Writes the same to a file with mode 0600. */
  writeKubeconfig(file: string, server: string): Promise<void>;
  setPodStreams(streams: PodStreams): void;
  /** Ends watches, stops listening, checkpoints and closes the database. Idempotent. */
  close(): Promise<void>;
}

/** Opens the state folder and returns a server that does not listen yet. */
export declare function createApiServer(options: ApiServerOptions): Promise<ApiServer>;
