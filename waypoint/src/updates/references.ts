/**
 * What the configuration refers to but does not contain: secrets by name, key sets by address (spec/waypoint.md 2.3 T7, 4.3).
 * In: a snapshot. Out: names. Pure; main thread, after each change of policies or backends.
 */
import { sessionKeyName } from '@ambit/proto/secret-names';
import type { RouteTable } from '@ambit/proto/waypoint';
import type { ConfigDiff, ConfigSnapshot } from './config-store.ts';

/** Names of everything that has to be got. */
export interface References {
  /** Keys of Secret resources. */
  readonly secrets: ReadonlySet<string>;
  /** Addresses of key sets. */
  readonly keySetUris: ReadonlySet<string>;
}

/** Whether references may be others after a diff. */
export const mayChangeReferences = ({ kinds }: ConfigDiff): boolean =>
  [kinds.policy, kinds.backend, kinds.routeTable, kinds.listener].some((changes) => changes !== undefined);

/** Name of the Secret with the key of our sessions; undefined before our listener is known. Its key is `<namespace>/<Gateway>/...`. */
export const sessionKeyOf = ({ listener }: ConfigSnapshot): string | undefined => {
  const [first] = listener.keys();
  return first === undefined ? undefined : sessionKeyName(first.split('/').slice(0, 2).join('/'));
};

const hasSessions = ({ routes }: RouteTable): boolean => routes.some(({ session }) => session !== undefined);

/** Collects the references of policies, backends and routes. */
export const referencesOf = (config: ConfigSnapshot): References => {
  const { policy, backend, routeTable } = config;
  const secrets = new Set<string>();
  const keySetUris = new Set<string>();
  for (const { body } of policy.values()) {
    if (body.case !== 'jwt') continue;
    for (const { jwksSecret, jwksUri } of body.value.rules) {
      if (jwksSecret !== '') secrets.add(jwksSecret);
      else if (jwksUri !== '') keySetUris.add(jwksUri);
    }
  }
  for (const { tls } of backend.values()) {
    // What starts with a slash is a file of the container.
    for (const name of [tls?.certificate, tls?.ca, tls?.crl]) {
      if (name !== undefined && name !== '' && !name.startsWith('/')) secrets.add(name);
    }
  }
  const sessionKey = sessionKeyOf(config);
  if (sessionKey !== undefined && routeTable.values().some(hasSessions)) secrets.add(sessionKey);
  return { secrets, keySetUris };
};
