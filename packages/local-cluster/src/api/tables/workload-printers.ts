/** Tables of workloads: deployments, replica sets, daemon sets, stateful sets, jobs. In: objects; out: cells (spec/local-cluster.md 7.1). Called through columns.ts. Pure. */

import { listAt, textAt, valueAt, shown } from '../json.ts';
import { ageOf, humanDuration } from './age.ts';
import { age, ageColumn, column, count, labelsText, nameColumn, nameOf, noneIfEmpty, printer } from './printer.ts';
import type { Printer } from './printer.ts';

const templateCells = (object: unknown): string[] => {
  const containers = listAt(object, 'spec', 'template', 'spec', 'containers');
  return [
    containers.map((item) => textAt(item, 'name')).join(','),
    containers.map((item) => textAt(item, 'image')).join(','),
  ];
};

function jobDuration(job: unknown, nowMs: number): string {
  const start = textAt(job, 'status', 'startTime');
  if (start === '') return '';
  const end = textAt(job, 'status', 'completionTime');
  return humanDuration((end === '' ? nowMs : Date.parse(end)) - Date.parse(start));
}

function jobStatus(job: unknown): string {
  const done = listAt(job, 'status', 'conditions').find(
    (item) => textAt(item, 'status') === 'True' && ['Complete', 'Failed', 'Suspended'].includes(textAt(item, 'type')),
  );
  return done === undefined ? 'Running' : textAt(done, 'type');
}

/** Sets of equal pods; the selector stands where the kind has it. */
const setPrinter = (selector: readonly string[]): Printer =>
  printer(
    [
      nameColumn,
      column('Desired', 'integer'),
      column('Current', 'integer'),
      column('Ready', 'integer'),
      ageColumn,
      column('Containers', 'string', 1),
      column('Images', 'string', 1),
      column('Selector', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      count(object, 'spec', 'replicas'),
      count(object, 'status', 'replicas'),
      count(object, 'status', 'readyReplicas'),
      age(object, now),
      ...templateCells(object),
      labelsText(valueAt(object, selector)),
    ],
  );

/** Printers by storage name. */
export const workloadPrinters: Readonly<Record<string, Printer>> = {
  'deployments.apps': printer(
    [
      nameColumn,
      column('Ready'),
      column('Up-to-date', 'integer'),
      column('Available', 'integer'),
      ageColumn,
      column('Containers', 'string', 1),
      column('Images', 'string', 1),
      column('Selector', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
      count(object, 'status', 'updatedReplicas'),
      count(object, 'status', 'availableReplicas'),
      age(object, now),
      ...templateCells(object),
      labelsText(valueAt(object, ['spec', 'selector', 'matchLabels'])),
    ],
  ),
  'replicasets.apps': setPrinter(['spec', 'selector', 'matchLabels']),
  replicationcontrollers: setPrinter(['spec', 'selector']),
  'daemonsets.apps': printer(
    [
      nameColumn,
      column('Desired', 'integer'),
      column('Current', 'integer'),
      column('Ready', 'integer'),
      column('Up-to-date', 'integer'),
      column('Available', 'integer'),
      column('Node Selector'),
      ageColumn,
      column('Containers', 'string', 1),
      column('Images', 'string', 1),
      column('Selector', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      count(object, 'status', 'desiredNumberScheduled'),
      count(object, 'status', 'currentNumberScheduled'),
      count(object, 'status', 'numberReady'),
      count(object, 'status', 'updatedNumberScheduled'),
      count(object, 'status', 'numberAvailable'),
      labelsText(valueAt(object, ['spec', 'template', 'spec', 'nodeSelector'])),
      age(object, now),
      ...templateCells(object),
      labelsText(valueAt(object, ['spec', 'selector', 'matchLabels'])),
    ],
  ),
  'statefulsets.apps': printer(
    [nameColumn, column('Ready'), ageColumn, column('Containers', 'string', 1), column('Images', 'string', 1)],
    (object, now) => [
      nameOf(object),
      `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
      age(object, now),
      ...templateCells(object),
    ],
  ),
  'jobs.batch': printer(
    [
      nameColumn,
      column('Status'),
      column('Completions'),
      column('Duration'),
      ageColumn,
      column('Containers', 'string', 1),
      column('Images', 'string', 1),
      column('Selector', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      jobStatus(object),
      `${count(object, 'status', 'succeeded')}/${shown(valueAt(object, ['spec', 'completions']) ?? 1)}`,
      jobDuration(object, now),
      age(object, now),
      ...templateCells(object),
      labelsText(valueAt(object, ['spec', 'selector', 'matchLabels'])),
    ],
  ),
  'cronjobs.batch': printer(
    [
      nameColumn,
      column('Schedule'),
      column('Timezone'),
      column('Suspend', 'boolean'),
      column('Active', 'integer'),
      column('Last Schedule'),
      ageColumn,
    ],
    (object, now) => [
      nameOf(object),
      textAt(object, 'spec', 'schedule'),
      noneIfEmpty(textAt(object, 'spec', 'timeZone')),
      shown(valueAt(object, ['spec', 'suspend']) ?? false),
      listAt(object, 'status', 'active').length,
      textAt(object, 'status', 'lastScheduleTime') === ''
        ? '<none>'
        : ageOf(textAt(object, 'status', 'lastScheduleTime'), now),
      age(object, now),
    ],
  ),
};
