// Events for people: what `kubectl describe` and `kubectl get events` show.
// Comes in: facts from controllers and the node runtime. Goes out: v1 Event objects, the same fact counted, not repeated.
// Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import type { Logger } from '@ambit/runtime/log';
import type { AnyObject } from './objects.ts';

/** Records events; never throws and never waits: an event that can not be written is dropped and logged at debug. */
export interface EventRecorder {
  record(about: AnyObject, type: 'Normal' | 'Warning', reason: string, message: string, host?: string): void;
}

interface EventObject extends AnyObject {
  involvedObject: Record<string, string | undefined>;
  reason: string;
  message: string;
  type: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string; host?: string };
  reportingComponent: string;
  reportingInstance: string;
}

const AGGREGATION_MS = 600_000;
const MAX_REMEMBERED = 4096;

let lastStamp = 0n;

/** Nanoseconds since the epoch in hex, never the same twice: lists of events are in the order of what happened. */
function nextStamp(): string {
  const now = BigInt(Date.now()) * 1_000_000n;
  lastStamp = now > lastStamp ? now : lastStamp + 1n;
  return lastStamp.toString(16);
}

/** Makes a recorder that signs as `component`; equal facts within 10 minutes raise a count. */
export function createEventRecorder(api: ObjectApi, log: Logger, component: string): EventRecorder {
  const seen = new Map<string, { name: string; namespace: string; count: number; firstMs: number }>();

  const write = async (key: string, event: EventObject): Promise<void> => {
    const known = seen.get(key);
    const namespace = event.metadata.namespace ?? 'default';
    if (known !== undefined && Date.now() - known.firstMs < AGGREGATION_MS) {
      known.count += 1;
      await api.patch('events', known.name, known.namespace, {
        count: known.count,
        lastTimestamp: event.lastTimestamp,
      });
      return;
    }
    if (seen.size >= MAX_REMEMBERED) seen.clear();
    seen.set(key, { name: event.metadata.name, namespace, count: 1, firstMs: Date.now() });
    await api.create('events', event);
  };

  return {
    record: (about, type, reason, message, host) => {
      const namespace = about.metadata.namespace ?? 'default';
      const now = `${new Date().toISOString().slice(0, 19)}Z`;
      const event: EventObject = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${about.metadata.name.slice(0, 200)}.${nextStamp()}`, namespace },
        involvedObject: {
          apiVersion: about.apiVersion,
          kind: about.kind,
          name: about.metadata.name,
          ...(about.metadata.namespace === undefined ? {} : { namespace: about.metadata.namespace }),
          ...(about.metadata.uid === undefined ? {} : { uid: about.metadata.uid }),
        },
        reason,
        message: message.slice(0, 1024),
        type,
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
        source: { component, ...(host === undefined ? {} : { host }) },
        reportingComponent: component,
        reportingInstance: host ?? '',
      };
      write(`${about.metadata.uid ?? ''}|${reason}|${message}`, event).catch((error: unknown) => {
        log.debug('event not recorded', { reason, error: error instanceof Error ? error.message : String(error) });
      });
    },
  };
}
