// What every controller is given, and the key form they share.
// Comes in: the in-process object API. Goes out: what every controller needs to use it. Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import type { Logger } from '@ambit/runtime/log';
import type { AnyObject } from './objects.ts';
import type { EventRecorder } from './events.ts';

/** What every controller is given. */
export interface ControllerContext {
  readonly api: ObjectApi;
  readonly log: Logger;
  readonly events: EventRecorder;
}

/** A running controller; `close()` stops watching and is idempotent. */
export interface Controller {
  close(): void;
}

/** `namespace/name`, the key of a namespaced object (`/name` for a cluster-scoped one). */
export function keyOf(object: AnyObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** Splits a key into namespace and name. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Closes several parts as one controller. */
export function controllerOfParts(...parts: ({ close(): void } | Disposable)[]): Controller {
  return {
    close: () => {
      for (const part of parts) {
        if ('close' in part) part.close();
        else part[Symbol.dispose]();
      }
    },
  };
}

/** The current time as Kubernetes writes it: RFC 3339 with whole seconds. */
export function nowSeconds(): string {
  return isoSeconds(Date.now());
}

/** A time as Kubernetes writes it: RFC 3339 in whole seconds. */
export const isoSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
