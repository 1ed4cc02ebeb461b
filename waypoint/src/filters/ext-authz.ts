/** Steps 2 and 6b: services that are asked about a request (spec/waypoint.md 3.1, 4.4). Data thread. */
import {
  type ExtAuthzCheck,
  extAuthzBodyTooLarge,
  extAuthzErrorReply,
  type ExtAuthzQuestion,
  type LocalReply,
} from '@ambit/l7';
import type { Filter, RequestContext } from './request-context.ts';

/** Asks the services of the frontend's policies, before tokens are looked at. */
export const askForFrontend: Filter = (context) => askAll(context, context.frontend.extAuthz());

/** Asks the services of the chosen rule. */
export const askForRule: Filter = (context) => {
  const { route, frontend, config } = context;
  if (route === undefined || route.source.policies.length === 0) return undefined;
  return askAll(context, config.rulePolicies(route.source, frontend.port).extAuthz);
};

const askAll = (context: RequestContext, all: readonly ExtAuthzCheck[]): ReturnType<Filter> => {
  const checks = all.length === 0 ? all : all.filter((check) => check.applies(context.request));
  return checks.length === 0 ? undefined : askInTurn(context, checks);
};

const askInTurn = async (
  context: RequestContext,
  checks: readonly ExtAuthzCheck[],
): Promise<LocalReply | undefined> => {
  for (const check of checks) {
    const reply = await ask(context, check);
    if (reply !== undefined) return reply;
  }
  return undefined;
};

const ask = async (context: RequestContext, check: ExtAuthzCheck): Promise<LocalReply | undefined> => {
  const { config } = check;
  const { bytes, isPartial } =
    config.bodyMax > 0 && context.exchange.hasBody
      ? await context.body().peek(config.bodyMax)
      : { bytes: new Uint8Array(), isPartial: false };
  if (isPartial && !config.partial) return extAuthzBodyTooLarge;
  const verdict = await context.askService(check, questionOf(context, bytes, isPartial));
  context.record.explanation[`asked_${check.id}`] = verdict.kind;
  if (verdict.kind === 'deny') return verdict.reply;
  if (verdict.kind === 'error') return config.failOpen ? undefined : extAuthzErrorReply(config);
  verdict.editRequest(context.request.headers);
  context.request = { ...context.request, query: verdict.editQuery(context.request.query) };
  context.onResponse.push(verdict.editResponse);
  if (config.clearRoute) context.chooseAgain('always');
  return undefined;
};

const questionOf = (context: RequestContext, body: Uint8Array, isPartial: boolean): ExtAuthzQuestion => {
  const { request, record, tunnel, exchange, localPrincipal } = context;
  const port = Number(tunnel.clientAddress.slice(tunnel.clientAddress.lastIndexOf(':') + 1));
  return {
    request,
    body,
    isPartial,
    protocol: exchange.protocol,
    requestId: record.requestId ?? '',
    source: { ip: tunnel.sourceIp, port: Number.isInteger(port) ? port : 0 },
    localPrincipal,
    startedAtMs: record.startedAtMs,
  };
};
