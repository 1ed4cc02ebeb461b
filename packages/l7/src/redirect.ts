/**
 * Redirect actions (spec/waypoint.md 3.5, 3.7): builds the `location` of the reply. Pure; data thread.
 */
import type { Redirect } from '@ambit/proto/waypoint';
import { type LocalReply, localReply } from './local-reply.ts';
import type { RequestView } from './request-view.ts';
import { replaceSegmentPrefix, replaceTextPrefix } from './rewrite.ts';

/** What the route knows about the match that led to the redirect. */
export interface RedirectContext {
  /** Prefix pattern that matched, for prefix replacements. */
  readonly matchedPrefix: string | undefined;
  /** Gateway API rules for port, prefix and default status instead of VirtualService ones. */
  readonly gatewaySemantics: boolean;
}

/** Reply of a redirect. */
export const redirectReply = (redirect: Redirect, request: RequestView, context: RedirectContext): LocalReply => {
  const scheme = redirect.scheme === '' ? request.scheme : redirect.scheme;
  const host = hostOf(redirect, request, scheme, context.gatewaySemantics);
  const query = redirect.stripQuery || request.query === undefined ? '' : `?${request.query}`;
  const location = `${scheme}://${host}${pathOf(redirect, request, context)}${query}`;
  const status = redirect.status !== 0 ? redirect.status : context.gatewaySemantics ? 302 : 301;
  return localReply(status, '', 'direct_response', { headers: [['location', location]] });
};

const hostOf = (redirect: Redirect, request: RequestView, scheme: string, gateway: boolean): string => {
  const port = portOf(redirect, request, scheme, gateway);
  if (port === undefined) return redirect.host === '' ? request.authority : redirect.host;
  const host = redirect.host === '' ? withoutPort(request.authority) : redirect.host;
  return port === defaultPort(scheme) ? host : `${host}:${port}`;
};

/** Explicit port; the frontend's where asked; Gateway API: the scheme's where a scheme is given, else the frontend's. */
const portOf = (redirect: Redirect, request: RequestView, scheme: string, gateway: boolean): number | undefined => {
  if (redirect.port !== 0) return redirect.port;
  if (redirect.portFromRequest) return request.port;
  if (!gateway) return undefined;
  return redirect.scheme === '' ? request.port : defaultPort(scheme);
};

const defaultPort = (scheme: string): number => (scheme === 'https' ? 443 : 80);

const withoutPort = (authority: string): string => {
  const bracket = authority.lastIndexOf(']');
  const colon = authority.lastIndexOf(':');
  return colon > bracket ? authority.slice(0, colon) : authority;
};

const pathOf = (redirect: Redirect, request: RequestView, context: RedirectContext): string => {
  const form = redirect.path;
  switch (form.case) {
    case 'full':
      return form.value;
    case 'prefix':
      return context.gatewaySemantics
        ? replaceSegmentPrefix(request.path, context.matchedPrefix ?? '', form.value)
        : replaceTextPrefix(request.path, context.matchedPrefix, form.value);
    case undefined:
      return request.path;
    default:
      return form satisfies never;
  }
};
