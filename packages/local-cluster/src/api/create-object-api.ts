/**
 * The in-process API over the write path and the store. In: calls of controllers and the node runtime; out: shared
 * objects and events. Main thread.
 */

import { runAdmitted } from './admission/session.ts';
import type { AdmissionFacts } from './admission/target.ts';
import { pathNotFound } from './status.ts';
import type { JsonObject } from './json.ts';
import type {
  DeleteOptions,
  ObjectApi,
  ObjectEvent,
  ObjectList,
  PatchOptions,
  Selection,
  WriteOptions,
} from './object-api.ts';
import { parseFieldSelector } from './read/field-selector.ts';
import { parseLabelSelector } from './read/label-selector.ts';
import { hasVerb } from './resources/resource.ts';
import type { Resource } from './resources/resource.ts';
import type { TokenIssuer } from '../auth/token-issuer.ts';
import type { Change } from '../store/database.ts';
import type { KubeObject } from '../store/kube-object.ts';
import { cleanBody } from './write/clean-body.ts';
import type { WriteContext, WriteEnvironment } from './write/context.ts';
import { createObject } from './write/create.ts';
import { deleteObject } from './write/delete.ts';
import { patchObject } from './write/patch.ts';
import { present } from './write/present.ts';
import { scaleOf, withScale } from './write/scale.ts';
import { updateObject } from './write/update.ts';
import type { UpdateTarget } from './write/update.ts';

const defaultManager = 'ambit-local';

const contextOf = (options: WriteOptions | undefined): WriteContext => ({
  manager: options?.fieldManager ?? defaultManager,
  dryRun: options?.dryRun ?? false,
  fieldValidation: 'Warn',
  warnings: [],
});

/** Who the cluster's own writes come from. */
const ownUser = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

const factsOf = (context: WriteContext): AdmissionFacts => ({
  user: ownUser,
  dryRun: context.dryRun,
  options: { fieldManager: context.manager },
  warnings: context.warnings,
});

const nameOf = (object: KubeObject): string => object.metadata.name ?? '';

/** True when the object belongs to a selection. */
type Test = (object: KubeObject) => boolean;

function testOf(resource: Resource, selection: Selection): Test {
  const labels = selection.labelSelector === undefined ? undefined : parseLabelSelector(selection.labelSelector);
  const fields =
    selection.fieldSelector === undefined ? undefined : parseFieldSelector(selection.fieldSelector, resource);
  const { namespace } = selection;
  return (object) =>
    (namespace === undefined || !resource.namespaced || object.metadata.namespace === namespace) &&
    (labels === undefined || labels(object.metadata.labels)) &&
    (fields === undefined || fields(object));
}

/** A stored change as a selection sees it; undefined when it does not concern it. */
export function selectChange(change: Change, test: Test): ObjectEvent | undefined {
  const { type, object, previous } = change;
  const was = previous !== undefined && test(previous);
  if (type === 'DELETED') return was ? { type, object, previous } : undefined;
  const is = test(object);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object, previous: was ? previous : undefined };
  if (!was) return undefined;
  // The last matching state, with the revision at which it stopped matching.
  const last = { ...previous, metadata: { ...previous.metadata, resourceVersion: String(change.revision) } };
  return { type: 'DELETED', object: last, previous };
}

