/**
 * What the configuration refers to but does not contain: secrets by name, key sets by address (spec/waypoint.md 2.3 T7, 4.3).
 * In: a snapshot. Out: names. Pure; main thread, after each change of policies or backends.
 */
import type { ConfigSnapshot } from './config-store.ts';

/** Names of everything that has to be got. */
export interface References {
  /** Keys of Secret resources. */
  readonly secrets: ReadonlySet<string>;
  /** Addresses of key sets. */
  readonly keySetUris: ReadonlySet<string>;
}

/** Collects the references of policies and backends. */
export const referencesOf = ({ policy, backend }: ConfigSnapshot): References => {
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
  return { secrets, keySetUris };
};
