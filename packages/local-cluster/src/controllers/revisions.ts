// ControllerRevisions: the templates that a DaemonSet or StatefulSet has had. In: the set and the hash of its template. Out: revisions listed
// and made. Called by the two controllers. Main thread.
import { isAlreadyExists } from '../api/status.ts';
import type { ControllerContext } from './context.ts';
import type { AnyObject, ControllerRevision, PodTemplate } from './objects.ts';
import { ownerReferenceTo } from './owner-reference.ts';
import { controllerOf } from './selector.ts';

/** The resource of revisions. */
export const REVISIONS = 'controllerrevisions.apps';
/** Label of pods and revisions: which template. */
export const REVISION_HASH = 'controller-revision-hash';

interface TemplatedSet extends AnyObject {
  readonly spec: { readonly template: PodTemplate };
}

/** The revisions that a set owns, in no order. */
export function revisionsOf(context: ControllerContext, set: TemplatedSet): readonly ControllerRevision[] {
  return context.api
    .list<ControllerRevision>(REVISIONS, { namespace: set.metadata.namespace ?? 'default' })
    .items.filter((each) => controllerOf(each.metadata)?.uid === set.metadata.uid);
}

/** The number of the newest of these revisions; 0 without any. */
export function newestOf(revisions: readonly ControllerRevision[]): number {
  return Math.max(0, ...revisions.map((each) => each.revision));
}

/** Makes the revision of the set's present template; one that is there already stays. */
export async function createRevision(
  context: ControllerContext,
  set: TemplatedSet,
  { name, hash, revision }: { readonly name: string; readonly hash: string; readonly revision: number },
): Promise<void> {
  const made: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name,
      namespace: set.metadata.namespace ?? 'default',
      labels: { ...set.spec.template.metadata?.labels, [REVISION_HASH]: hash },
      ownerReferences: [ownerReferenceTo(set)],
    },
    data: { spec: { template: { ...set.spec.template, $patch: 'replace' } } },
    revision,
  };
  await context.api.create(REVISIONS, made).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
}
