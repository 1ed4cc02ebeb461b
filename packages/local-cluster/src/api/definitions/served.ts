/** A definition -> the resources it serves, one per served version. Called by the definition controller. Pure. */

import { isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { CustomKind, Resource, ScalePaths, Subresource } from '../resources/resource.ts';
import { customSchema } from '../schema/from-open-api.ts';
import type { KubeObject } from '../../store/kube-object.ts';

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const partVerbs = ['get', 'patch', 'update'];

const texts = (value: readonly unknown[]): string[] => value.filter((item) => typeof item === 'string');

const pathOf = (text: string): string[] => text.split('.').filter((part) => part !== '');

function scaleOf(version: JsonObject): ScalePaths | undefined {
  const scale = objectAt(version, 'subresources', 'scale');
  if (scale === undefined) return undefined;
  const selector = textAt(scale, 'labelSelectorPath');
  return {
    specReplicas: pathOf(textAt(scale, 'specReplicasPath')),
    statusReplicas: pathOf(textAt(scale, 'statusReplicasPath')),
    labelSelector: selector === '' ? undefined : pathOf(selector),
  };
}

function subresourcesOf(version: JsonObject, kind: string): Subresource[] {
  const parts: Subresource[] = [];
  if (objectAt(version, 'subresources', 'status') !== undefined) parts.push({ name: 'status', kind, verbs: partVerbs });
  if (objectAt(version, 'subresources', 'scale') !== undefined) {
    parts.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: partVerbs });
  }
  return parts;
}

function deprecationOf(
  version: JsonObject,
  group: string,
  kind: string,
  newest: string | undefined,
): string | undefined {
  if (version['deprecated'] !== true) return undefined;
  const own = textAt(version, 'deprecationWarning');
  if (own !== '') return own;
  const name = textAt(version, 'name');
  const instead = newest === undefined || newest === name ? '' : `; use ${group}/${newest} ${kind}`;
  return `${group}/${name} ${kind} is deprecated${instead}`;
}

/** `.spec.color` as the name that a field selector uses. */
const withoutDot = (path: string): string => (path.startsWith('.') ? path.slice(1) : path);

function customOf(definition: KubeObject, version: JsonObject, newest: string | undefined): CustomKind {
  const conditions = listAt(definition, 'status', 'conditions').filter(isObject);
  return {
    version,
    openApi: objectAt(version, 'schema', 'openAPIV3Schema'),
    definitionName: definition.metadata.name ?? '',
    columns: listAt(version, 'additionalPrinterColumns').filter(isObject),
    selectableFields: listAt(version, 'selectableFields').map((field) => withoutDot(textAt(field, 'jsonPath'))),
    deprecation: deprecationOf(
      version,
      textAt(definition, 'spec', 'group'),
      textAt(definition, 'spec', 'names', 'kind'),
      newest,
    ),
    terminating: conditions.some((item) => item['type'] === 'Terminating' && item['status'] === 'True'),
  };
}

/** The served resources of a definition; the accepted names of its status count. */
export function servedResources(definition: KubeObject, compareVersions: (a: string, b: string) => number): Resource[] {
  const names = objectAt(definition, 'spec', 'names') ?? {};
  const group = textAt(definition, 'spec', 'group');
  const plural = textAt(names, 'plural');
  const kind = textAt(names, 'kind');
  const versions = listAt(definition, 'spec', 'versions').filter(isObject);
  const storage = versions.find((version) => version['storage'] === true);
  const newest = versions
    .filter((version) => version['served'] === true && version['deprecated'] !== true)
    .map((version) => textAt(version, 'name'))
    .toSorted(compareVersions)[0];
  return versions
    .filter((version) => version['served'] === true)
    .map((version): Resource => {
      const name = textAt(version, 'name');
      const custom = customOf(definition, version, newest);
      return {
        group,
        version: name,
        apiVersion: `${group}/${name}`,
        resource: plural,
        singular: textAt(names, 'singular') || kind.toLowerCase(),
        kind,
        listKind: textAt(names, 'listKind') || `${kind}List`,
        namespaced: textAt(definition, 'spec', 'scope') === 'Namespaced',
        shortNames: texts(listAt(names, 'shortNames')),
        categories: texts(listAt(names, 'categories')),
        verbs,
        subresources: subresourcesOf(version, kind),
        storageName: `${plural}.${group}`,
        storageVersion: `${group}/${textAt(storage, 'name') || name}`,
        hasGeneration: true,
        hasStatus: objectAt(version, 'subresources', 'status') !== undefined,
        scale: scaleOf(version),
        schema: customSchema(custom.openApi),
        custom,
      };
    });
}
