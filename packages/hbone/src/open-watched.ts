// One CONNECT whose peer may begin to drain before it answers. Some peers (ztunnel) take no stream from the moment they
// send GOAWAY, also none that the GOAWAY covers; nothing of the payload was sent, so the same may be asked elsewhere.
// In: a session with room and a way to ask elsewhere. Out: the tunnel that was answered first. Called by pool.ts.
import { Cancellation, type CancelSignal, offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import type { Clock } from '@ambit/runtime/clock';
import { connectionDraining, HboneError } from './errors.ts';
import type { ClientSession, GiveUp } from './session.ts';
import type { OpenOptions, TunnelStream } from './tunnel.ts';

/** Time a peer that began to drain has for its answer before another connection is asked as well. */
export const LEAVING_ANSWER_MS = 1000;

/** Asks another connection for the same. */
export type AskElsewhere<Peer> = (signal: CancelSignal) => Promise<TunnelStream<Peer>>;

/**
 * Uses a reservation of `session`. A peer that drains and loses the request makes it reject with ERR_HBONE_DRAINING;
 * one that drains and stays silent for `LEAVING_ANSWER_MS` competes with `elsewhere`, and the loser is given up.
 */
export function openWatched<Peer>(
  session: ClientSession<Peer>,
  options: OpenOptions,
  clock: Clock,
  elsewhere: AskElsewhere<Peer>,
): Promise<TunnelStream<Peer>> {
  return new Promise((resolve, reject) => {
    // Nearly always it is answered and nothing more is made for it.
    const onLeaving = (giveUp: GiveUp): void => resolve(whenLeaving(session.peerName, asked, giveUp));
    const asked = session.open({ ...options, onLeaving });
    asked.then(resolve, reject);
  });

  async function whenLeaving(
    peerName: string,
    asked: Promise<TunnelStream<Peer>>,
    giveUp: GiveUp,
  ): Promise<TunnelStream<Peer>> {
    const answer = asked.catch((error: unknown) => {
      throw options.signal?.aborted === true ? error : asUntouched(peerName, error);
    });
    const late = Promise.withResolvers<'late'>();
    using _timer = clock.setTimeout(() => late.resolve('late'), LEAVING_ANSWER_MS);
    const inTime = await Promise.race([answer, late.promise]);
    if (inTime !== 'late') return inTime;
    return await firstOf(peerName, answer, giveUp, elsewhere, options.signal);
  }
}

async function firstOf<Peer>(
  peerName: string,
  answer: Promise<TunnelStream<Peer>>,
  giveUp: GiveUp,
  elsewhere: AskElsewhere<Peer>,
  signal: CancelSignal | undefined,
): Promise<TunnelStream<Peer>> {
  const abort = new Cancellation();
  const onAbort = (): void => abort.abort(signal?.reason as Error);
  onCancelled(signal, onAbort);
  const second = elsewhere(abort);
  try {
    const { tunnel, isSecond } = await Promise.any([
      answer.then((tunnel) => ({ tunnel, isSecond: false })),
      second.then((tunnel) => ({ tunnel, isSecond: true })),
    ]);
    const reason = connectionDraining(peerName);
    if (isSecond) giveUp(reason);
    else abandon(second, abort, reason);
    return tunnel;
  } catch {
    // Both failed; the peer that is not leaving knows better why.
    return await second;
  } finally {
    offCancelled(signal, onAbort);
  }
}

// Both may have been answered in one turn.
function abandon<Peer>(loser: Promise<TunnelStream<Peer>>, abort: Cancellation, reason: Error): void {
  abort.abort(reason);
  loser.then(
    (tunnel) => tunnel.destroy(reason),
    () => undefined,
  );
}

// What ended with a connection that had announced its end was not taken; a status is an answer.
function asUntouched(peerName: string, error: unknown): unknown {
  const isLost = HboneError.is(error) && LOST.has(error.code);
  return isLost ? connectionDraining(peerName, error) : error;
}

const LOST: ReadonlySet<string> = new Set(['ERR_HBONE_CONNECTION_LOST', 'ERR_HBONE_RESET']);
