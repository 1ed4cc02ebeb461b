/**
 * What a request looks like on its way to a backend, and its response, the same for both HTTP versions.
 * Made by upstream/; implemented by h1/client.ts and h2/client.ts; data thread.
 */
import type { HeaderList } from '@ambit/l7';
import type { Endpoint } from '@ambit/net';
import type { BodySource } from './body.ts';
import type { Upgraded } from './exchange.ts';
import type { RequestBody } from './request-body.ts';

/** How an HTTP/2 connection is asked whether it lives (DestinationRule `http2KeepAlive`). */
export interface PingRule {
  readonly pingIntervalMs: number;
  /** Silence after which the connection is given up. */
  readonly pingTimeoutMs: number;
}

/** What a backend says about its connections (DestinationRule `connectionPool`, spec/waypoint.md 5.2, 5.3). */
export interface ConnectionRules {
  /** Requests that one connection carries; Infinity = any number. */
  readonly maxRequests: number;
  /** Streams of one HTTP/2 connection at a time; Infinity = what the peer allows. */
  readonly maxStreams: number;
  /** How long a connection may be free; undefined = the client's own time. */
  readonly idleMs: number | undefined;
  /** Older connections take no further request; Infinity = none is too old. */
  readonly maxAgeMs: number;
  /** PINGs of an HTTP/2 connection; undefined = none. */
  readonly ping: PingRule | undefined;
  /** A place for one more connection; undefined when there are as many as may be. */
  connection(): Disposable | undefined;
  /** A place to wait for a connection; undefined when there is none. */
  pending(): Disposable | undefined;
}

/** One request as a backend gets it. */
export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly scheme: string;
  /** Ready to send: hop-by-hop fields are gone, `host` is left out. */
  readonly headers: HeaderList;
  readonly body: RequestBody;
  readonly hasBody: boolean;
  readonly trailers: () => readonly string[];
  readonly isWebsocket: boolean;
  /** Several `cookie` fields (HTTP/2) become one line in HTTP/1.1. */
  readonly foldsCookies: boolean;
  /** Undefined when the backend has no rules. */
  readonly rules: ConnectionRules | undefined;
}

/** A response whose body is still to come. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: BodySource;
  /** True when nothing follows the head. */
  readonly isBodyless: boolean;
  trailers(): readonly string[];
  /** The raw connection after 101. */
  readonly upgraded: Upgraded | undefined;
}

/** A try in flight. */
export interface UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  /** Gives up; the response promise rejects with the reason. */
  cancel(reason: Error): void;
  /** A connection that became a websocket has ended by itself: its places are free again. */
  release(): void;
  /** True when at least one byte of the request may have reached the backend. */
  readonly requestSent: boolean;
  /** Called once when the try needs its connection no longer, whatever became of it. */
  onDone: (() => void) | undefined;
}

/** Opens a connection to the endpoint that a key stands for; rejects with UpstreamError. */
export type OpenConnection = () => Promise<Endpoint>;

/** Receives 1xx responses. */
export type InterimListener = (status: number, headers: HeaderList) => void;

/** One HTTP version towards backends. */
export interface UpstreamClient {
  /** `key` is equal for endpoints that may share connections. */
  send(key: string, open: OpenConnection, request: UpstreamRequest, onInterim: InterimListener): UpstreamCall;
  /**
   * The endpoints of these keys are gone: free connections close, requests in work may end within the limit (ms), what is left
   * then ends with the reason.
   */
  retire(isGone: (key: string) => boolean, limitMs: number, reason: Error): void;
  close(): void;
}
