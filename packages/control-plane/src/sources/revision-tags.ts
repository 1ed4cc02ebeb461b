// Which revision owns a Gateway (spec control-plane 8.1): revision tags that point at us, and labels of Gateways and namespaces.
// In: webhook configurations, tag Services and namespaces. Out: verdicts, and a call when they may differ. Owned by app.ts; main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import type { Gateway, KindName } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';

const REVISION = 'istio.io/rev';
const TAG = 'istio.io/tag';
const DEFAULT_VALIDATOR = 'istiod-default-validator';
const DEFAULT_TAG_WEBHOOK = 'istio-revision-tag-default';

/** What ownership depends on; gathered from the cluster. */
export interface RevisionFacts {
  readonly revision: string;
  /** Our revision and every tag that points at it. */
  readonly tags: ReadonlySet<string>;
  /** True when objects without any revision label are ours. */
  readonly isDefault: boolean;
  /** The revision that the tag `default` points at, as elections see it: only webhook configurations count. Empty: it points nowhere. */
  readonly defaultRevision: string;
}

/** True when the object belongs to us; an unknown namespace counts as ours. */
export function isOwnedBy(
  facts: RevisionFacts,
  labels: Readonly<Record<string, string>> | undefined,
  namespaceLabels: Readonly<Record<string, string>> | 'unknown',
): boolean {
  if (namespaceLabels === 'unknown') return true;
  const selected = labels?.[REVISION] ?? namespaceLabels[REVISION] ?? '';
  return selected === '' ? facts.isDefault : facts.tags.has(selected);
}

type Labelled = { readonly metadata?: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> } };

/** Gathers the facts of a revision from what is labelled with revisions and tags. */
export function revisionFacts(
  revision: string,
  systemNamespace: string,
  parts: {
    readonly webhooks: readonly Labelled[];
    readonly services: readonly Labelled[];
    readonly validators: readonly Labelled[];
  },
): RevisionFacts {
  const own = revision === '' ? 'default' : revision;
  const labelOf = (object: Labelled, key: string): string => object.metadata?.labels?.[key] ?? '';
  const tags = new Set([own]);
  for (const object of [...parts.webhooks, ...parts.services]) {
    if (labelOf(object, TAG) !== '' && labelOf(object, REVISION) === own) tags.add(labelOf(object, TAG));
  }
  const validates = parts.validators.some(
    (v) => v.metadata?.name === DEFAULT_VALIDATOR && labelOf(v, REVISION) === own,
  );
  const isTakenByOther = parts.webhooks.some(
    (w) => w.metadata?.name === DEFAULT_TAG_WEBHOOK && labelOf(w, REVISION) !== own,
  );
  // A system namespace other than the usual one is part of the name.
  const names = new Set([DEFAULT_TAG_WEBHOOK, `${DEFAULT_TAG_WEBHOOK}-${systemNamespace}`]);
  const tagged = parts.webhooks.find(({ metadata }) => names.has(metadata?.name ?? ''));
  return {
    revision: own,
    tags,
    isDefault: tags.has('default') || (validates && !isTakenByOther),
    defaultRevision: tagged === undefined ? '' : labelOf(tagged, REVISION),
  };
}

/** Watches and answers. */
export interface RevisionTags {
  readonly facts: RevisionFacts;
  isMine(gateway: Gateway): boolean;
  onChange(listener: () => void): void;
  /** Settles when the answers are final for what the cluster has now. Never rejects. */
  readonly synced: Promise<void>;
  close(): void;
}

/** Starts watching. */
export function watchRevisionTags(
  client: KubeClient,
  revision: string,
  systemNamespace: string,
  log: Logger,
): RevisionTags {
  const listeners: (() => void)[] = [];
  let facts = revisionFacts(revision, systemNamespace, { webhooks: [], services: [], validators: [] });
  let namespaceLabels = new Map<string, string>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const watch = (
    kind: KindName,
    select: { labelSelector?: string; namespace?: string },
    onChanges: () => void,
  ): Informer => startInformer({ client, kind, log, ...select, isOptional: true, onChanges });
  const gather = (): void => {
    const before = JSON.stringify([...facts.tags, facts.isDefault]);
    facts = revisionFacts(revision, systemNamespace, {
      webhooks: [...webhooks.list()],
      services: [...services.list()],
      validators: [...validators.list()],
    });
    if (JSON.stringify([...facts.tags, facts.isDefault]) !== before) tell();
  };
  const webhooks = watch('MutatingWebhookConfiguration', { labelSelector: REVISION }, gather);
  const services = watch('Service', { namespace: systemNamespace, labelSelector: TAG }, gather);
  const validators = watch('ValidatingWebhookConfiguration', { labelSelector: REVISION }, gather);
  const namespaces = watch('Namespace', {}, () => {
    const next = new Map<string, string>();
    for (const { metadata } of namespaces.list()) {
      const selected = metadata?.labels?.[REVISION];
      if (selected !== undefined) next.set(metadata?.name ?? '', selected);
    }
    const isSame =
      next.size === namespaceLabels.size && [...next].every(([name, r]) => namespaceLabels.get(name) === r);
    namespaceLabels = next;
    if (!isSame) tell();
  });
  const all = [webhooks, services, validators, namespaces];
  return {
    get facts() {
      return facts;
    },
    isMine({ metadata }) {
      const namespace = namespaces.get('', metadata.namespace ?? '');
      return isOwnedBy(
        facts,
        metadata.labels,
        namespace === undefined ? 'unknown' : (namespace.metadata?.labels ?? {}),
      );
    },
    onChange: (listener) => void listeners.push(listener),
    synced: Promise.all(all.map((informer) => informer.synced)).then(() => undefined),
    close() {
      for (const informer of all) informer.close();
    },
  };
}
