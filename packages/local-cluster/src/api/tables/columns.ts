/**
 * Columns and cells of Tables: builtin printers by storage name, definitions' own columns, Name and Age otherwise
 * (spec/local-cluster.md 7.1). In: resource and object; out: column definitions and cells. Pure.
 */

import { textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Column, Resource } from '../resources/resource.ts';
import { ageOf } from './age.ts';
import { age, ageColumn, column, nameColumn, nameOf, printer } from './printer.ts';
import type { Printer } from './printer.ts';
import { clusterPrinters } from './cluster-printers.ts';
import { valuesAtPath } from './json-path.ts';
import { networkPrinters } from './network-printers.ts';
import { podCells, podColumns } from './pod-cells.ts';
import { policyPrinters } from './policy-printers.ts';
import { workloadPrinters } from './workload-printers.ts';

const builtin: Readonly<Record<string, Printer>> = {
  pods: printer(podColumns, podCells),
  ...workloadPrinters,
  ...networkPrinters,
  ...clusterPrinters,
  ...policyPrinters,
};

const plain = printer([nameColumn, ageColumn], (object, now) => [nameOf(object), age(object, now)]);
const plainBuiltin = printer([nameColumn, column('Created At', 'date')], (object) => [
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
  return printer([nameColumn, ...columns], (object, now) => [
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
