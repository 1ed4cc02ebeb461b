/**
 * Copies of requests to further backends, whose answers nobody waits for (spec/waypoint.md 3.5, 3.7).
 * In: a request as its backend gets it. Out: nothing the client could notice. Data thread.
 *
 * Bounds: 100 copies at a time, bodies up to 1 MiB, 60 s; what does not fit is not mirrored.
 */
import type { RouteDecision } from '@ambit/l7';
import type { Mirror } from '@ambit/proto/waypoint';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { RequestContext } from '../filters/request-context.ts';
import { appendForwardedFor } from '../filters/hygiene.ts';
import type { UpstreamRequest } from '../http/upstream.ts';
import { REPLAY_LIMIT_BYTES } from '../http/request-body.ts';
import type { CallBackend } from './call-backend.ts';

const maxActive = 100;
const timeoutMs = 60_000;
const maxResponseBytes = 1024 * 1024;

/** Sends the copies that the rule and its destination ask for; called once per request, before its first byte moves. */
export type SendMirrors = (
  context: RequestContext,
  decision: RouteDecision & { readonly kind: 'forward' },
  request: UpstreamRequest,
) => void;

/** Binds mirrors to the pools of a data thread. */
export const createMirrors = (call: CallBackend, ownIp: string, log: Logger): SendMirrors => {
  let active = 0;
  const send = async (context: RequestContext, mirror: Mirror, request: UpstreamRequest): Promise<void> => {
    const { config, snapshot, frontend, random } = context;
    const backend = config.backend(mirror.backend);
    const body = request.hasBody ? await request.body.copy(REPLAY_LIMIT_BYTES) : new Uint8Array();
    if (backend === undefined || body === undefined) return;
    const headers = request.headers.clone();
    headers.remove('transfer-encoding');
    if (request.hasBody) headers.replace('content-length', String(body.byteLength));
    // A copy is a request of ours on the client's behalf, as upstream marks it (golden envoy-http).
    appendForwardedFor(headers, ownIp);
    headers.append('x-envoy-internal', 'true');
    const { method, target } = request;
    const authority = mirror.keepHost ? request.authority : shadowOf(request.authority);
    const isHttp2 = context.exchange.protocol === 'HTTP/2' && context.record.start.isGrpc;
    const base = { config, snapshot, frontend, random, timeoutMs, maxResponseBytes, isRepeatable: false, isHttp2 };
    await call({ ...base, backend, method, target, authority, headers, body });
  };
  return (context, { route, target }, request) => {
    for (const mirror of [...route.source.mirrors, ...target.mirrors]) {
      const isChosen = context.random() * (mirror.denominator || 100) < mirror.numerator;
      if (!isChosen || active >= maxActive || request.isWebsocket) continue;
      active += 1;
      send(context, mirror, request)
        .catch((error: unknown) => log.debug('mirror failed', { backend: mirror.backend, error: messageOf(error) }))
        .finally(() => {
          active -= 1;
        });
    }
  };
};

/** Upstream's mark of a copy: `host-shadow`, the port stays. */
const shadowOf = (authority: string): string => {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon > authority.lastIndexOf(']') && colon !== -1;
  return hasPort ? `${authority.slice(0, colon)}-shadow${authority.slice(colon)}` : `${authority}-shadow`;
};
