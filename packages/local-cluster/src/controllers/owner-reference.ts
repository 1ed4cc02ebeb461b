// The reference by which dependents name their controller. Pure.
import type { AnyObject, OwnerReference } from './objects.ts';

/** The controller reference that dependents of `owner` carry. */
export function ownerReferenceTo(owner: AnyObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}
