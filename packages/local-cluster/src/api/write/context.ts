/** What travels with one write through the pipeline. Made by the HTTP layer or by the in-process API. */

import type { WebhookCaller } from '../admission/call-webhook.ts';
import type { AdmissionSession } from '../admission/session.ts';
import type { UserInfo } from '../../auth/user.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import type { Registry } from '../resources/registry.ts';

/** How unknown and duplicate fields are treated. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** Options of one write. `warnings` is filled and goes out as Warning headers. */
export interface WriteContext {
  readonly manager: string;
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  readonly warnings: string[];
  /** Who asks; absent for the cluster itself. */
  readonly user?: UserInfo;
  /** Webhooks and policies; absent for writes that nobody may guard. */
  readonly admission?: AdmissionSession;
}

/** A change on its way to the store, as admission sees it. */
export interface AdmissionRequest {
  /** `pods`, `deployments.apps`. */
  readonly resource: string;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  readonly subresource: string | undefined;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
  /** Who asks; undefined for the cluster itself. */
  readonly user: UserInfo | undefined;
  readonly dryRun: boolean;
}

/**
 * A built-in step of the cluster (service addresses, for one): returns the object to store, or throws an `ApiError`.
 * Synchronous and quick; runs last, after validation and webhooks, so that what it fills in is nobody's field.
 */
export type Admission = (request: AdmissionRequest) => KubeObject;

/** What the write path works on. */
export interface WriteEnvironment {
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly admission: readonly Admission[];
  /** Asks a webhook; without it those that must answer refuse. */
  readonly callWebhook?: WebhookCaller;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** RFC 3339 with whole seconds. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
