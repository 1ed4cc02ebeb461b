/**
 * A backend's response -> the client's (spec/waypoint.md 4.6.3, 5.10). Last part of path 4, step 9; called by forward.ts.
 * In: response, context, decision. Out: one answer and a completed record. Data thread.
 */
import { HeaderList, removeHopByHop } from '@ambit/l7';
import { relay, Region } from '@ambit/net';
import { WaypointError } from '../errors.ts';
import { finishResponseHeaders } from '../filters/answer.ts';
import type { RequestContext } from '../filters/request-context.ts';
import type { Upgraded } from '../http/exchange.ts';
import type { BodyReceiver } from '../http/body.ts';
import type { UpstreamResponse } from '../http/upstream.ts';
import type { ForwardDecision } from './forward.ts';
import { operatorValues } from './request-of.ts';

/** Relays a response; `cancel` ends what the backend still sends when the client is gone, `release` follows a websocket. */
export const relayResponse = (
  context: RequestContext,
  decision: ForwardDecision,
  response: UpstreamResponse,
  cancel: (reason: Error) => void,
  release: () => void,
): void => {
  const { exchange, record, config } = context;
  const { headers } = response;
  context.touch();
  context.body().release();
  if (response.upgraded !== undefined) {
    relayUpgrade(context, decision, response, response.upgraded, release);
    return;
  }
  removeHopByHop(headers, 'response');
  headers.set('x-envoy-upstream-service-time', String(Math.round(record.upstreamServiceMs ?? 0)));
  editResponse(context, decision, headers);
  finishResponseHeaders(headers, config.settings, record);
  record.status = response.status;
  record.details = 'via_upstream';
  record.grpcStatus = headers.get('grpc-status');
  record.responseHeaderBytes = headers.byteLength;
  record.responseHeaders = headers;
  const isBodyless =
    response.isBodyless || context.request.method === 'HEAD' || response.status === 204 || response.status === 304;
  const body = isBodyless ? undefined : new ResponseBody(context, response);
  const onClosed = (complete: boolean) => {
    body?.forget();
    record.requestBodyBytes = context.body().bytes;
    if (!complete && record.flags.size === 0) {
      record.flags.add('DC');
      record.details = 'downstream_remote_disconnect';
      cancel(new WaypointError('ERR_WAYPOINT_CLIENT_GONE', 'client left during the response'));
    }
    context.finish();
  };
  exchange.onClosed = onClosed;
  exchange.respond(response.status, headers, { endStream: isBodyless, closeConnection: false });
  if (body === undefined) response.body.discard();
  else body.start();
};

/** The body on its way to the client, with back-pressure (decisions 6). */
class ResponseBody implements BodyReceiver {
  readonly #context: RequestContext;
  readonly #response: UpstreamResponse;

  constructor(context: RequestContext, response: UpstreamResponse) {
    this.#context = context;
    this.#response = response;
  }

  start(): void {
    const { body } = this.#response;
    body.receiver = this;
    const onDrain = () => body.resume();
    this.#context.exchange.sink.onDrain = onDrain;
    body.resume();
  }

  forget(): void {
    this.#response.body.receiver = undefined;
    this.#context.exchange.sink.onDrain = undefined;
  }

  onData(chunk: Uint8Array): void {
    const { record, exchange } = this.#context;
    record.responseBodyBytes += chunk.byteLength;
    record.grpc?.response.push(chunk);
    this.#context.touch();
    if (!exchange.sink.write(chunk)) this.#response.body.pause();
  }

  onEnd(): void {
    this.forget();
    const { record, exchange } = this.#context;
    const trailers = this.#response.trailers();
    if (trailers.length > 0) record.grpcStatus = HeaderList.fromRaw(trailers).get('grpc-status') ?? record.grpcStatus;
    exchange.end(trailers);
  }

  onBroken(error: Error | undefined): void {
    this.forget();
    broken(this.#context, error);
  }
}

/** The backend ended inside its response. */
const broken = (context: RequestContext, error: Error | undefined): void => {
  const { exchange, record } = context;
  record.flags.add('UPE');
  record.details = 'upstream_reset_after_response_started{protocol_error}';
  exchange.abort(new WaypointError('ERR_WAYPOINT_UPSTREAM', 'upstream ended inside a response', { cause: error }));
};

const editResponse = (context: RequestContext, { target, route }: ForwardDecision, headers: HeaderList): void => {
  const values = operatorValues(context);
  target.responseHeaders(headers, values);
  route.responseHeaders(headers, values);
  for (const edit of context.onRouteResponse) edit(headers);
  if (context.config.settings.attemptCountInResponse)
    headers.append('x-envoy-attempt-count', String(context.record.attempts));
  for (const edit of context.onResponse) edit(headers);
};

/** 101: raw bytes both ways, ended together (spec/waypoint.md 5.10). */
const relayUpgrade = (
  context: RequestContext,
  decision: ForwardDecision,
  { headers }: UpstreamResponse,
  upstream: Upgraded,
  release: () => void,
): void => {
  const { exchange, record, config } = context;
  editResponse(context, decision, headers);
  finishResponseHeaders(headers, config.settings, record);
  record.status = 101;
  record.details = 'via_upstream';
  exchange.onClosed = undefined;
  const client = exchange.upgrade(headers);
  context.stopTimers();
  if (client.early.length > 0) upstream.endpoint.write([Region.of(client.early)]);
  if (upstream.early.length > 0) client.endpoint.write([Region.of(upstream.early)]);
  const onProgress = (up: number, down: number): void => {
    record.requestBodyBytes = client.early.length + up;
    record.responseBodyBytes = upstream.early.length + down;
  };
  onProgress(0, 0);
  void relay(client.endpoint, upstream.endpoint, { onProgress }).then(({ failedSide }) => {
    if (failedSide === 'a') {
      record.flags.add('DC');
      record.details = 'downstream_remote_disconnect';
    } else {
      record.flags.add('UC');
      record.details = 'upstream_reset_after_response_started{connection_termination}';
    }
    release();
    context.finish();
  });
};
