// Who owns a hostname when several objects define it (spec control-plane 2.10). In: the hostname. Out: one definition per
// namespace and the canonical one.
import type { View } from '../../index/view.ts';
import { ipText } from '../../ip.ts';
import { definitionOf, type ServiceDefinition } from './definition.ts';
import { isGlobal } from './scope.ts';

/** Outcome for one hostname. */
export interface Winners {
  /** One definition per namespace. */
  readonly byNamespace: ReadonlyMap<string, ServiceDefinition>;
  /** The namespace whose definition answers clients of other namespaces. */
  readonly canonical: string | undefined;
}

/** Settles the duplicates of a hostname: a Kubernetes Service wins, then the oldest, then the first by name. */
export function winnersOf(view: View, hostname: string): Winners {
  const byNamespace = new Map<string, ServiceDefinition>();
  for (const item of view.definersOf(hostname)) {
    const definition = definitionOf(view, item, hostname);
    if (definition === undefined) continue;
    const known = byNamespace.get(definition.namespace);
    if (known === undefined || isBefore(definition, known)) byNamespace.set(definition.namespace, definition);
  }
  for (const remote of view.remoteServices(hostname)) {
    const known = byNamespace.get(remote.namespace);
    if (known === undefined) byNamespace.set(remote.namespace, remote);
    else if (known.isRemote === true || isGlobal(view, known)) byNamespace.set(remote.namespace, merged(known, remote));
  }
  let canonical: ServiceDefinition | undefined;
  for (const definition of byNamespace.values()) {
    if (definition.isPrivate) continue;
    if (canonical === undefined || isBefore(definition, canonical)) canonical = definition;
  }
  return { byNamespace, canonical: canonical?.namespace };
}

/** The first definition, with the addresses and names of another cluster's (spec control-plane 2.13 W33). */
function merged(base: ServiceDefinition, other: ServiceDefinition): ServiceDefinition {
  type Address = NonNullable<ServiceDefinition['message']['addresses']>[number];
  const textOf = ({ network = '', address, length }: Address): string =>
    `${network}/${address === undefined ? '' : ipText(address)}/${length ?? ''}`;
  const all = [...(base.message.addresses ?? []), ...(other.message.addresses ?? [])];
  const addresses = new Map(all.map((address) => [textOf(address), address]));
  const names = [...(base.message.subjectAltNames ?? []), ...(other.message.subjectAltNames ?? [])];
  return {
    ...base,
    message: {
      ...base.message,
      addresses: [...addresses].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address),
      subjectAltNames: [...new Set(names)].toSorted(),
    },
  };
}

function isBefore(a: ServiceDefinition, b: ServiceDefinition): boolean {
  if (a.kind !== b.kind) return a.kind === 'Service';
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt;
  return `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}`;
}
