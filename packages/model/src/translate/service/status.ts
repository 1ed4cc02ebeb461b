// Conditions of Services, ServiceEntries and WorkloadEntries (spec control-plane 9.1). In: the object. Out: what the status
// writer shall set; undefined when the object says nothing about waypoints.
import type { ServiceEntry, WorkloadEntry } from '@ambit/resources';
import type { ConditionResult } from '../../conditions.ts';
import { identityOf, type View } from '../../index/view.ts';
import { CONNECT_STRATEGY, goBoolean } from '../../labels.ts';
import { type Binding, bindService, bindWorkload, ingressLabel } from '../waypoint/binding.ts';
import { definitionOf, hostnameOf, type ServiceDefinition } from './definition.ts';
import { visibilityOf } from './visibility.ts';
import { winnersOf } from './winners.ts';

/** Conditions of a Service. */
export function conditionsOfService(view: View, key: string): ConditionResult[] {
  const slash = key.indexOf('/');
  const hostname = hostnameOf(key.slice(0, slash), key.slice(slash + 1), view.options.domain);
  const definition = definitionOf(view, `Service ${key}`, hostname);
  if (definition === undefined) return [];
  return waypointBound(view, definition, bindService(view, definition, false));
}

/** Conditions of a ServiceEntry. */
export function conditionsOfServiceEntry(view: View, entry: ServiceEntry): ConditionResult[] {
  const { namespace, name } = identityOf(entry);
  // Hosts that another object defines in this namespace are that object's to report.
  const definitions = (entry.spec?.hosts ?? [])
    .map((host) => winnersOf(view, host).byNamespace.get(namespace))
    .filter((winner) => winner?.kind === 'ServiceEntry' && winner.name === name)
    .filter((definition) => definition !== undefined);
  const first = definitions[0];
  if (first === undefined) return [];
  const binding = bindService(view, first, first.isPrivate);
  const isBound = binding.waypoint !== undefined;
  return [
    ...waypointBound(view, first, binding),
    ...(isBound ? [] : waypointMissing(entry, definitions)),
    ...visibilityApplied(view, first),
  ];
}

/** Conditions of a WorkloadEntry. */
export function conditionsOfWorkloadEntry(view: View, entry: WorkloadEntry): ConditionResult[] {
  const { namespace } = identityOf(entry);
  const labels = { ...entry.spec?.labels, ...entry.metadata.labels };
  const { waypoint, error } = bindWorkload(view, namespace, labels);
  if (error !== undefined) return [{ type: 'istio.io/WaypointBound', status: 'False', ...error }];
  return waypoint === undefined ? [] : [bound(`Successfully attached to waypoint ${waypoint.key}`)];
}

function bound(message: string): ConditionResult {
  return { type: 'istio.io/WaypointBound', status: 'True', reason: 'WaypointAccepted', message };
}

function waypointBound(view: View, object: ServiceDefinition, binding: Binding): ConditionResult[] {
  const { waypoint, error, canaryError } = binding;
  if (error !== undefined) return [{ type: 'istio.io/WaypointBound', status: 'False', ...error }];
  if (waypoint === undefined) return [];
  const canary = canaryError === undefined ? '' : `. Canary waypoint not attached: ${canaryError}`;
  return [bound(`Successfully attached to waypoint ${waypoint.key}${ingressNote(view, object)}${canary}`)];
}

function ingressNote(view: View, object: ServiceDefinition): string {
  const label = ingressLabel(view, object);
  if (label === undefined) return '';
  return goBoolean(label) === true
    ? '. Ingress traffic will traverse the waypoint'
    : '. Ingress traffic is not using the waypoint, set the istio.io/ingress-use-waypoint label to true if desired.';
}

function waypointMissing(entry: ServiceEntry, definitions: readonly ServiceDefinition[]): ConditionResult[] {
  const type = 'istio.io/WaypointMissing';
  if (entry.metadata.annotations?.[CONNECT_STRATEGY]?.toUpperCase() === 'RACE_FIRST_TCP_CONNECT') {
    const message =
      'ServiceEntry has a non-default connect strategy but no waypoint bound. ' +
      'A waypoint is required for connect strategies to take effect for ambient clients.';
    return [{ type, status: 'True', reason: 'NoWaypointForRacingConnectStrategy', message }];
  }
  if (!definitions.some((d) => d.hostname.startsWith('*'))) return [];
  const message = 'ServiceEntry will not apply until it is bound to a valid waypoint.';
  return [{ type, status: 'True', reason: 'NoWaypointForWildcardService', message }];
}

function visibilityApplied(view: View, { namespace }: ServiceDefinition): ConditionResult[] {
  if (view.options.serviceEntryVisibility === undefined) return [];
  const isPrivate = visibilityOf(view, namespace) === 'NAMESPACE';
  const message = isPrivate
    ? 'ServiceEntry is visible only within its own namespace (NAMESPACE), per mesh serviceEntryVisibility.'
    : 'ServiceEntry is visible to the entire mesh (PUBLIC).';
  const reason = isPrivate ? 'Namespace' : 'Public';
  return [{ type: 'istio.io/VisibilityApplied', status: 'True', reason, message }];
}
