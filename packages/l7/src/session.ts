/**
 * Session persistence (spec/waypoint.md 3.10; GEP-1619): a token that names the endpoint of the first answer, in a cookie or
 * a header. Pure: the waypoint's router asks for the token of a request, and for the fields of its response. Data thread.
 *
 * A token is opaque but no secret: who forges one gets an endpoint of the same backends that any request might get.
 */
import type { SessionPersistence } from '@ambit/proto/waypoint';
import { SessionPersistence_Type } from '@ambit/proto/waypoint';
import { positiveMs } from './duration.ts';
import { hexOf, xxHash64 } from './hash/xxhash64.ts';
import type { HeaderList } from './header-list.ts';
import type { RequestView } from './request-view.ts';

/** What a valid token says. */
export interface Session {
  /** Mark of the backend and of the endpoint in it, see {@link endpointMark}. */
  readonly backend: string;
  readonly endpoint: string;
  /** Begin of the session, in seconds of the epoch. */
  readonly issuedSeconds: number;
}

/** Longest token that is read. */
const maxTokenLength = 128;
const separator = '.';

/** Mark of a name in tokens: the same for equal names, telling nothing about them. */
export const endpointMark = (name: string): string => hexOf(xxHash64(name));

/** The session of a request; undefined when it has none, or an old one. */
export const sessionOf = (
  policy: SessionPersistence,
  request: RequestView,
  nowSeconds: number,
): Session | undefined => {
  const token =
    policy.type === SessionPersistence_Type.HEADER
      ? request.headers.get(policy.name.toLowerCase())
      : cookieOf(request, policy.name);
  if (token === undefined || token.length > maxTokenLength) return undefined;
  const [backend, endpoint, issued, used, ...rest] = token.split(separator);
  const issuedSeconds = secondsOf(issued);
  const usedSeconds = secondsOf(used);
  if (backend === undefined || endpoint === undefined || rest.length > 0) return undefined;
  if (issuedSeconds === undefined || usedSeconds === undefined) return undefined;
  const absoluteMs = positiveMs(policy.absolute);
  const idleMs = positiveMs(policy.idle);
  const isOld =
    (absoluteMs !== undefined && (nowSeconds - issuedSeconds) * 1000 >= absoluteMs) ||
    (idleMs !== undefined && (nowSeconds - usedSeconds) * 1000 >= idleMs);
  return isOld ? undefined : { backend, endpoint, issuedSeconds };
};

/** Base 36 keeps tokens short. */
const secondsOf = (text: string | undefined): number | undefined => {
  if (text === undefined || text === '' || text.length > 10) return undefined;
  const seconds = Number.parseInt(text, 36);
  return Number.isNaN(seconds) || seconds.toString(36) !== text ? undefined : seconds;
};

/** Tells the client where its session is, unless it knows; with an idle limit every response says it again. */
export const issueSession = (
  policy: SessionPersistence,
  known: Session | undefined,
  current: { readonly backend: string; readonly endpoint: string },
  nowSeconds: number,
  headers: HeaderList,
): void => {
  const isSame = known?.endpoint === current.endpoint && known.backend === current.backend;
  if (isSame && positiveMs(policy.idle) === undefined) return;
  const issued = isSame ? known.issuedSeconds : Math.floor(nowSeconds);
  const parts = [current.backend, current.endpoint, issued.toString(36), Math.floor(nowSeconds).toString(36)];
  const token = parts.join(separator);
  if (policy.type === SessionPersistence_Type.HEADER) {
    headers.set(policy.name.toLowerCase(), token);
    return;
  }
  const absoluteMs = positiveMs(policy.absolute);
  const attributes = [`${policy.name}=${token}`, `Path=${policy.path === '' ? '/' : policy.path}`];
  if (policy.permanentCookie && absoluteMs !== undefined) {
    attributes.push(`Max-Age=${Math.max(0, Math.round(absoluteMs / 1000 - (nowSeconds - issued)))}`);
  }
  headers.append('set-cookie', [...attributes, 'HttpOnly'].join('; '));
};

const cookieOf = ({ headers }: RequestView, name: string): string | undefined => {
  for (const line of headers.getAll('cookie')) {
    for (const pair of line.split(';')) {
      const text = pair.trim();
      if (text.startsWith(`${name}=`)) return text.slice(name.length + 1);
    }
  }
  return undefined;
};