/** Builds the in-process API. `isOpen` turns false when the server closes: watches then fall silent. */
export function createObjectApi(environment: WriteEnvironment, tokens: TokenIssuer, isOpen: () => boolean): ObjectApi {
  const { store, registry } = environment;

  const need = (name: string): Resource => {
    const found = registry.byName(name);
    if (found === undefined) throw pathNotFound();
    return found;
  };

  const targetOf = (
    resource: Resource,
    name: string,
    namespace: string | undefined,
    subresource?: string,
  ): UpdateTarget => ({
    resource,
    namespace: resource.namespaced ? (namespace ?? 'default') : undefined,
    name,
    subresource,
  });

  const replace = async (
    name: string,
    object: KubeObject,
    options: WriteOptions | undefined,
    subresource?: string,
  ): Promise<KubeObject> => {
    const resource = need(name);
    const context = contextOf(options);
    const body = cleanBody(resource, object as unknown as JsonObject, [], context);
    const target = targetOf(resource, nameOf(object), object.metadata.namespace, subresource);
    const request = { next: () => body, isReplace: object.metadata.resourceVersion !== undefined };
    return runAdmitted(environment, factsOf(context), (admitted, admission) =>
      updateObject(admitted, target, request, { ...context, admission }),
    );
  };

  const watch = (name: string, selection: Selection, listener: (event: ObjectEvent) => void): Disposable => {
    let stopped = false;
    let started: Disposable | undefined;
    const start = (): boolean => {
      const resource = registry.byName(name);
      if (resource === undefined) return false;
      const test = testOf(resource, selection);
      started = store.listen(resource.storageName, (change) => {
        queueMicrotask(() => {
          const event = stopped || !isOpen() ? undefined : selectChange(change, test);
          if (event !== undefined) listener(event);
        });
      });
      for (const object of store.list(resource.storageName)) {
        if (test(object)) listener({ type: 'ADDED', object, previous: undefined });
      }
      return true;
    };
    const waiting = start()
      ? undefined
      : registry.onChange(() => {
          if (started === undefined && !stopped) start();
        });
    return {
      [Symbol.dispose]: () => {
        stopped = true;
        started?.[Symbol.dispose]();
        waiting?.[Symbol.dispose]();
      },
    };
  };

  return {
    serves: (name) => registry.byName(name) !== undefined,
    resources: () => {
      const seen = new Set<string>();
      const list: { resource: string; kind: string; namespaced: boolean }[] = [];
      for (const resource of registry.all()) {
        const isAlias =
          resource.storageName !==
          (resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`);
        if (isAlias || seen.has(resource.storageName) || !hasVerb(resource, 'list')) continue;
        seen.add(resource.storageName);
        list.push({ resource: resource.storageName, kind: resource.kind, namespaced: resource.namespaced });
      }
      return list;
    },
    resourceOf: (apiVersion, kind) => {
      const found = registry.byKind(apiVersion, kind);
      return found === undefined ? undefined : { resource: found.storageName, namespaced: found.namespaced };
    },
    get: <T extends KubeObject>(name: string, object: string, namespace?: string) => {
      const resource = registry.byName(name);
      if (resource === undefined) return undefined;
      const stored = store.get(resource.storageName, resource.namespaced ? (namespace ?? 'default') : '', object);
      return (stored === undefined ? undefined : present(resource, stored)) as T | undefined;
    },
    list: <T extends KubeObject>(name: string, selection: Selection = {}) => {
      const resource = registry.byName(name);
      const items =
        resource === undefined
          ? []
          : store.list(resource.storageName, resource.namespaced ? selection.namespace : undefined);
      const test = resource === undefined ? () => false : testOf(resource, selection);
      return { items: items.filter(test), resourceVersion: String(store.revision) } as unknown as ObjectList<T>;
    },
    watch: watch as ObjectApi['watch'],
    create: async <T extends KubeObject>(name: string, object: KubeObject, options?: WriteOptions) => {
      const resource = need(name);
      const context = contextOf(options);
      const typed = { ...(object as unknown as JsonObject), apiVersion: resource.apiVersion, kind: resource.kind };
      const body = cleanBody(resource, typed, [], context);
      const namespace = resource.namespaced ? (object.metadata.namespace ?? 'default') : undefined;
      return (await runAdmitted(environment, factsOf(context), (admitted, admission) =>
        createObject(admitted, resource, namespace, body, { ...context, admission }),
      )) as T;
    },
    update: async <T extends KubeObject>(name: string, object: KubeObject, options?: WriteOptions) =>
      (await replace(name, object, options)) as T,
    updateStatus: async <T extends KubeObject>(name: string, object: KubeObject, options?: WriteOptions) =>
      (await replace(name, object, options, 'status')) as T,
    patch: async <T extends KubeObject>(
      name: string,
      object: string,
      namespace: string | undefined,
      patch: unknown,
      options: PatchOptions = {},
    ) => {
      const resource = need(name);
      const context = contextOf(options);
      if (options.subresource === 'scale' && resource.scale !== undefined) {
        const paths = resource.scale;
        const target = targetOf(resource, object, namespace, 'scale');
        const next = (live: JsonObject): JsonObject => withScale(paths, live, patch as JsonObject);
        return scaleOf(resource, paths, updateObject(environment, target, { next, isReplace: false }, context)) as T;
      }
      const target = targetOf(resource, object, namespace, options.subresource);
      const request = { type: options.type ?? 'merge', patch, force: options.force ?? false } as const;
      const { object: patched } = await runAdmitted(environment, factsOf(context), (admitted, admission) =>
        patchObject(admitted, target, request, { ...context, admission }),
      );
      return patched as T;
    },
    delete: async (name, object, namespace, options: DeleteOptions = {}) => {
      const resource = need(name);
      const request = {
        gracePeriodSeconds: options.gracePeriodSeconds,
        propagationPolicy: options.propagationPolicy,
        orphanDependents: undefined,
        uid: options.preconditions?.uid,
        resourceVersion: options.preconditions?.resourceVersion,
        dryRun: options.dryRun ?? false,
      };
      const facts = { ...factsOf(contextOf(undefined)), dryRun: request.dryRun, options: {} };
      const target = targetOf(resource, object, namespace);
      const { object: last } = await runAdmitted(environment, facts, (admitted, admission) =>
        deleteObject(admitted, resource, target.namespace, object, request, admission),
      );
      return last;
    },
    finalizeNamespace: async (name, finalizer) => {
      const target = targetOf(need('namespaces'), name, undefined, 'finalize');
      const next = (live: JsonObject): JsonObject => {
        const spec = (live['spec'] ?? {}) as JsonObject;
        const finalizers = Array.isArray(spec['finalizers'])
          ? spec['finalizers'].filter((item) => item !== finalizer)
          : [];
        const { finalizers: _old, ...rest } = spec;
        return { ...live, spec: finalizers.length === 0 ? rest : { ...rest, finalizers } };
      };
      updateObject(environment, target, { next, isReplace: false }, contextOf(undefined));
    },
    createToken: async (request) => tokens.issue(request),
  };
}
