// Who owns a hostname when several objects define it (spec control-plane 2.10). In: the hostname. Out: one definition per
// namespace and the canonical one.
import type { View } from '../../index/view.ts';
import { definitionOf, type ServiceDefinition } from './definition.ts';

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
  let canonical: ServiceDefinition | undefined;
  for (const definition of byNamespace.values()) {
    if (definition.isPrivate) continue;
    if (canonical === undefined || isBefore(definition, canonical)) canonical = definition;
  }
  return { byNamespace, canonical: canonical?.namespace };
}

function isBefore(a: ServiceDefinition, b: ServiceDefinition): boolean {
  if (a.kind !== b.kind) return a.kind === 'Service';
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt;
  return `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}`;
}
