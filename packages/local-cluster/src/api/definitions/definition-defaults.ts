/** Defaults of a CustomResourceDefinition (spec/local-cluster.md 6). In: a definition; out: filled copy. Pure. */

import { isObject, listAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';

const emptyStatus = { conditions: null, acceptedNames: { plural: '', kind: '' } };

function namesOf(spec: JsonObject): JsonObject {
  const names = isObject(spec['names']) ? spec['names'] : {};
  const kind = textAt(names, 'kind');
  return {
    ...names,
    ...(textAt(names, 'singular') === '' && kind !== '' ? { singular: kind.toLowerCase() } : {}),
    ...(textAt(names, 'listKind') === '' && kind !== '' ? { listKind: `${kind}List` } : {}),
  };
}

/** Names, conversion and status of a definition; storage versions grow with the spec. */
export function definitionDefaults(object: JsonObject, before: JsonObject | undefined): JsonObject {
  if (!isObject(object['spec'])) return object;
  const spec = { ...object['spec'], names: namesOf(object['spec']) } as JsonObject;
  if (spec['conversion'] === undefined) spec['conversion'] = { strategy: 'None' };
  if (spec['preserveUnknownFields'] === false) delete spec['preserveUnknownFields'];
  const storage = listAt(spec, 'versions').find((version) => isObject(version) && version['storage'] === true);
  const name = textAt(storage, 'name');
  const status = isObject(object['status']) ? object['status'] : emptyStatus;
  const stored = listAt(status, 'storedVersions');
  const isNewVersion = name !== '' && !stored.includes(name) && (before === undefined || textAt(before, 'spec') === '');
  const specChanged = before === undefined || JSON.stringify(before['spec']) !== JSON.stringify(spec);
  return {
    ...object,
    spec,
    status: isNewVersion && specChanged ? { ...status, storedVersions: [...stored, name] } : status,
  };
}
