/**
 * What admission decides about: one operation on one object. In: facts of a write; out: the `request` of an
 * AdmissionReview, which policies see too (spec/local-cluster.md 6). Pure.
 */

import type { UserInfo } from '../../auth/user.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';

/** The operation and its object. */
export interface AdmissionTarget {
  /** In the version of the request. */
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource: string | undefined;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
}

/** Who writes, and how. */
export interface AdmissionFacts {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** Options of the request as sent, without kind. */
  readonly options: JsonObject;
  /** Filled with what webhooks and policies have to say. */
  readonly warnings: string[];
}

const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const;

const userOf = ({ username, uid, groups, extra }: UserInfo): JsonObject => ({
  username,
  ...(uid === undefined ? {} : { uid }),
  groups,
  ...(extra === undefined ? {} : { extra }),
});

/** The request as a webhook gets it; `matched` is the version its rules ask for. */
export function reviewRequest(
  target: AdmissionTarget,
  facts: AdmissionFacts,
  matched: Resource,
  uid: string,
  objects: { readonly object: JsonObject | null; readonly oldObject: JsonObject | null },
): JsonObject {
  const { resource, namespace, name, subresource, operation } = target;
  const kindOf = ({ group, version, kind }: Resource): JsonObject => ({ group, version, kind });
  const pathOf = ({ group, version, resource: plural }: Resource): JsonObject => ({ group, version, resource: plural });
  return {
    uid,
    kind: kindOf(matched),
    resource: pathOf(matched),
    ...(subresource === undefined ? {} : { subResource: subresource }),
    requestKind: kindOf(resource),
    requestResource: pathOf(resource),
    ...(subresource === undefined ? {} : { requestSubResource: subresource }),
    ...(name === '' ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    operation,
    userInfo: userOf(facts.user),
    object: objects.object,
    oldObject: objects.oldObject,
    dryRun: facts.dryRun,
    options: {
      kind: optionKinds[operation],
      apiVersion: 'meta.k8s.io/v1',
      ...facts.options,
      ...(facts.dryRun ? { dryRun: ['All'] } : {}),
    },
  };
}
