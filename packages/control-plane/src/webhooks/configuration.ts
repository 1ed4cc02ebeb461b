// Keeps the webhook configurations of this revision usable (spec control-plane 7.6): our root goes into `caBundle`, and `failurePolicy` of the
// validating ones becomes Fail once the API server is seen to refuse what must be refused. Any replica may write; main thread.
import { type Informer, type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { KindName, KubernetesObject } from '@ambit/resources';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { Authority } from '../ca/authority-keeper.ts';
import type { ControlPlaneConfig } from '../config.ts';
import { whenWanted } from '../when-wanted.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 60_000;
/** How names of webhooks for pods end; others in such a configuration are somebody else's. */
const INJECTOR = 'sidecar-injector.istio.io';

/** Settings of {@link keepWebhooks}. */
export interface WebhookOptions {
  readonly config: Pick<ControlPlaneConfig, 'POD_NAMESPACE' | 'REVISION'>;
  /** Of the cluster whose configurations these are. */
  readonly client: KubeClient;
  /** Its roots are those that our serving certificate chains to. */
  readonly authority: Pick<Authority, 'rootPem'>;
  readonly log: Logger;
}

/** A running keeper. */
export interface WebhookKeeper {
  /** Writes again, after the roots changed. */
  refresh(): void;
  close(): void;
}

/** The webhooks of a configuration with our root and policy; undefined when nothing would change. */
export function wantedWebhooks(
  configuration: KubernetesObject,
  rootPem: string,
  isProven: boolean,
): Record<string, unknown>[] | undefined {
  const webhooks = configuration['webhooks'];
  if (!Array.isArray(webhooks)) return undefined;
  const caBundle = Buffer.from(rootPem).toString('base64');
  const isOurs = ({ name }: Record<string, unknown>): boolean =>
    configuration.kind !== 'MutatingWebhookConfiguration' || (typeof name === 'string' && name.endsWith(INJECTOR));
  const wanted = webhooks.map((webhook: Record<string, unknown>) =>
    !isOurs(webhook)
      ? webhook
      : {
          ...webhook,
          clientConfig: { ...(webhook['clientConfig'] as Record<string, unknown> | undefined), caBundle },
          ...(isProven && { failurePolicy: 'Fail' }),
        },
  );
  return JSON.stringify(wanted) === JSON.stringify(webhooks) ? undefined : wanted;
}

/** Starts keeping. */
export function keepWebhooks({ config, client, authority, log: parent }: WebhookOptions): WebhookKeeper {
  const { REVISION: revision, POD_NAMESPACE: systemNamespace } = config;
  const log = parent.child('validation');
  let isProven = false;
  let retryMs = FIRST_RETRY_MS;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const want = whenWanted({
    name: 'webhook configuration',
    isOver: () => isClosed,
    async look() {
      const isMine = (c: KubernetesObject): boolean => c.metadata?.labels?.['istio.io/rev'] !== undefined;
      const mine = [...validating.list()].filter(isMine);
      for (const configuration of mine) await write('ValidatingWebhookConfiguration', configuration);
      for (const configuration of [...mutating.list()].filter(isMine))
        await write('MutatingWebhookConfiguration', configuration);
      if (mine.length > 0 && !isProven) await prove();
    },
    log,
  });
  const follow = (kind: 'ValidatingWebhookConfiguration' | 'MutatingWebhookConfiguration'): Informer =>
    startInformer({
      client,
      kind,
      labelSelector: `istio.io/rev=${revision === '' ? 'default' : revision}`,
      log,
      onChanges: want,
    });
  const validating = follow('ValidatingWebhookConfiguration');
  const mutating = follow('MutatingWebhookConfiguration');

  async function write(kind: KindName, configuration: KubernetesObject): Promise<void> {
    const isEnforced = kind === 'ValidatingWebhookConfiguration' && isProven;
    const webhooks = wantedWebhooks({ ...configuration, kind }, authority.rootPem, isEnforced);
    if (webhooks === undefined) return;
    const { name = '', resourceVersion } = configuration.metadata ?? {};
    try {
      const body = { metadata: { resourceVersion }, webhooks };
      await client.patch({ kind, name }, body, { type: 'merge' });
      log.info('webhook configuration written', { name, failurePolicy: isEnforced ? 'Fail' : 'as it was' });
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_CONFLICT', 'ERR_KUBE_NOT_FOUND')) return;
      log.warn('webhook configuration not written, trying again', { name, error: explain(error) });
      later();
    }
  }
  /** Offers the API server something that our webhook must refuse. Nothing is stored: it is a dry run. */
  async function prove(): Promise<void> {
    try {
      await client.create(knownBad(systemNamespace, revision), { dryRun: true, resource: 'gateways' });
      log.debug('the webhook is not asked yet');
    } catch (error) {
      const text = messageOf(error);
      isProven =
        text.includes('denied the request') ||
        text.includes('does not support dry run') ||
        KubeError.is(error, 'ERR_KUBE_NOT_FOUND');
      if (isProven) log.info('the webhook answers, refusals are enforced from now on');
    }
    if (isProven) want();
    else later();
  }
  function later(): void {
    clearTimeout(timer);
    timer = setTimeout(want, retryMs);
    timer.unref();
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }

  return {
    refresh: want,
    close() {
      isClosed = true;
      clearTimeout(timer);
      validating.close();
      mutating.close();
    },
  };
}

function knownBad(namespace: string, revision: string): KubernetesObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: {
      name: 'invalid-gateway',
      namespace,
      labels: { 'istio.io/rev': revision === '' ? 'default' : revision },
      annotations: { 'internal.istio.io/webhook-always-reject': 'true' },
    },
    spec: {},
  };
}
