/**
 * Field selectors: `spec.nodeName=n1,status.phase!=Failed` -> a test (spec/local-cluster.md 4.2). In: text and the
 * resource (which fields it knows); out: a test. Pure.
 */

import { isObject, valueAt, shown } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest } from '../status.ts';

/** True when the object fits. */
export type ObjectTest = (object: unknown) => boolean;

const eventFields = [
  'involvedObject.kind',
  'involvedObject.namespace',
  'involvedObject.name',
  'involvedObject.uid',
  'involvedObject.apiVersion',
  'involvedObject.resourceVersion',
  'involvedObject.fieldPath',
  'reason',
  'reportingComponent',
  'source',
  'type',
];

/** Fields beside metadata.name and metadata.namespace, by storage name. */
const known: Readonly<Record<string, readonly string[]>> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  events: eventFields,
  secrets: ['type'],
  namespaces: ['status.phase'],
  nodes: ['spec.unschedulable'],
  services: ['spec.clusterIP', 'spec.type'],
  'replicasets.apps': ['status.replicas'],
  replicationcontrollers: ['status.replicas'],
  'jobs.batch': ['status.successful'],
  'certificatesigningrequests.certificates.k8s.io': ['spec.signerName'],
  'clustertrustbundles.certificates.k8s.io': ['spec.signerName'],
};

const splitTerms = (text: string): string[] => text.split(',').filter((term) => term !== '');

function textOf(object: unknown, path: readonly string[]): string {
  const name = path.join('.');
  if (name === 'source')
    return shown(valueAt(object, ['source', 'component']) ?? valueAt(object, ['reportingComponent']) ?? '');
  if (name === 'status.successful') return shown(valueAt(object, ['status', 'succeeded']) ?? 0);
  const value = valueAt(object, path);
  if (name === 'spec.unschedulable' || name === 'spec.hostNetwork') return shown(value ?? false);
  if (name === 'status.replicas') return shown(value ?? 0);
  if (Array.isArray(value))
    return value.map((item) => (isObject(item) ? shown(item['ip'] ?? '') : String(item))).join(',');
  return value === undefined || value === null ? '' : String(value as string | number | boolean);
}

/** Parses a field selector for a resource; throws 400 for a bad text or an unknown field. */
export function parseFieldSelector(text: string, resource: Resource): ObjectTest {
  const tests: ObjectTest[] = [];
  for (const term of splitTerms(text)) {
    const equals = term.indexOf('=');
    const at = term.charAt(equals - 1) === '!' ? equals - 1 : equals;
    if (at <= 0) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const field = term.slice(0, at);
    const negative = term.charAt(at) === '!';
    const value = term.slice(at + (negative || term.charAt(at + 1) === '=' ? 2 : 1));
    const isKnown =
      field === 'metadata.name' ||
      field === 'metadata.namespace' ||
      known[resource.storageName]?.includes(field) === true ||
      resource.custom?.selectableFields.includes(field) === true;
    if (!isKnown) throw badRequest(`field label not supported: ${field}`);
    const path = field.split('.');
    tests.push((object) => (textOf(object, path) === value) !== negative);
  }
  return (object) => tests.every((test) => test(object));
}
