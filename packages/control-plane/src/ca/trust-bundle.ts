// Roots as a ClusterTrustBundle (spec control-plane 5.7 C3, ENABLE_CLUSTER_TRUST_BUNDLE_API): one object of the cluster, which pods can mount. Runs
// while this replica leads; restores what is changed or deleted. In: the object. Out: writes. Called by certificate-duty.ts; main thread.
import { type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { whenWanted } from '../when-wanted.ts';
import type { Distribution } from './config-map-distribution.ts';

const KIND = 'ClusterTrustBundle';
const SIGNER = 'istio.io/istiod-ca';
/** Names of bundles begin with their signer. */
const NAME = 'istio.io:istiod-ca:root-cert';
const RETRY_MS = 1_000;
/** A server without the kind, or an account without the role, stays like that for long. */
const RARE_RETRY_MS = 30_000;

/** Settings of {@link publishTrustBundle}. */
export interface TrustBundleOptions {
  readonly client: KubeClient;
  /** The roots; asked at every look. */
  readonly text: () => string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Keeps the object right until `signal` aborts. */
export function publishTrustBundle({ client, text, log, signal }: TrustBundleOptions): Distribution {
  let isRefusalTold = false;

  const ensure = async (): Promise<void> => {
    const found: KubernetesObject | undefined = await client.get({ kind: KIND, name: NAME });
    const spec = { signerName: SIGNER, trustBundle: text() };
    if ((found?.['spec'] as Partial<typeof spec> | undefined)?.trustBundle === spec.trustBundle) return;
    const head = { apiVersion: 'certificates.k8s.io/v1beta1', kind: KIND };
    if (found === undefined) await client.create({ ...head, metadata: { name: NAME }, spec });
    else await client.update({ ...found, ...head, spec });
    log.info('trust bundle written', { name: NAME });
  };
  const want = whenWanted({
    name: 'trust bundle',
    isOver: () => signal.aborted,
    async look() {
      try {
        await ensure();
        isRefusalTold = false;
      } catch (error) {
        const isConflict = KubeError.is(error, 'ERR_KUBE_CONFLICT', 'ERR_KUBE_ALREADY_EXISTS');
        if (!isConflict && !isRefusalTold)
          log.warn('trust bundle not written, trying again', { error: explain(error) });
        isRefusalTold ||= !isConflict;
        const isLasting = KubeError.is(error, 'ERR_KUBE_NOT_FOUND', 'ERR_KUBE_FORBIDDEN');
        setTimeout(want, isLasting ? RARE_RETRY_MS : RETRY_MS).unref();
      }
    },
    log,
  });

  const watch = startInformer({
    client,
    kind: KIND,
    fieldSelector: `metadata.name=${NAME}`,
    // Without the right to watch it is still written.
    isOptional: true,
    log,
    onChanges: want,
  });
  signal.addEventListener('abort', () => watch.close());
  want();
  return { refresh: want };
}
