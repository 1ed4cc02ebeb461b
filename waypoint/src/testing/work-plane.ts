/**
 * A data plane with everything on that looks at requests: routes of every kind of match, tokens, policies with paths and headers, rate
 * limits, access log and metrics; it answers by itself. Made by count-work.ts.
 */
import { create } from '@bufbuild/protobuf';
import { hostDomain } from '@ambit/net';
import {
  FrontendSchema,
  HttpRouteSchema,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
} from '@ambit/proto/waypoint';
import { silentLogger } from '@ambit/runtime/log';
import { createDataPlane, type DataPlane } from '../threads/data-plane.ts';
import { createSharedMemory } from '../threads/shared-memory.ts';
import type { ConfigDiff } from '../updates/config-store.ts';

const regex = (value: string) => ({ m: { case: 'regex' as const, value } });
const prefix = (value: string) => ({ m: { case: 'prefix' as const, value } });
const exact = (value: string) => ({ m: { case: 'exact' as const, value } });

const routes = [
  { matches: [{ path: regex('/(a|b)*/(c|d)*/[0-9]+') }] },
  { matches: [{ path: prefix('/by-header'), headers: [{ name: 'x-kind', value: regex('(x+)+y') }] }] },
  { matches: [{ query: [{ name: 'wanted', value: exact('yes') }] }] },
  ...Array.from({ length: 20 }, (_one, index) => ({
    matches: [{ path: prefix(`/service-${index}/`), segmentPrefix: true }],
  })),
  { matches: [] },
].map((init) =>
  create(HttpRouteSchema, {
    ...init,
    action: { case: 'direct', value: { status: 200, body: Buffer.from('ok') } },
  } as never),
);

const policies = {
  jwt: {
    body: {
      case: 'jwt' as const,
      value: {
        rules: [
          {
            issuer: 'me',
            jwksSecret: 'none',
            fromHeaders: [{ name: 'x-token' }],
            fromCookies: ['token'],
            fromParams: ['token'],
          },
        ],
      },
    },
  },
  authz: {
    body: {
      case: 'authz' as const,
      value: {
        action: 1,
        rules: [
          { to: [{ paths: [exact('/never'), { m: { case: 'template' as const, value: '/a/{*}/b/{**}' } }] }] },
          { when: [{ key: 'request.headers[x-role]', values: [exact('nobody')] }] },
        ],
      },
    },
  },
  limit: {
    body: {
      case: 'localRateLimit' as const,
      value: {
        maxTokens: 1_000_000,
        perFill: 1_000_000,
        interval: { seconds: 1n },
        descriptors: [
          {
            keys: [{ key: 'u', source: { case: 'requestHeader' as const, value: 'x-user' } }],
            maxTokens: 1_000_000,
            interval: { seconds: 1n },
          },
        ],
      },
    },
  },
};

/** Starts it; it opens no port. */
export const startWorkPlane = (): DataPlane => {
  const plane = createDataPlane({
    settings: {
      domain: hostDomain,
      hbonePort: 0,
      upstreamHbonePort: 0,
      ownIp: '127.0.0.1',
      logLevel: 'off',
      logFormat: 'plain',
      accessLog: 'TEXT',
      idleMs: undefined,
      sessionKey: new Uint8Array(32),
      reusePort: false,
      shared: createSharedMemory(),
      byteEngine: 'http2',
    },
    log: silentLogger as never,
    post: () => undefined,
    accessLine: () => undefined,
  });
  const rows = <T>(entries: readonly (readonly [string, T])[]) => ({ upsert: entries, remove: [] });
  const diff = {
    kinds: {
      proxy: rows([['self', create(ProxyConfigSchema, { trustDomain: 'cluster.local' })]]),
      frontend: rows([
        [
          'work',
          create(FrontendSchema, {
            hostname: 'work.test',
            namespace: 'test',
            ports: [{ port: 80, protocol: 1, routeTable: 'work' }],
            policies: Object.keys(policies).map((policy) => ({ policy })),
          }),
        ],
      ]),
      routeTable: rows([['work', create(RouteTableSchema, { routes })]]),
      policy: rows(Object.entries(policies).map(([name, init]) => [name, create(PolicySchema, init as never)])),
    },
  };
  plane.receive({ kind: 'config', diff: diff as unknown as ConfigDiff });
  return plane;
};
