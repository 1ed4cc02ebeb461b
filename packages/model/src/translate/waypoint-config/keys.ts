// Names of waypoint resources (spec waypoint 2.3). Pure.
import type { ServiceDefinition } from '../service/definition.ts';

/** Key of a Frontend: `<namespace>/<hostname>`. */
export function frontendKey({ namespace, hostname }: Pick<ServiceDefinition, 'namespace' | 'hostname'>): string {
  return `${namespace}/${hostname}`;
}

/** Key of the RouteTable of one port of a frontend. */
export function routeTableKey(frontend: string, port: number): string {
  return `${frontend}:${port}`;
}

/** Key of the Backend that is one port of a service, or of a subset of it. */
export function backendKey(
  { namespace, hostname }: Pick<ServiceDefinition, 'namespace' | 'hostname'>,
  port: number,
  subset = '',
): string {
  return `${namespace}/${hostname}/${port}${subset === '' ? '' : `/${subset}`}`;
}

/** Kinds of user objects that become a Policy. */
export type PolicyKind = 'AuthorizationPolicy' | 'RequestAuthentication' | 'Telemetry';

/** Key of the Policy that a user object becomes. */
export function policyKey(kind: PolicyKind, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** Key of the Secret with the key set of one JWT rule. */
export function jwksKey(namespace: string, name: string, rule: number): string {
  return `RequestAuthentication/${namespace}/${name}/${rule}`;
}
