/** The row of a pod in `kubectl get pods`. In: a pod; out: cells. Pure. */

import { isObject, listAt, textAt, valueAt, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Column } from '../resources/resource.ts';
import { ageOf } from './age.ts';

const column = (name: string, type = 'string', priority = 0): Column => ({
  name,
  type,
  format: name === 'Name' ? 'name' : '',
  description: `${name} of the pod.`,
  priority,
});

/** Columns of pods. */
export const podColumns: readonly Column[] = [
  column('Name'),
  column('Ready'),
  column('Status'),
  column('Restarts'),
  column('Age'),
  column('IP', 'string', 1),
  column('Node', 'string', 1),
  column('Nominated Node', 'string', 1),
  column('Readiness Gates', 'string', 1),
];

const conditionTrue = (pod: unknown, type: string): boolean =>
  listAt(pod, 'status', 'conditions').some(
    (item) => textAt(item, 'type') === type && textAt(item, 'status') === 'True',
  );

const isSidecar = (pod: unknown, name: string): boolean =>
  listAt(pod, 'spec', 'initContainers').some(
    (item) => textAt(item, 'name') === name && textAt(item, 'restartPolicy') === 'Always',
  );

function endReason(state: unknown): string | undefined {
  const ended = valueAt(state, ['terminated']);
  if (!isObject(ended)) return undefined;
  const reason = textAt(ended, 'reason');
  if (reason !== '') return reason;
  const signal = valueAt(ended, ['signal']);
  return typeof signal === 'number' && signal !== 0 ? `Signal:${signal}` : `ExitCode:${shown(ended['exitCode'] ?? 0)}`;
}

function initStatus(pod: unknown): string | undefined {
  const statuses = listAt(pod, 'status', 'initContainerStatuses').filter(isObject);
  const total = listAt(pod, 'spec', 'initContainers').length;
  for (const [index, status] of statuses.entries()) {
    const state = status['state'];
    const ended = valueAt(state, ['terminated']);
    if (isObject(ended) && ended['exitCode'] === 0) continue;
    if (isSidecar(pod, textAt(status, 'name')) && status['started'] === true) continue;
    if (isObject(ended)) return `Init:${endReason(state) ?? 'Error'}`;
    const waiting = textAt(state, 'waiting', 'reason');
    return waiting !== '' && waiting !== 'PodInitializing' ? `Init:${waiting}` : `Init:${index}/${total}`;
  }
  return undefined;
}

function containerStatus(pod: unknown, phase: string): string {
  let reason = phase;
  let hasRunning = false;
  for (const status of listAt(pod, 'status', 'containerStatuses').toReversed()) {
    const { state } = (isObject(status) ? status : {}) as JsonObject;
    const waiting = textAt(state, 'waiting', 'reason');
    if (waiting !== '') reason = waiting;
    else if (valueAt(state, ['terminated']) !== undefined) reason = endReason(state) ?? reason;
    else if (isObject(status) && status['ready'] === true && valueAt(state, ['running']) !== undefined)
      hasRunning = true;
  }
  if (reason === 'Completed' && hasRunning) return conditionTrue(pod, 'Ready') ? 'Running' : 'NotReady';
  return reason;
}

/** The text of the Status column. */
export function podStatusText(pod: unknown): string {
  const own = textAt(pod, 'status', 'reason');
  const phase = own === '' ? textAt(pod, 'status', 'phase') : own;
  const deleted = valueAt(pod, ['metadata', 'deletionTimestamp']) !== undefined;
  if (deleted) return own === 'NodeLost' ? 'Unknown' : 'Terminating';
  const init = conditionTrue(pod, 'Initialized') ? undefined : initStatus(pod);
  return init ?? containerStatus(pod, phase === '' ? 'Pending' : phase);
}

function restartsText(statuses: readonly JsonObject[], nowMs: number): string {
  let restarts = 0;
  let lastMs = 0;
  for (const status of statuses) {
    restarts += typeof status['restartCount'] === 'number' ? status['restartCount'] : 0;
    const ended = textAt(status, 'lastState', 'terminated', 'finishedAt');
    if (ended !== '') lastMs = Math.max(lastMs, Date.parse(ended));
  }
  return restarts > 0 && lastMs > 0
    ? `${restarts} (${ageOf(new Date(lastMs).toISOString(), nowMs)} ago)`
    : String(restarts);
}

/** Cells of a pod. */
export function podCells(pod: unknown, nowMs: number): unknown[] {
  const statuses = listAt(pod, 'status', 'containerStatuses').filter(isObject);
  const sidecars = listAt(pod, 'status', 'initContainerStatuses')
    .filter(isObject)
    .filter((status) => isSidecar(pod, textAt(status, 'name')));
  const all = [...statuses, ...sidecars];
  const ready = all.filter((status) => status['ready'] === true).length;
  const sidecarCount = listAt(pod, 'spec', 'initContainers').filter(
    (item) => textAt(item, 'restartPolicy') === 'Always',
  ).length;
  const total = listAt(pod, 'spec', 'containers').length + sidecarCount;
  const none = (text: string): string => (text === '' ? '<none>' : text);
  const gates = listAt(pod, 'spec', 'readinessGates');
  const passed = gates.filter((gate) => conditionTrue(pod, textAt(gate, 'conditionType'))).length;
  return [
    textAt(pod, 'metadata', 'name'),
    `${ready}/${total}`,
    podStatusText(pod),
    restartsText(all, nowMs),
    ageOf(valueAt(pod, ['metadata', 'creationTimestamp']), nowMs),
    none(textAt(pod, 'status', 'podIP')),
    none(textAt(pod, 'spec', 'nodeName')),
    none(textAt(pod, 'status', 'nominatedNodeName')),
    gates.length === 0 ? '<none>' : `${passed}/${gates.length}`,
  ];
}
