// Which implementation moves the bytes of tunnels on this thread: an HTTP/2 engine of this package over a TLS engine of
// @ambit/net. In: the name an operator asked for. Out: the engine that is used and why. Called once per data thread at
// start; pool and server take the thread's engine unless they are given one.
import { isSecureEngineUsable, type SecureEngineName, useSecureEngine } from '@ambit/net';
import { FramedClientSession } from './framed/client-session.ts';
import { FramedServerSession } from './framed/server-session.ts';
import { Http2ClientSession } from './http2/client-session.ts';
import { Http2ServerSession } from './http2/server-session.ts';
import type { SessionEngine } from './session.ts';

/** `http2`: core http2 over node:tls. `framed`: our own HTTP/2 over node:tls. `libssl`: the same over the OpenSSL of this process. */
export type ByteEngineName = 'http2' | 'framed' | 'libssl';

/** One engine. */
export interface ByteEngine {
  readonly name: ByteEngineName;
  /** How TLS is spoken below. */
  readonly secure: SecureEngineName;
  readonly sessions: SessionEngine;
}

/** What was asked for, what is used, and why. */
export interface ByteEngineChoice {
  readonly wanted: ByteEngineName | 'auto';
  readonly engine: ByteEngine;
  /** One sentence for log and `/config_dump`. */
  readonly reason: string;
}

/**
 * Engines that `auto` may take, fastest first. An engine is added here by an ADR that names the soak and the traffic
 * matrix it has passed (packages/docs/adr); its self-test decides per process.
 */
export const CLEARED_ENGINES: readonly ByteEngineName[] = ['libssl', 'http2'];

const http2Sessions: SessionEngine = {
  client: (endpoint, options) => new Http2ClientSession(endpoint, options),
  server: (endpoint, options) => new Http2ServerSession(endpoint, options),
};
const framedSessions: SessionEngine = {
  client: (endpoint, options) => new FramedClientSession(endpoint, options),
  server: (endpoint, options) => new FramedServerSession(endpoint, options),
};

/** Every engine by name. */
export const BYTE_ENGINES: Readonly<Record<ByteEngineName, ByteEngine>> = {
  http2: { name: 'http2', secure: 'node', sessions: http2Sessions },
  framed: { name: 'framed', secure: 'node', sessions: framedSessions },
  libssl: { name: 'libssl', secure: 'libssl', sessions: framedSessions },
};

/** Values of AMBIT_BYTE_ENGINE. */
export const BYTE_ENGINE_WISHES = ['auto', 'http2', 'framed', 'libssl'] as const;

let ofThisThread: ByteEngine = BYTE_ENGINES.http2;

/** The engine of this thread; core http2 until `chooseByteEngine` was called. */
export function currentByteEngine(): ByteEngine {
  return ofThisThread;
}

/**
 * Decides for this thread: the wanted engine, or for `auto` the fastest one that is cleared and whose self-test passes.
 * An engine that cannot run here falls back to the next one; `reason` tells. Connections made before keep theirs.
 */
export function chooseByteEngine(wanted: ByteEngineName | 'auto'): ByteEngineChoice {
  const order: readonly ByteEngineName[] = wanted === 'auto' ? CLEARED_ENGINES : [wanted, 'framed', 'http2'];
  const refused: string[] = [];
  for (const name of order) {
    const engine = BYTE_ENGINES[name];
    const usable = isSecureEngineUsable(engine.secure);
    if (usable === true) return take(wanted, engine, refused);
    refused.push(`${name}: ${usable}`);
  }
  return take(wanted, BYTE_ENGINES.http2, refused);
}

/** A choice for log and `/config_dump`. */
export function shownByteEngine(choice: ByteEngineChoice): {
  readonly wanted: string;
  readonly engine: string;
  readonly reason: string;
} {
  return { wanted: choice.wanted, engine: choice.engine.name, reason: choice.reason };
}

function take(wanted: ByteEngineName | 'auto', engine: ByteEngine, refused: readonly string[]): ByteEngineChoice {
  ofThisThread = engine;
  useSecureEngine(engine.secure);
  const why = wanted === 'auto' ? 'the fastest engine that is cleared for use' : `${wanted} was asked for`;
  const fallback = refused.length === 0 ? '' : `; not usable here: ${refused.join('; ')}`;
  return { wanted, engine, reason: `${why}${fallback}` };
}
