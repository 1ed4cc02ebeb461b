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

/** Key of the Backend that is one port of a service. */
export function backendKey(
  { namespace, hostname }: Pick<ServiceDefinition, 'namespace' | 'hostname'>,
  port: number,
): string {
  return `${namespace}/${hostname}/${port}`;
}

/** Key of the Policy that an AuthorizationPolicy becomes. */
export function policyKey(namespace: string, name: string): string {
  return `AuthorizationPolicy/${namespace}/${name}`;
}
