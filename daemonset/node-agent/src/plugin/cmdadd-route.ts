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

async function findPod(
  { source, pause = async (ms, signal) => sleep(ms, { signal }) }: CmdAddParts,
  request: AddRequest,
  signal: AbortSignal,
): Promise<{ readonly pod: KubernetesObject; readonly namespace: KubernetesObject } | undefined> {
  for (let attempt = 0; attempt < lookups; attempt += 1) {
    if (attempt > 0) await pause(lookupPauseMs, signal);
    const pod = source
      .pods()
      .find(({ metadata }) => metadata?.name === request.name && metadata.namespace === request.namespace);
    const namespace = source.namespace(request.namespace);
    if (pod !== undefined && namespace !== undefined) return { pod, namespace };
  }
  return undefined;
}

async function add(parts: CmdAddParts, text: string, signal: AbortSignal): Promise<AdminResponse> {
  const request = parseAddRequest(text);
  if (request === undefined) return { status: 400, body: '' };
  const found = await findPod(parts, request, signal);
  const where = `${request.namespace}/${request.name}`;
  if (found === undefined) return { status: 500, body: `pod ${where} is not known to the node agent yet\n` };
  if (!shouldBeEnrolled(found.pod, found.namespace, parts.rules))
    return { status: 500, body: `pod ${where} is not selected for the mesh\n` };
  await parts.enrolment.enrol(found.pod, request.ips, request.netns);
  return { status: 200, body: '' };
}

/** `POST /cmdadd`: 200 enrolled, 400 unreadable, 500 with the reason. The plugin turns anything but 200 into a failed sandbox. */
export function cmdAddRoute(parts: CmdAddParts): AdminRoute {
  return async (request) => {
    let answer: AdminResponse;
    try {
      answer = await add(parts, await request.text(), request.signal);
    } catch (error) {
      parts.log.warn('a new pod could not be enrolled', { error: messageOf(error) });
      answer = { status: 500, body: `${explain(error)}\n` };
    }
    parts.onAnswer(answer.status ?? 200);
    return answer;
  };
}
