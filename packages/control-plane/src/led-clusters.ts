// Leading in other clusters (spec control-plane 8.3 M6, EXTERNAL_ISTIOD): where the system namespace is annotated with the id of our cluster, or
// with *, nobody else hands out roots and completes webhooks. In: clients of the other clusters. Out: running elections there, under the key of
// somebody who comes from outside: a control plane of the same revision inside takes the duty over. Called by sources/remote-clusters.ts; main thread.
import { type KubeClient, type LeaderElection, startInformer } from '@ambit/kube';
import { certificateDuty, type CertificateDutyParts } from './ca/certificate-duty.ts';
import { compete } from './leadership.ts';
import { watchRevisionTags } from './sources/revision-tags.ts';
import { keepWebhooks } from './webhooks/configuration.ts';

const ANNOTATION = 'topology.istio.io/controlPlaneClusters';

/** Somebody who may lead in a cluster, as long as it is connected. */
export interface ClusterLeader {
  /** Gives everything up there; settles when locks are released. */
  close(): Promise<void>;
}

/** All of them. */
export interface LedClusters {
  /** Follows one more cluster. */
  open(id: string, client: KubeClient): ClusterLeader;
  /** Roots, revocation lists, or what belongs to the mesh changed. */
  refresh(): void;
}

/** Whether the annotation names our cluster. */
export function isNamed(annotation: string | undefined, ownId: string): boolean {
  return annotation?.split(',').some((id) => id === '*' || id === ownId) === true;
}

/** What runs in one cluster while it is led. */
interface Leading {
  refresh(): void;
  close(): Promise<void>;
}

/** Makes the set; the client of `parts` is that of our own cluster and is not used. */
export function ledClusters(parts: Omit<CertificateDutyParts, 'client'>): LedClusters {
  const { config } = parts;
  const running = new Set<Leading>();
  return {
    open(id, client) {
      const log = parts.log.child(id);
      let leading: Leading | undefined;
      let ending: Promise<void> = Promise.resolve();
      const end = (): void => {
        if (leading === undefined) return;
        running.delete(leading);
        const ended = leading.close();
        ending = ending.then(async () => ended);
        leading = undefined;
      };
      const namespace = startInformer({
        client,
        kind: 'Namespace',
        fieldSelector: `metadata.name=${config.POD_NAMESPACE}`,
        log,
        onChanges() {
          const { annotations } = namespace.get('', config.POD_NAMESPACE)?.metadata ?? {};
          const isWanted = isNamed(annotations?.[ANNOTATION], config.CLUSTER_ID);
          if (isWanted === (leading !== undefined)) return;
          log.info(isWanted ? 'competing for the duties in this cluster' : 'leaving this cluster to others');
          if (!isWanted) return end();
          leading = lead({ ...parts, client, log });
          running.add(leading);
        },
      });
      return {
        async close() {
          namespace.close();
          end();
          await ending;
        },
      };
    },
    refresh() {
      for (const leading of running) leading.refresh();
    },
  };
}

function lead(parts: CertificateDutyParts): Leading {
  const { config, client, log } = parts;
  const tags = watchRevisionTags(client, config.REVISION, config.POD_NAMESPACE, log);
  const certificates = certificateDuty(parts);
  const defaultRevision = (): string => tags.facts.defaultRevision;
  const election: LeaderElection = compete({ config, client, defaultRevision, isRemote: true, log }, certificates.duty);
  // Each revision completes its own webhooks: there is no lock.
  const webhooks = keepWebhooks(parts);
  return {
    refresh() {
      certificates.refresh();
      webhooks.refresh();
    },
    async close() {
      webhooks.close();
      tags.close();
      await election.close();
    },
  };
}
