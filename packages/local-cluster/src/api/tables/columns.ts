/**
 * Columns and cells of Tables: builtin printers by storage name, definitions' own columns, Name and Age otherwise
 * (spec/local-cluster.md 7.1). In: resource and object; out: column definitions and cells. Pure.
 */

import { isObject, listAt, objectAt, textAt, valueAt, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Column, Resource } from '../resources/resource.ts';
import { ageOf, humanDuration } from './age.ts';
import { valuesAtPath } from './json-path.ts';
import { podCells, podColumns } from './pod-cells.ts';

/** A printer: columns and the cells of one object. */
export interface Printer {
  readonly columns: readonly Column[];
  readonly cells: (object: unknown, nowMs: number) => unknown[];
}

/** A column of a builtin table. */
export const column = (name: string, type = 'string', priority = 0): Column => ({
  name,
  type,
  format: name === 'Name' ? 'name' : '',
  description: `${name} of the object.`,
  priority,
});

const count = (object: unknown, ...path: readonly string[]): number => {
  const value = valueAt(object, path);
  return typeof value === 'number' ? value : 0;
};
const nameOf = (object: unknown): string => textAt(object, 'metadata', 'name');
const age = (object: unknown, nowMs: number): string =>
  ageOf(valueAt(object, ['metadata', 'creationTimestamp']), nowMs);
const noneIfEmpty = (text: string): string => (text === '' ? '<none>' : text);

const labelsText = (value: unknown): string =>
  isObject(value) && Object.keys(value).length > 0
    ? Object.entries(value)
        .map(([key, item]) => `${key}=${String(item)}`)
        .join(',')
    : '<none>';

const printer = (columns: readonly Column[], cells: Printer['cells']): Printer => ({ columns, cells });

const templateCells = (object: unknown): string[] => {
  const containers = listAt(object, 'spec', 'template', 'spec', 'containers');
  return [
    containers.map((item) => textAt(item, 'name')).join(','),
    containers.map((item) => textAt(item, 'image')).join(','),
  ];
};

function portsText(service: unknown): string {
  const ports = listAt(service, 'spec', 'ports').filter(isObject);
  if (ports.length === 0) return '<none>';
  return ports
    .map(
      (port) =>
        `${String(port['port'])}${port['nodePort'] === undefined ? '' : `:${shown(port['nodePort'])}`}/${shown(port['protocol'] ?? 'TCP')}`,
    )
    .join(',');
}

function externalText(service: unknown): string {
  const external = listAt(service, 'spec', 'externalIPs');
  const type = textAt(service, 'spec', 'type');
  if (type === 'ExternalName') return noneIfEmpty(textAt(service, 'spec', 'externalName'));
  const balancer = listAt(service, 'status', 'loadBalancer', 'ingress').map(
    (item) => textAt(item, 'ip') || textAt(item, 'hostname'),
  );
  const all = [...balancer, ...external];
  if (all.length > 0) return all.join(',');
  return type === 'LoadBalancer' ? '<pending>' : '<none>';
}

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

function endpointsText(slice: unknown): string {
  const all = listAt(slice, 'endpoints').flatMap((item) => listAt(item, 'addresses'));
  if (all.length === 0) return '<unset>';
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',');
}

function slicePorts(slice: unknown): string {
  const ports = listAt(slice, 'ports').map((port) => shown(valueAt(port, ['port']) ?? '*'));
  return ports.length === 0 ? '<unset>' : ports.join(',');
}

const name = column('Name');
const ageColumn = column('Age', 'date');

