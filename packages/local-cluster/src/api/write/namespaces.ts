/** Namespace lifecycle admission: missing and terminating namespaces, protected ones. Called before creates and deletes. */

import { textAt } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { forbidden, notFound } from '../status.ts';
import type { ObjectStore } from '../../store/object-store.ts';

const protectedNames = new Set(['default', 'kube-system', 'kube-public']);

/** Refuses a create in a namespace that is missing (404) or terminating (403). */
export function checkNamespace(store: ObjectStore, resource: Resource, namespace: string, name: string): void {
  const object = store.get('namespaces', '', namespace);
  if (object === undefined) throw notFound({ group: '', resource: 'namespaces' }, namespace);
  if (object.metadata.deletionTimestamp !== undefined || textAt(object, 'status', 'phase') === 'Terminating') {
    throw forbidden(
      resource,
      name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
      [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    );
  }
}

/** Refuses the deletion of a namespace the cluster cannot live without. */
export function checkNamespaceDeletion(resource: Resource, name: string): void {
  if (resource.storageName === 'namespaces' && protectedNames.has(name)) {
    throw forbidden(resource, name, 'this namespace may not be deleted');
  }
}
