/** Tables of nodes, namespaces, events, configuration, roles and what else a cluster keeps. In: objects; out: cells (spec/local-cluster.md 7.1). Called through columns.ts. Pure. */

import { listAt, objectAt, textAt, valueAt } from '../json.ts';
import { ageOf } from './age.ts';
import { age, ageColumn, column, count, nameColumn, nameOf, noneIfEmpty, printer } from './printer.ts';
import type { Printer } from './printer.ts';

function nodeStatus(node: unknown): string {
  const ready = listAt(node, 'status', 'conditions').find((item) => textAt(item, 'type') === 'Ready');
  const status = ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
  return valueAt(node, ['spec', 'unschedulable']) === true ? `${status},SchedulingDisabled` : status;
}

function nodeRoles(node: unknown): string {
  const prefix = 'node-role.kubernetes.io/';
  const labels = objectAt(node, 'metadata', 'labels') ?? {};
  return noneIfEmpty(
    Object.keys(labels)
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .toSorted()
      .join(','),
  );
}

const addressOf = (node: unknown, type: string): string =>
  noneIfEmpty(
    textAt(
      listAt(node, 'status', 'addresses').find((item) => textAt(item, 'type') === type),
      'address',
    ),
  );

function eventAge(event: unknown, nowMs: number): string {
  const last =
    textAt(event, 'lastTimestamp') ||
    textAt(event, 'series', 'lastObservedTime') ||
    textAt(event, 'eventTime') ||
    textAt(event, 'metadata', 'creationTimestamp');
  return ageOf(last, nowMs);
}

function involved(event: unknown): string {
  const object = objectAt(event, 'involvedObject') ?? objectAt(event, 'regarding');
  return `${textAt(object, 'kind').toLowerCase()}/${textAt(object, 'name')}`;
}

/** Printers by storage name. */
export const clusterPrinters: Readonly<Record<string, Printer>> = {
  nodes: printer(
    [
      nameColumn,
      column('Status'),
      column('Roles'),
      ageColumn,
      column('Version'),
      column('Internal-IP', 'string', 1),
      column('External-IP', 'string', 1),
      column('OS-Image', 'string', 1),
      column('Kernel-Version', 'string', 1),
      column('Container-Runtime', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      nodeStatus(object),
      nodeRoles(object),
      age(object, now),
      textAt(object, 'status', 'nodeInfo', 'kubeletVersion'),
      addressOf(object, 'InternalIP'),
      addressOf(object, 'ExternalIP'),
      textAt(object, 'status', 'nodeInfo', 'osImage'),
      textAt(object, 'status', 'nodeInfo', 'kernelVersion'),
      textAt(object, 'status', 'nodeInfo', 'containerRuntimeVersion'),
    ],
  ),
  namespaces: printer([nameColumn, column('Status'), ageColumn], (object, now) => [
    nameOf(object),
    textAt(object, 'status', 'phase'),
    age(object, now),
  ]),
  events: printer(
    [
      column('Last Seen'),
      column('Type'),
      column('Reason'),
      column('Object'),
      column('Subobject', 'string', 1),
      column('Source', 'string', 1),
      column('Message'),
      column('First Seen', 'string', 1),
      column('Count', 'string', 1),
      column('Name', 'string', 1),
    ],
    (object, now) => [
      eventAge(object, now),
      textAt(object, 'type'),
      textAt(object, 'reason'),
      involved(object),
      textAt(object, 'involvedObject', 'fieldPath'),
      textAt(object, 'source', 'component') ||
        textAt(object, 'reportingComponent') ||
        textAt(object, 'reportingController'),
      (textAt(object, 'message') || textAt(object, 'note')).trim(),
      ageOf(
        textAt(object, 'firstTimestamp') ||
          textAt(object, 'eventTime') ||
          textAt(object, 'metadata', 'creationTimestamp'),
        now,
      ),
      count(object, 'count') || 1,
      nameOf(object),
    ],
  ),
  serviceaccounts: printer([nameColumn, column('Secrets'), ageColumn], (object, now) => [
    nameOf(object),
    String(listAt(object, 'secrets').length),
    age(object, now),
  ]),
  configmaps: printer([nameColumn, column('Data'), ageColumn], (object, now) => [
    nameOf(object),
    Object.keys(objectAt(object, 'data') ?? {}).length + Object.keys(objectAt(object, 'binaryData') ?? {}).length,
    age(object, now),
  ]),
  secrets: printer([nameColumn, column('Type'), column('Data'), ageColumn], (object, now) => [
    nameOf(object),
    textAt(object, 'type'),
    Object.keys(objectAt(object, 'data') ?? {}).length,
    age(object, now),
  ]),
  'leases.coordination.k8s.io': printer([nameColumn, column('Holder'), ageColumn], (object, now) => [
    nameOf(object),
    textAt(object, 'spec', 'holderIdentity'),
    age(object, now),
  ]),
  'customresourcedefinitions.apiextensions.k8s.io': printer([nameColumn, column('Created At', 'date')], (object) => [
    nameOf(object),
    textAt(object, 'metadata', 'creationTimestamp'),
  ]),
  'clusterroles.rbac.authorization.k8s.io': printer([nameColumn, column('Created At', 'date')], (object) => [
    nameOf(object),
    textAt(object, 'metadata', 'creationTimestamp'),
  ]),
  'roles.rbac.authorization.k8s.io': printer([nameColumn, column('Created At', 'date')], (object) => [
    nameOf(object),
    textAt(object, 'metadata', 'creationTimestamp'),
  ]),
};
