// The built-in GatewayClasses: created when missing, and told that they are accepted (spec control-plane 6.1). Main thread.
import { type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { GatewayClass } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';
import type { ClassInfo } from './class-info.ts';

/** Keeps the classes there and accepted until `signal` aborts. */
export function keepClasses(
  client: KubeClient,
  infos: ReadonlyMap<string, ClassInfo>,
  log: Logger,
  signal: AbortSignal,
): void {
  const builtIn = new Map([...infos.values()].map((info) => [info.className, info]));
  const create = async (name: string): Promise<void> => {
    const known = builtIn.get(name);
    if (known === undefined || signal.aborted) return;
    const { controllerName, description } = known;
    const object: GatewayClass = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name },
      spec: { controllerName, description },
    };
    try {
      await client.create(object);
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_ALREADY_EXISTS', 'ERR_KUBE_FORBIDDEN')) return;
      // Not found: the Gateway API is not installed (yet). Whoever installs it later gets the classes as well.
      setTimeout(() => background(log, 'gateway class', create(name)), 2_000).unref();
    }
  };
  const accept = async (object: GatewayClass): Promise<void> => {
    const name = object.metadata.name ?? '';
    if (signal.aborted || !infos.has(object.spec?.controllerName ?? '')) return;
    const conditions = object.status?.conditions ?? [];
    const { generation } = object.metadata;
    const isDone = conditions.some(
      (c) => c.type === 'Accepted' && c.status === 'True' && c.observedGeneration === generation,
    );
    if (isDone) return;
    const accepted = {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: 'Handled by Istio controller',
      lastTransitionTime: now(),
      ...(generation !== undefined && { observedGeneration: generation }),
    };
    const body = { status: { conditions: [...conditions.filter((c) => c.type !== 'Accepted'), accepted] } };
    await client.patch({ kind: 'GatewayClass', name }, body, { type: 'merge', subresource: 'status' });
  };
  const informer = startInformer({
    client,
    kind: 'GatewayClass',
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete') background(log, 'gateway class', create(change.name));
        else background(log, 'gateway class status', accept(change.object as GatewayClass));
      }
    },
  });
  background(
    log,
    'gateway classes',
    informer.synced.then(async () => {
      for (const name of builtIn.keys()) if (informer.get('', name) === undefined) await create(name);
    }),
  );
  signal.addEventListener('abort', () => informer.close());
}

/** The time of now as Kubernetes writes it: whole seconds. */
export function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
