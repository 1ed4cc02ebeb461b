// Keeps the objects of every managed Gateway applied (spec control-plane 6.2, 6.3). Runs while this replica leads.
// In: Gateways and the objects made for them. Out: server-side applies. Cleanup is Kubernetes' garbage collection. Main thread.
import { type Informer, type InformerChange, type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { Gateway, GatewayClass, KindName, KubernetesObject } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { type ClassFeatures, classInfos, classOf, DEFAULT_CLASS_FEATURES, isManaged } from './class-info.ts';
import { GATEWAY_NAME } from './gateway-metadata.ts';
import { isAsWanted } from './live-object.ts';
import { NO_LISTENER_SETS, watchListenerSets } from './listener-sets.ts';
import { withOverlays } from './overlays.ts';
import { watchParameters } from './parameters.ts';
import { renderGateway, type RenderSettings } from './render.ts';
import { PatchError } from './strategic-merge.ts';

/** Field manager of everything that is deployed for Gateways. */
export const FIELD_MANAGER = 'istio.io/gateway-controller';
const MANAGED_LABEL = 'gateway.istio.io/managed';
const LEGACY_SELECTOR = 'istio.io/gateway-name';
const VERSION_ANNOTATION = 'gateway.istio.io/controller-version';
const VERSION = 5;
/** Kinds that every gateway has. */
const USUAL_KINDS = ['ServiceAccount', 'Deployment', 'Service'] as const;
/** Kinds that a cluster may not even serve: nobody waits for them. */
const SCALER_KINDS = ['HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const;
const RETRY_MS = 2_000;

/** Settings of {@link deployGateways}. */
export interface DeployerOptions {
  readonly client: KubeClient;
  readonly settings: () => RenderSettings;
  readonly features?: ClassFeatures;
  /** Whether a Gateway belongs to this revision. Default: all do. */
  readonly isMine?: (gateway: Gateway) => boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A running deployer. */
export interface Deployer {
  /** Looks at every Gateway again: something that all of them depend on changed. */
  refresh(): void;
  /** Settles when everything that is known so far was dealt with. */
  idle(): Promise<void>;
}

/** Deploys gateways until `signal` aborts. */
export function deployGateways(options: DeployerOptions): Deployer {
  const { client, settings, log, signal, isMine = () => true } = options;
  const infos = classInfos(options.features ?? DEFAULT_CLASS_FEATURES);
  const queue = new Set<string>();
  /** Object -> generation after our last apply; another generation means that somebody changed it. */
  const applied = new Map<string, { readonly text: string; generation: number | undefined }>();
  /** What of a Gateway matters here; its status changes all the time. */
  const seen = new Map<string, string>();
  let running: Promise<void> | undefined;

  const want = (namespace: string, name: string): void => {
    queue.add(`${namespace}/${name}`);
    if (running !== undefined) return;
    running = drain();
    background(log, 'gateway deployment', running);
  };
  const gateways = startInformer({ client, kind: 'Gateway', log, onChanges: (changes) => changes.forEach(onGateway) });
  const classes = startInformer({ client, kind: 'GatewayClass', log, onChanges: wantAll });
  const parameters = watchParameters({
    client,
    systemNamespace: settings().systemNamespace,
    log,
    onChange: wantAll,
  });
  const takesSets = [...infos.values()].some((info) => info.takesListenerSets && info.template !== undefined);
  const sets = takesSets ? watchListenerSets(client, log, wantAll) : NO_LISTENER_SETS;
  const watchOwned = (kind: KindName): [KindName, Informer] => [
    kind,
    startInformer({
      client,
      kind,
      labelSelector: MANAGED_LABEL,
      isOptional: SCALER_KINDS.some((k) => k === kind),
      log,
      onChanges: (changes) => changes.forEach(onOwned),
    }),
  ];
  const usual = USUAL_KINDS.map(watchOwned);
  const owned = new Map<string, Informer>([...usual, ...SCALER_KINDS.map(watchOwned)]);
  const ready = Promise.all([
    sets.synced,
    ...[gateways, classes, ...usual.map(([, informer]) => informer)].map((i) => i.synced),
  ]);

  function wantAll(): void {
    for (const gateway of gateways.list()) want(gateway.metadata?.namespace ?? '', gateway.metadata?.name ?? '');
  }
  function onGateway(change: InformerChange): void {
    if (change.type === 'delete') {
      seen.delete(`${change.namespace}/${change.name}`);
      return;
    }
    const { namespace = '', name = '', labels, annotations, generation, uid } = change.object.metadata ?? {};
    const relevant = JSON.stringify([uid, generation, labels, annotations, change.object['spec']]);
    if (seen.get(`${namespace}/${name}`) === relevant) return;
    seen.set(`${namespace}/${name}`, relevant);
    want(namespace, name);
  }
  function onOwned(change: InformerChange): void {
    if (change.type === 'upsert') {
      const { namespace = '', labels = {}, generation } = change.object.metadata ?? {};
      const record = applied.get(keyOf(change.object));
      if (record !== undefined && record.generation !== generation) want(namespace, labels[GATEWAY_NAME] ?? '');
      return;
    }
    // The object that is gone may have any name: look at the Gateways of its namespace again.
    applied.delete(`${change.kind} ${change.namespace}/${change.name}`);
    for (const gateway of gateways.list()) {
      if (gateway.metadata?.namespace === change.namespace) want(change.namespace, gateway.metadata.name ?? '');
    }
  }
  async function drain(): Promise<void> {
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
            log.error('gateway not deployed', { gateway: key, error: error.message });
            continue;
          }
          log.warn('gateway not deployed, trying again', { gateway: key, error: explain(error) });
          setTimeout(() => want(namespace, name), RETRY_MS).unref();
        }
      }
    } finally {
      running = undefined;
    }
  }
  async function reconcile(namespace: string, name: string): Promise<void> {
    const gateway = gateways.get(namespace, name) as Gateway | undefined;
    if (gateway === undefined || gateway.metadata.deletionTimestamp !== undefined) return;
    const object = classes.get('', gateway.spec?.gatewayClassName ?? '') as GatewayClass | undefined;
    const info = classOf(gateway, object, infos);
    if (info?.template === undefined || !isManaged(gateway) || !isMine(gateway)) return;
    if (!(await claim(client, gateway))) return;
    const overlays = await parameters.overlaysOf(gateway);
    const listeners = (info.takesListenerSets ? sets : NO_LISTENER_SETS).listenersOf(gateway);
    const rendered = renderGateway(gateway, info, settings(), listeners);
    for (const wanted of withOverlays(rendered, overlays)) await applyObject(wanted);
  }
  async function applyObject(rendered: KubernetesObject): Promise<void> {
    const { namespace = '', name = '' } = rendered.metadata ?? {};
    const live = owned.get(rendered.kind ?? '')?.get(namespace, name);
    const isLabelled = live?.metadata?.labels?.[MANAGED_LABEL] !== undefined;
    const object = isLabelled ? withLegacySelector(rendered, live) : rendered;
    const key = keyOf(object);
    const text = JSON.stringify(object);
    if (isLabelled && settings().replacesForeign !== true && runsForeignProxy(live, object)) {
      log.info('a proxy of another make runs there, left alone', { object: keyOf(object) });
      return;
    }
    if (isLabelled) {
      const record = applied.get(key);
      if (record?.text === text && record.generation === live.metadata?.generation) return;
      if (isAsWanted(live, object, FIELD_MANAGER)) {
        applied.set(key, { text, generation: live.metadata?.generation });
        return;
      }
    } else if (await isForeign(client, object)) {
      log.info('object exists and is not ours, left alone', { object: key });
      return;
    }
    // With the version that was looked at, nobody's object is taken over between looking and writing.
    const { resourceVersion } = (isLabelled ? live.metadata : undefined) ?? {};
    const body = resourceVersion === undefined ? object : withVersion(object, resourceVersion);
    const result = await client.apply(body, { fieldManager: FIELD_MANAGER });
    applied.set(key, { text, generation: result.metadata?.generation });
    log.info('gateway object applied', { object: key });
  }

  signal.addEventListener('abort', () => {
    for (const source of [gateways, classes, parameters, sets, ...owned.values()]) source.close();
  });
  return {
    refresh: wantAll,
    async idle() {
      await ready;
      while (running !== undefined) await running;
    },
  };
}

