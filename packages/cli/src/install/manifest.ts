// `ambit manifest generate` and `diff`. In: wishes. Out: the objects as YAML, or how the cluster differs from them.
import { renderInstallation } from '@ambit/charts';
import type { KubernetesObject } from '@ambit/resources';
import { writeFileSync } from 'node:fs';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { exitStatus } from '../output/exit-status.ts';
import { installationObjects } from './install.ts';
import type { InstallWishes } from './wishes.ts';

/** The objects as one text, YAML as Kubernetes reads it (1.1). */
export async function manifestText(wishes: InstallWishes): Promise<string> {
  const { stringify } = await import('yaml');
  return renderInstallation(wishes)
    .map((object) => stringify(object, { lineWidth: 0, version: '1.1', aliasDuplicateObjects: false }))
    .join('---\n');
}

/** Prints or writes the objects. */
export async function manifestGenerate(wishes: InstallWishes, file: string | undefined): Promise<void> {
  const text = await manifestText(wishes);
  if (file === undefined) process.stdout.write(text);
  else writeFileSync(file, text);
}

/** Fields of `wanted` that `found` has otherwise; fields that only the cluster has do not count. Pure. */
export function changedFields(wanted: unknown, found: unknown, path = ''): readonly string[] {
  if (Array.isArray(wanted)) {
    const list = Array.isArray(found) ? (found as unknown[]) : [];
    if (wanted.length !== list.length) return [`${path}: ${list.length} elements, here ${wanted.length}`];
    return wanted.flatMap((item, at) => changedFields(item, list[at], `${path}[${at}]`));
  }
  if (typeof wanted === 'object' && wanted !== null) {
    const record = typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {};
    return Object.entries(wanted).flatMap(([key, value]) =>
      changedFields(value, record[key], path === '' ? key : `${path}.${key}`),
    );
  }
  // The API server leaves out what is empty.
  if (found === undefined && (wanted === '' || wanted === null || wanted === false)) return [];
  return JSON.stringify(wanted) === JSON.stringify(found)
    ? []
    : [`${path}: ${JSON.stringify(found ?? null)}, here ${JSON.stringify(wanted)}`];
}

/** Filled in by the control plane at run time. */
const isRuntimeField = (field: string): boolean => field.includes('.caBundle') || field.includes('.failurePolicy');

/** Prints how the cluster differs. Exit status 3 when it does. */
export async function manifestDiff(api: ClusterApi, wishes: InstallWishes): Promise<void> {
  let differing = 0;
  const print = (object: KubernetesObject, text: string): void => {
    differing += 1;
    process.stdout.write(
      `${object.kind ?? ''} ${namespaceOf(object) === '' ? '' : `${namespaceOf(object)}/`}${nameOf(object)}\n  ${text}\n`,
    );
  };
  for (const object of await installationObjects(api, wishes)) {
    const namespace = object.metadata?.namespace;
    const found = await api.get({
      apiVersion: object.apiVersion ?? '',
      kind: object.kind ?? '',
      name: nameOf(object),
      ...(namespace === undefined ? {} : { namespace }),
    });
    if (found === undefined) {
      print(object, 'is not in the cluster');
      continue;
    }
    const { apiVersion: _apiVersion, kind: _kind, ...wanted } = object;
    const fields = changedFields(wanted, found).filter((field) => !isRuntimeField(field));
    if (fields.length > 0) print(object, fields.join('\n  '));
  }
  if (differing === 0) process.stdout.write('the cluster has what would be installed\n');
  else process.exitCode = exitStatus.no;
}