const builtin: Readonly<Record<string, Printer>> = {
  pods: printer(podColumns, podCells),
  'deployments.apps': printer(
    [
      name,
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
  'replicasets.apps': printer(
    [
      name,
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
      labelsText(valueAt(object, ['spec', 'selector', 'matchLabels'])),
    ],
  ),
  'daemonsets.apps': printer(
    [
      name,
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
    [name, column('Ready'), ageColumn, column('Containers', 'string', 1), column('Images', 'string', 1)],
    (object, now) => [
      nameOf(object),
      `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
      age(object, now),
      ...templateCells(object),
    ],
  ),
  services: printer(
    [
      name,
      column('Type'),
      column('Cluster-IP'),
      column('External-IP'),
      column('Port(s)'),
      ageColumn,
      column('Selector', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      textAt(object, 'spec', 'type'),
      noneIfEmpty(textAt(object, 'spec', 'clusterIP')),
      externalText(object),
      portsText(object),
      age(object, now),
      labelsText(valueAt(object, ['spec', 'selector'])),
    ],
  ),
  nodes: printer(
    [
      name,
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
  namespaces: printer([name, column('Status'), ageColumn], (object, now) => [
    nameOf(object),
    textAt(object, 'status', 'phase'),
    age(object, now),
  ]),
  'jobs.batch': printer(
    [
      name,
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
      name,
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
  serviceaccounts: printer([name, column('Secrets'), ageColumn], (object, now) => [
    nameOf(object),
    String(listAt(object, 'secrets').length),
    age(object, now),
  ]),
  configmaps: printer([name, column('Data'), ageColumn], (object, now) => [
    nameOf(object),
    Object.keys(objectAt(object, 'data') ?? {}).length + Object.keys(objectAt(object, 'binaryData') ?? {}).length,
    age(object, now),
  ]),
  secrets: printer([name, column('Type'), column('Data'), ageColumn], (object, now) => [
    nameOf(object),
    textAt(object, 'type'),
    Object.keys(objectAt(object, 'data') ?? {}).length,
    age(object, now),
  ]),
  endpoints: printer([name, column('Endpoints'), ageColumn], (object, now) => {
    const all = listAt(object, 'subsets').flatMap((subset) =>
      listAt(subset, 'addresses').flatMap((address) =>
        listAt(subset, 'ports').map((port) => `${textAt(address, 'ip')}:${String(valueAt(port, ['port']))}`),
      ),
    );
    const text =
      all.length === 0
        ? '<none>'
        : all.length > 3
          ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...`
          : all.join(',');
    return [nameOf(object), text, age(object, now)];
  }),
  'endpointslices.discovery.k8s.io': printer(
    [name, column('AddressType'), column('Ports'), column('Endpoints'), ageColumn],
    (object, now) => [
      nameOf(object),
      textAt(object, 'addressType'),
      slicePorts(object),
      endpointsText(object),
      age(object, now),
    ],
  ),
  'leases.coordination.k8s.io': printer([name, column('Holder'), ageColumn], (object, now) => [
    nameOf(object),
    textAt(object, 'spec', 'holderIdentity'),
    age(object, now),
  ]),
  'customresourcedefinitions.apiextensions.k8s.io': printer([name, column('Created At', 'date')], (object) => [
    nameOf(object),
    textAt(object, 'metadata', 'creationTimestamp'),
  ]),
  'rolebindings.rbac.authorization.k8s.io': printer([name, column('Role'), ageColumn], (object, now) => [
    nameOf(object),
    `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`,
    age(object, now),
  ]),
  'clusterrolebindings.rbac.authorization.k8s.io': printer([name, column('Role'), ageColumn], (object, now) => [
    nameOf(object),
    `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`,
    age(object, now),
  ]),
  'clusterroles.rbac.authorization.k8s.io': printer([name, column('Created At', 'date')], (object) => [
    nameOf(object),
    textAt(object, 'metadata', 'creationTimestamp'),
  ]),
  'roles.rbac.authorization.k8s.io': printer([name, column('Created At', 'date')], (object) => [
    nameOf(object),
    textAt(object, 'metadata', 'creationTimestamp'),
  ]),
  'ingresses.networking.k8s.io': printer(
    [name, column('Class'), column('Hosts'), column('Address'), column('Ports'), ageColumn],
    (object, now) => [
      nameOf(object),
      noneIfEmpty(textAt(object, 'spec', 'ingressClassName')),
      listAt(object, 'spec', 'rules')
        .map((rule) => textAt(rule, 'host') || '*')
        .join(',') || '*',
      listAt(object, 'status', 'loadBalancer', 'ingress')
        .map((item) => textAt(item, 'ip') || textAt(item, 'hostname'))
        .join(','),
      listAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80',
      age(object, now),
    ],
  ),
  'poddisruptionbudgets.policy': printer(
    [name, column('Min Available'), column('Max Unavailable'), column('Allowed Disruptions', 'integer'), ageColumn],
    (object, now) => [
      nameOf(object),
      shown(valueAt(object, ['spec', 'minAvailable']) ?? 'N/A'),
      shown(valueAt(object, ['spec', 'maxUnavailable']) ?? 'N/A'),
      count(object, 'status', 'disruptionsAllowed'),
      age(object, now),
    ],
  ),
};

const plain = printer([name, ageColumn], (object, now) => [nameOf(object), age(object, now)]);
const plainBuiltin = printer([name, column('Created At', 'date')], (object) => [
  nameOf(object),
  textAt(object, 'metadata', 'creationTimestamp'),
]);

function customCell(values: readonly unknown[], definition: JsonObject, nowMs: number): unknown {
  const [value] = values;
  if (value === undefined) return null;
  switch (definition['type']) {
    case 'date':
      return typeof value === 'string' ? (Number.isNaN(Date.parse(value)) ? '<invalid>' : ageOf(value, nowMs)) : null;
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    default:
      return values.length > 1
        ? values.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join(' ')
        : typeof value === 'string'
          ? value
          : JSON.stringify(value);
  }
}

function customPrinter(definitions: readonly JsonObject[]): Printer {
  const columns = definitions.map((definition): Column => {
    const description = textAt(definition, 'description');
    const priority = valueAt(definition, ['priority']);
    return {
      name: textAt(definition, 'name'),
      type: textAt(definition, 'type'),
      format: textAt(definition, 'format'),
      description:
        description === ''
          ? `Custom resource definition column (in JSONPath format): ${textAt(definition, 'jsonPath')}`
          : description,
      priority: typeof priority === 'number' ? priority : 0,
    };
  });
  return printer([name, ...columns], (object, now) => [
    nameOf(object),
    ...definitions.map((definition) =>
      customCell(valuesAtPath(object, textAt(definition, 'jsonPath')), definition, now),
    ),
  ]);
}

const printers = new WeakMap<Resource, Printer>();

/** The printer of a resource. */
export function printerOf(resource: Resource): Printer {
  let found = printers.get(resource);
  if (found === undefined) {
    const columns = resource.custom?.columns ?? [];
    if (resource.custom !== undefined) found = columns.length > 0 ? customPrinter(columns) : plain;
    else found = builtin[resource.storageName] ?? (resource.storageName.includes('.') ? plainBuiltin : plain);
    printers.set(resource, found);
  }
  return found;
}