const keyOf = (object: KubernetesObject): string =>
  `${object.kind ?? ''} ${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;

const withVersion = (object: KubernetesObject, resourceVersion: string): KubernetesObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion },
});

/** A Deployment's selector can never change: one from before upstream 1.24 keeps its own, and the pod label that it selects. */
function withLegacySelector(object: KubernetesObject, live: KubernetesObject): KubernetesObject {
  if (object.kind !== 'Deployment') return object;
  type Spec = {
    selector?: { matchLabels?: Record<string, string> };
    template?: { metadata?: { labels?: Record<string, string> } };
  };
  const old = live['spec'] as Spec | undefined;
  if ((old?.selector?.matchLabels?.[LEGACY_SELECTOR] ?? '') === '') return object;
  const spec = object['spec'] as Spec | undefined;
  const label = old?.template?.metadata?.labels?.[LEGACY_SELECTOR];
  const labels = { ...spec?.template?.metadata?.labels, ...(label !== undefined && { [LEGACY_SELECTOR]: label }) };
  const metadata = { ...spec?.template?.metadata, labels };
  return { ...object, spec: { ...spec, selector: old?.selector, template: { ...spec?.template, metadata } } };
}

/**
 * True when a Deployment that upstream made runs upstream's proxy: the last two parts of the repository differ from ours, and the
 * last is the name of upstream's images (decision W1). A mirror of our own images keeps both parts.
 */
function runsForeignProxy(live: KubernetesObject, wanted: KubernetesObject): boolean {
  if (wanted.kind !== 'Deployment') return false;
  const [theirs, ours] = [live, wanted].map((object) => repositoryOf(object));
  return theirs !== undefined && theirs !== ours && FOREIGN_IMAGES.has(theirs.split('/').at(-1) ?? '');
}

const FOREIGN_IMAGES = new Set(['proxyv2', 'agentgateway']);

/** `<folder>/<name>` of the proxy's image, without registry, tag and digest. */
function repositoryOf(object: KubernetesObject): string | undefined {
  type Spec = { template?: { spec?: { containers?: readonly { name: string; image?: string }[] } } };
  const containers = (object['spec'] as Spec | undefined)?.template?.spec?.containers ?? [];
  const image = containers.find(({ name }) => name === 'istio-proxy')?.image?.split('@')[0];
  if (image === undefined) return undefined;
  const parts = image.split('/').slice(-2);
  return [...parts.slice(0, -1), parts.at(-1)?.split(':')[0] ?? ''].join('/');
}

/** Marks the Gateway with the version of its controller; a newer or unknown mark means hands off. */
async function claim(client: KubeClient, gateway: Gateway): Promise<boolean> {
  const given = gateway.metadata.annotations?.[VERSION_ANNOTATION];
  if (given === String(VERSION)) return true;
  if (given !== undefined && !isOlder(given)) return false;
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

function isOlder(mark: string): boolean {
  const number = Number(mark);
  return mark.trim() !== '' && Number.isInteger(number) && number < VERSION;
}

/** True when an object of that name exists without our label. */
async function isForeign(client: KubeClient, object: KubernetesObject): Promise<boolean> {
  const kind = [...USUAL_KINDS, ...SCALER_KINDS].find((k) => k === object.kind);
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
