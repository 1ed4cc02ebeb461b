// Host names in VirtualServices and DestinationRules (spec waypoint 3.2, 3.11). Pure.
import type { View } from '../../index/view.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { winnersOf } from '../service/winners.ts';

/** A name without dots is a Service of the object's own namespace. */
export function fullHost(host: string, namespace: string, domain: string): string {
  return host.includes('.') || host === '*' ? host : `${host}.${namespace}.svc.${domain}`;
}

/** True when a host of an object, which may begin with `*`, covers the hostname. */
export function coversHost(host: string, hostname: string): boolean {
  return host.startsWith('*') ? hostname.endsWith(host.slice(1)) : host === hostname;
}

/** True when an object of `namespace` is exported to `consumer`; without `exportTo` everybody may use it. */
export function isExportedTo(exportTo: readonly string[] | undefined, namespace: string, consumer: string): boolean {
  if (exportTo === undefined || exportTo.length === 0) return true;
  return exportTo.some((to) => to === '*' || to === consumer || (to === '.' && namespace === consumer));
}

/** The service that a full host name means for an object of `namespace`: its own first, else the canonical one. */
export function serviceOfHost(view: View, host: string, namespace: string): ServiceDefinition | undefined {
  const { byNamespace, canonical } = winnersOf(view, host);
  return byNamespace.get(namespace) ?? byNamespace.get(canonical ?? '');
}
