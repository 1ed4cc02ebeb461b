// In: requests of the CNI plugin, which blocks the start of a pod until it is answered. Out: the pod enrolled before its containers start.
// Called by app.ts on the plugin's unix socket. Main thread. Source: spec node-agent 6.4.
import type { AdminResponse, AdminRoute } from '@ambit/runtime/admin';
import { sleep } from '@ambit/runtime/clock';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { Enrolment } from '../enrol/sequence.ts';
import { type SelectionRules, shouldBeEnrolled } from '../select/eligible.ts';
import { groupUidOf } from '../select/pod-events.ts';
import { type AddRequest, parseAddRequest } from './add-request.ts';

/** Name of the socket in the agent's run folder. */
export const pluginSocketName = 'pluginevent.sock';

/** How often the pod is looked up before it counts as unknown: the plugin is often faster than the watch. */
const lookups = 40;
const lookupPauseMs = 25;

/** What the route works with. */
export interface CmdAddParts {
  readonly source: PodSource;
  readonly enrolment: Pick<Enrolment, 'enrol'>;
  readonly rules: SelectionRules;
  readonly log: Logger;
  readonly onAnswer: (status: number) => void;
  /** Replaced in tests. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A pod that was made anew has the name of the one before, which the watch may still show: its labels say nothing about the new one. */
const isMeant = (pod: KubernetesObject, uid: string): boolean =>
  uid === '' || pod.metadata?.uid === uid || groupUidOf(pod) === uid;

async function findPod(
  { source, pause = async (ms, signal) => sleep(ms, { signal }) }: CmdAddParts,
  request: AddRequest,
  signal: AbortSignal,
): Promise<{ readonly pod: KubernetesObject; readonly namespace: KubernetesObject } | undefined> {
  for (let attempt = 0; attempt < lookups; attempt += 1) {
    if (attempt > 0) await pause(lookupPauseMs, signal);
    const pod = source
      .pods()
      .find(
        (known) =>
          known.metadata?.name === request.name &&
          known.metadata.namespace === request.namespace &&
          isMeant(known, request.uid),
      );
    const namespace = source.namespace(request.namespace);
    if (pod !== undefined && namespace !== undefined) return { pod, namespace };
  }
  return undefined;
}

/** What the answer is for a pod that the watch does not know, and for one that is not selected. */
interface Otherwise {
  readonly unknown: number;
  readonly unselected: number;
}

/** Upstream's plugin has decided already that the pod belongs in the mesh: anything else is an error. */
const decidedByPlugin: Otherwise = { unknown: 500, unselected: 500 };
/** Our plugin leaves the decision to the agent; about a pod that is not known here it asks the API itself. */
const decidedHere: Otherwise = { unknown: 404, unselected: 200 };

async function add(
  parts: CmdAddParts,
  text: string,
  signal: AbortSignal,
  otherwise: Otherwise,
): Promise<AdminResponse> {
  const request = parseAddRequest(text);
  if (request === undefined) return { status: 400, body: '' };
  const found = await findPod(parts, request, signal);
  const where = `${request.namespace}/${request.name}`;
  if (found === undefined)
    return { status: otherwise.unknown, body: `pod ${where} is not known to the node agent yet\n` };
  if (!shouldBeEnrolled(found.pod, found.namespace, parts.rules))
    return { status: otherwise.unselected, body: `pod ${where} is not selected for the mesh\n` };
  await parts.enrolment.enrol(found.pod, request.ips, request.netns, signal);
  return { status: 200, body: '' };
}

/** `POST /cmdadd`: 200 enrolled, 400 unreadable, 500 with the reason. The plugin turns anything but 200 into a failed sandbox. */
export function cmdAddRoute(parts: CmdAddParts): AdminRoute {
  return answering(parts, decidedByPlugin);
}

/**
 * `POST /ambit/add`: the same, and the agent decides whether the pod belongs in the mesh: 200 also for one that does not, 404 for one that
 * the agent does not know. Saves the plugin two requests to the API, and the TLS library that they need (ADR 0002).
 */
export function decideAndAddRoute(parts: CmdAddParts): AdminRoute {
  return answering(parts, decidedHere);
}

function answering(parts: CmdAddParts, otherwise: Otherwise): AdminRoute {
  return async (request) => {
    let answer: AdminResponse;
    try {
      answer = await add(parts, await request.text(), request.signal, otherwise);
    } catch (error) {
      parts.log.warn('a new pod could not be enrolled', { error: messageOf(error) });
      answer = { status: 500, body: `${explain(error)}\n` };
    }
    // A pod that is not the mesh's affair is not counted: upstream's plugin would not have asked.
    const isPassed =
      otherwise === decidedHere && (answer.status === 404 || (answer.status === 200 && answer.body !== ''));
    if (!isPassed) parts.onAnswer(answer.status ?? 200);
    return answer;
  };
}
