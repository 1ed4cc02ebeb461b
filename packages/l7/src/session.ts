/**
 * Session persistence (spec/waypoint.md 3.10; GEP-1619): a token that names the endpoint of the first answer, in a cookie or
 * a header. Pure: the waypoint's router asks for the token of a request, and for the fields of its response. Data thread.
 *
 * A token is signed, so that nobody makes one that was never given out, and it names nothing: who has none gets what the balancer
 * chooses. Whatever it says, it chooses among the endpoints that there are.
 */
import type { SessionPersistence } from '@ambit/proto/waypoint';
import { SessionPersistence_Type } from '@ambit/proto/waypoint';
import { positiveMs } from './duration.ts';
import type { HeaderList } from './header-list.ts';
import type { RequestView } from './request-view.ts';

/** Who signs tokens; implemented with a key that all replicas of a waypoint share. */
export interface SessionSigner {
  /** A signature without dots, the same for the same text. */
  sign(text: string): string;
}

/** What a valid token says. */
export interface Session {
  /** Marks of the backend and of the endpoint in it: short names without dots that the caller gives them. */
  readonly backend: string;
  readonly endpoint: string;
  /** Begin of the session, in seconds of the epoch. */
  readonly issuedSeconds: number;
}

/** Longest token that is read. */
const maxTokenLength = 128;
const separator = '.';

/** The session of a request; undefined when it has none, an old one, or one that we did not sign for this rule. */
export const sessionOf = (
  policy: SessionPersistence,
  signer: SessionSigner,
  request: RequestView,
  nowSeconds: number,
): Session | undefined => {
  const token =
    policy.type === SessionPersistence_Type.HEADER
      ? request.headers.get(policy.name.toLowerCase())
      : cookieOf(request, policy.name);
  if (token === undefined || token.length > maxTokenLength) return undefined;
  const dot = token.lastIndexOf(separator);
  const said = token.slice(0, Math.max(0, dot));
  if (!isSame(token.slice(dot + 1), signer.sign(signedText(policy, said)))) return undefined;
  const [backend, endpoint, issued, used, ...rest] = said.split(separator);
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

/** A token holds for the name that it was given out under: two rules do not take each other's. */
const signedText = ({ type, name }: SessionPersistence, said: string): string => `${type}\n${name}\n${said}`;

/** Takes as long for a wrong text as for the right one. */
const isSame = (given: string, wanted: string): boolean => {
  if (given.length !== wanted.length) return false;
  let difference = 0;
  for (let at = 0; at < wanted.length; at++) difference |= given.charCodeAt(at) ^ wanted.charCodeAt(at);
  return difference === 0;
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
  signer: SessionSigner,
  known: Session | undefined,
  current: { readonly backend: string; readonly endpoint: string },
  nowSeconds: number,
  headers: HeaderList,
): void => {
  const isKept = known?.endpoint === current.endpoint && known.backend === current.backend;
  if (isKept && positiveMs(policy.idle) === undefined) return;
  const issued = isKept ? known.issuedSeconds : Math.floor(nowSeconds);
  const parts = [current.backend, current.endpoint, issued.toString(36), Math.floor(nowSeconds).toString(36)];
  const said = parts.join(separator);
  const token = `${said}${separator}${signer.sign(signedText(policy, said))}`;
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
