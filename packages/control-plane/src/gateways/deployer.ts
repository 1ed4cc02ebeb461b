// Keeps the objects of every managed waypoint Gateway applied (spec control-plane 6.2, 6.3). Runs while this replica leads.
// In: Gateways and the objects made for them. Out: server-side applies. Cleanup is Kubernetes' garbage collection. Main thread.
import { type Informer, type InformerChange, type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { Gateway, GatewayClass, KubernetesObject } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { withOverlays } from './overlays.ts';
import { watchParameters } from './parameters.ts';
import { type RenderSettings, renderWaypoint } from './render.ts';
import { PatchError } from './strategic-merge.ts';

/** Field manager of everything that is deployed for Gateways. */
export const FIELD_MANAGER = 'istio.io/gateway-controller';
const MANAGED_LABEL = 'gateway.istio.io/managed';
const GATEWAY_LABEL = 'gateway.networking.k8s.io/gateway-name';
const VERSION_ANNOTATION = 'gateway.istio.io/controller-version';
const VERSION = 5;
const CLASS_CONTROLLER = 'istio.io/mesh-controller';
/** Kinds that every waypoint has; they are watched. */
const OWNED_KINDS = ['ServiceAccount', 'Deployment', 'Service'] as const;
/** Kinds that may not even exist in a cluster; applied, not watched. */
const SCALER_KINDS = ['HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const;

/** Settings of {@link deployGateways}. */
export interface DeployerOptions {
  readonly client: KubeClient;
  readonly settings: () => RenderSettings;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Deploys waypoints until `signal` aborts. */
export function deployGateways({ client, settings, log, signal }: DeployerOptions): void {
  const queue = new Set<string>();
  /** Object -> generation after our last apply; another generation means that somebody changed it. */
  const applied = new Map<string, { readonly text: string; generation: number | undefined }>();
  let isRunning = false;

  const want = (namespace: string, name: string): void => {
    queue.add(`${namespace}/${name}`);
    if (!isRunning) background(log, 'gateway deployment', drain());
  };
  const gateways = startInformer({ client, kind: 'Gateway', log, onChanges: (changes) => changes.forEach(onGateway) });
  const classes = startInformer({
    client,
    kind: 'GatewayClass',
    log,
    onChanges: wantAll,
  });
  const parameters = watchParameters({
    client,
    systemNamespace: settings().systemNamespace,
    log,
    onChange: wantAll,
  });
  const owned: Informer[] = OWNED_KINDS.map((kind) =>
    startInformer({
      client,
      kind,
      labelSelector: MANAGED_LABEL,
      log,
      onChanges: (changes) => changes.forEach(onOwned),
    }),
  );
  const ready = Promise.all([gateways, classes, ...owned].map((informer) => informer.synced));

  function wantAll(): void {
    for (const gateway of gateways.list()) want(gateway.metadata?.namespace ?? '', gateway.metadata?.name ?? '');
  }
  function onGateway(change: InformerChange): void {
    if (change.type === 'upsert') want(change.object.metadata?.namespace ?? '', change.object.metadata?.name ?? '');
  }
  function onOwned(change: InformerChange): void {
    if (change.type === 'upsert') {
      const { namespace = '', labels = {}, generation } = change.object.metadata ?? {};
      const record = applied.get(keyOf(change.object));
      if (record !== undefined && record.generation !== generation) want(namespace, labels[GATEWAY_LABEL] ?? '');
      return;
    }
    // The object that is gone may have any name: look at the Gateways of its namespace again.
    applied.delete(`${change.kind} ${change.namespace}/${change.name}`);
    for (const gateway of gateways.list()) {
      if (gateway.metadata?.namespace === change.namespace) want(change.namespace, gateway.metadata.name ?? '');
    }
  }
  async function drain(): Promise<void> {
    isRunning = true;
    try {
      await ready;
      for (const key of queue) {
        queue.delete(key);
        if (signal.aborted) return;
        const [namespace = '', name = ''] = key.split('/');
        try {
          await reconcile(namespace, name);
        } catch (error) {
          if (error instanceof PatchError) {
            // Trying again helps nobody: a change of the Gateway or of its ConfigMap does.
            log.error('waypoint not deployed', { gateway: key, error: error.message });
            continue;
          }
          log.warn('waypoint not deployed, trying again', { gateway: key, error: explain(error) });
          setTimeout(() => want(namespace, name), 2_000).unref();
        }
      }
    } finally {
      isRunning = false;
    }
  }
  async function reconcile(namespace: string, name: string): Promise<void> {
    const gateway = gateways.get(namespace, name) as Gateway | undefined;
    if (gateway === undefined || !isOurs(gateway, classes)) return;
    if (!(await claim(client, gateway))) return;
    const overlays = await parameters.overlaysOf(gateway);
    for (const object of withOverlays(renderWaypoint(gateway, settings()), overlays)) await applyObject(object);
  }
  async function applyObject(object: KubernetesObject): Promise<void> {
    const key = keyOf(object);
    const text = JSON.stringify(object);
    const index = OWNED_KINDS.findIndex((kind) => kind === object.kind);
    const { namespace = '', name = '' } = object.metadata ?? {};
    const isWatched = index >= 0;
    const seen = owned[index]?.get(namespace, name);
    const live = seen?.metadata?.labels?.[MANAGED_LABEL] === undefined ? undefined : seen;
    const record = applied.get(key);
    const isAsApplied = !isWatched || (live !== undefined && live.metadata?.generation === record?.generation);
    if (record?.text === text && isAsApplied) return;
    if (live === undefined && (await isForeign(client, object))) {
      log.info('object exists and is not ours, left alone', { object: key });
      return;
    }
    const result = await client.apply(object, { fieldManager: FIELD_MANAGER });
    applied.set(key, { text, generation: result.metadata?.generation });
    log.info('waypoint object applied', { object: key });
  }

  signal.addEventListener('abort', () => {
    for (const source of [gateways, classes, parameters, ...owned]) source.close();
  });
}

const keyOf = (object: KubernetesObject): string =>
  `${object.kind ?? ''} ${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;

/** A waypoint class, and no address that says that somebody else runs it. */
function isOurs({ spec }: Gateway, classes: Informer): boolean {
  const className = spec?.gatewayClassName ?? '';
  const known = classes.get('', className) as GatewayClass | undefined;
  const controller = known?.spec?.controllerName ?? (className === 'istio-waypoint' ? CLASS_CONTROLLER : '');
  if (controller !== CLASS_CONTROLLER) return false;
  const addresses = spec?.addresses ?? [];
  return addresses.length === 0 || (addresses.length === 1 && (addresses[0]?.type ?? 'IPAddress') === 'IPAddress');
}

/** Marks the Gateway with the version of its controller; a newer mark means hands off. */
async function claim(client: KubeClient, gateway: Gateway): Promise<boolean> {
  const given = gateway.metadata.annotations?.[VERSION_ANNOTATION];
  if (given === String(VERSION)) return true;
  if (given !== undefined && !(Number(given) < VERSION)) return false;
  const { namespace = '', name = '' } = gateway.metadata;
  const annotations = { [VERSION_ANNOTATION]: String(VERSION) };
  const body = { metadata: { annotations } };
  await client.patch({ kind: 'Gateway', namespace, name }, body, {
    type: 'merge',
    subresource: 'status',
    fieldManager: FIELD_MANAGER,
  });
  return true;
}

/** True when an object of that name exists without our label. */
async function isForeign(client: KubeClient, object: KubernetesObject): Promise<boolean> {
  const kind = [...OWNED_KINDS, ...SCALER_KINDS].find((k) => k === object.kind);
  if (kind === undefined) return true;
  const { namespace = '', name = '' } = object.metadata ?? {};
  try {
    const found = await client.get({ kind, namespace, name });
    return found !== undefined && found.metadata?.labels?.[MANAGED_LABEL] === undefined;
  } catch (error) {
    if (KubeError.is(error, 'ERR_KUBE_FORBIDDEN')) return true;
    throw error;
  }
}
