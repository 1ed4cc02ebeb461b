// Which TLS implementation secures connections on this thread. In: a name. Out: whether it can be used here, and the
// choice that secure.ts looks at. Called by @ambit/hbone when a data thread chooses its byte engine.
import { selfTest } from './native/tls/self-test.ts';

/** `node`: node:tls. `libssl`: the OpenSSL of this process, called directly. */
export type SecureEngineName = 'node' | 'libssl';

let ofThisThread: SecureEngineName = 'node';

/** The engine for connections of this thread that do not name one. */
export function currentSecureEngine(): SecureEngineName {
  return ofThisThread;
}

/** Sets it. The engine must be usable. Connections made before keep theirs. */
export function useSecureEngine(name: SecureEngineName): void {
  ofThisThread = name;
}

let libssl: true | string | undefined;

/** True, or one sentence that says why not. The first question about `libssl` runs its self-test on this thread. */
export function isSecureEngineUsable(name: SecureEngineName): true | string {
  if (name === 'node') return true;
  libssl ??= tryLibssl();
  return libssl;
}

function tryLibssl(): true | string {
  try {
    selfTest();
    return true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
