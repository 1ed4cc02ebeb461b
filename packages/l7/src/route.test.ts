import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type HttpMatchSchema, RouteTableSchema } from '@ambit/proto/waypoint';
import fc from 'fast-check';
import { L7Error } from './errors.ts';
import { HeaderList } from './header-list.ts';
import { noPeer, peerFactsOf, type RequestView } from './request-view.ts';
import { chooseByWeight, compileRouteTable } from './route.ts';

const request = (overrides: Partial<RequestView> & { raw?: string[] } = {}): RequestView => ({
  peer: noPeer,
  sourceIp: '10.0.0.1',
  remoteIp: '10.0.0.1',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'reviews',
  path: '/',
  query: undefined,
  headers: HeaderList.fromRaw(overrides.raw ?? []),
  ...overrides,
});

type Match = MessageInitShape<typeof HttpMatchSchema>;
const exact = (value: string) => ({ m: { case: 'exact' as const, value } });
const prefix = (value: string) => ({ m: { case: 'prefix' as const, value } });
const regex = (value: string) => ({ m: { case: 'regex' as const, value } });

const matches = (match: Match, candidate: RequestView): boolean => {
  const table = create(RouteTableSchema, {
    routes: [
      { name: 'r', matches: [match], action: { case: 'forward', value: { targets: [{ backend: 'b', weight: 1 }] } } },
    ],
  });
  return compileRouteTable(table).select(candidate, () => 0).route !== undefined;
};

describe('a route match', () => {
  const cases: [string, Match, Partial<RequestView> & { raw?: string[] }, boolean][] = [
    ['exact path', { path: exact('/a') }, { path: '/a' }, true],
    ['exact path does not take a trailing slash', { path: exact('/a') }, { path: '/a/' }, false],
    ['segment prefix takes itself', { path: prefix('/foo'), segmentPrefix: true }, { path: '/foo' }, true],
    [
      'segment prefix ignores its trailing slash',
      { path: prefix('/foo/'), segmentPrefix: true },
      { path: '/foo' },
      true,
    ],
    ['segment prefix takes children', { path: prefix('/foo'), segmentPrefix: true }, { path: '/foo/x' }, true],
    [
      'segment prefix refuses longer segments',
      { path: prefix('/foo'), segmentPrefix: true },
      { path: '/foobar' },
      false,
    ],
    ['root prefix takes everything', { path: prefix('/'), segmentPrefix: true }, { path: '/x/y' }, true],
    ['text prefix takes longer segments', { path: prefix('/foo') }, { path: '/foobar' }, true],
    ['path case is folded where asked', { path: exact('/A'), ignoreCase: true }, { path: '/a' }, true],
    ['regex is a full match', { path: regex('/a.') }, { path: '/abc' }, false],
    ['regex matches', { path: regex('/a.*') }, { path: '/abc' }, true],
    ['method', { method: exact('POST') }, {}, false],
    ['authority', { authority: exact('reviews') }, {}, true],
    ['header', { headers: [{ name: 'X-A', value: exact('1') }] }, { raw: ['x-a', '1'] }, true],
    [
      'repeated headers are joined',
      { headers: [{ name: 'x-a', value: exact('1,2') }] },
      { raw: ['x-a', '1', 'X-A', '2'] },
      true,
    ],
    ['header presence', { headers: [{ name: 'x-a', present: true }] }, { raw: [] }, false],
    ['inverted header holds when absent', { headers: [{ name: 'x-a', value: exact('1'), invert: true }] }, {}, true],
    ['query', { query: [{ name: 'a', value: exact('1') }] }, { query: 'b=2&a=1' }, true],
    ['the first query value counts', { query: [{ name: 'a', value: exact('2') }] }, { query: 'a=1&a=2' }, false],
    ['query names are whole', { query: [{ name: 'a', present: true }] }, { query: 'aa=1' }, false],
    ['port', { port: 81 }, {}, false],
    ['source labels are unknown to a waypoint', { sourceLabels: { app: 'x' } }, {}, false],
    ['source namespace', { sourceNamespaces: ['ns1'] }, { peer: peerFactsOf('spiffe://td/ns/ns1/sa/a') }, true],
    ['source namespace of nobody', { sourceNamespaces: ['ns1'] }, {}, false],
  ];
  for (const [name, match, given, expected] of cases) {
    test(`${name}: ${expected ? 'holds' : 'does not hold'}`, () => {
      assert.equal(matches(match, request(given)), expected);
    });
  }
});

describe('a route table', () => {
  test('takes the first rule that fits, in the order of the control plane', () => {
    const rule = (name: string, match: Match) => ({
      name,
      matches: [match],
      action: { case: 'forward' as const, value: { targets: [{ backend: name, weight: 1 }] } },
    });
    const table = compileRouteTable(
      create(RouteTableSchema, {
        routes: [rule('exact', { path: exact('/a') }), rule('prefix', { path: prefix('/') })],
      }),
    );
    assert.equal(table.select(request({ path: '/a' }), () => 0).route?.name, 'exact');
    assert.equal(table.select(request({ path: '/b' }), () => 0).route?.name, 'prefix');
  });

  test('answers 404 when nothing fits', () => {
    const decision = compileRouteTable(create(RouteTableSchema)).select(request(), () => 0);
    assert.ok(decision.kind === 'reply');
    assert.equal(decision.reply.status, 404);
    assert.equal(decision.reply.flag, 'NR');
  });

  test('splits 90 to 10 and answers 500 for the share of an invalid backend', () => {
    const table = compileRouteTable(
      create(RouteTableSchema, {
        gatewaySemantics: true,
        routes: [
          {
            name: 'split',
            action: {
              case: 'forward',
              value: {
                targets: [
                  { backend: 'v1', weight: 90 },
                  { backend: 'gone', weight: 10, invalid: true },
                ],
              },
            },
          },
        ],
      }),
    );
    const seen = { v1: 0, refused: 0 };
    for (let step = 0; step < 100; step++) {
      const decision = table.select(request(), () => step / 100);
      if (decision.kind === 'forward') seen.v1++;
      else {
        assert.equal(decision.reply.status, 500);
        seen.refused++;
      }
    }
    assert.deepEqual(seen, { v1: 90, refused: 10 });
  });

  test('answers 500 when all weights are zero and sends everything to a single backend', () => {
    const split = (targets: { backend: string; weight: number }[]) =>
      compileRouteTable(
        create(RouteTableSchema, {
          gatewaySemantics: true,
          routes: [{ action: { case: 'forward', value: { targets } } }],
        }),
      ).select(request(), () => 0.5);
    const none = split([
      { backend: 'a', weight: 0 },
      { backend: 'b', weight: 0 },
    ]);
    assert.ok(none.kind === 'reply');
    assert.equal(none.reply.status, 500);
    assert.equal(split([{ backend: 'a', weight: 0 }]).kind, 'forward');
  });

  test('shows the rules of a consumer namespace only to its clients', () => {
    const rule = (name: string, namespace: string, sourceNamespaces: string[]) => ({
      name,
      origin: { namespace },
      matches: [{ sourceNamespaces }],
      action: { case: 'forward' as const, value: { targets: [{ backend: name, weight: 1 }] } },
    });
    const table = compileRouteTable(
      create(RouteTableSchema, {
        gatewaySemantics: true,
        meta: { namespace: 'producer' },
        routes: [rule('consumer', 'consumer', ['consumer']), rule('producer', 'producer', [])],
      }),
    );
    const from = (namespace: string) =>
      table.select(request({ peer: peerFactsOf(`spiffe://td/ns/${namespace}/sa/a`) }), () => 0).route?.name;
    assert.equal(from('consumer'), 'consumer');
    assert.equal(from('other'), 'producer');
  });

  test('refuses patterns that RE2 does not know', () => {
    const table = create(RouteTableSchema, { routes: [{ matches: [{ path: regex('(?=a)') }] }] });
    assert.throws(
      () => compileRouteTable(table),
      (error) => L7Error.is(error) && error.code === 'ERR_L7_REGEX',
    );
  });

  test('redirects with the words of the Gateway API and of VirtualService', () => {
    const redirect = (gatewaySemantics: boolean, value: object, given: Partial<RequestView>) => {
      const decision = compileRouteTable(
        create(RouteTableSchema, {
          gatewaySemantics,
          routes: [
            {
              matches: [{ path: prefix('/foo'), segmentPrefix: gatewaySemantics }],
              action: { case: 'redirect', value },
            },
          ],
        }),
      ).select(request(given), () => 0);
      assert.ok(decision.kind === 'reply');
      return [decision.reply.status, decision.reply.headers[0]?.[1]];
    };
    assert.deepEqual(redirect(true, { scheme: 'https' }, { path: '/foo', authority: 'a:8080', query: 'q' }), [
      302,
      'https://a/foo?q',
    ]);
    assert.deepEqual(redirect(true, {}, { path: '/foo', authority: 'a', port: 8080 }), [302, 'http://a:8080/foo']);
    assert.deepEqual(redirect(true, { path: { case: 'prefix', value: '/bar' } }, { path: '/foo/x' }), [
      302,
      'http://reviews/bar/x',
    ]);
    assert.deepEqual(redirect(false, { path: { case: 'prefix', value: '/' } }, { path: '/foo/baz' }), [
      301,
      'http://reviews//baz',
    ]);
    assert.deepEqual(redirect(false, { scheme: 'https' }, { path: '/foo', authority: 'a:8080' }), [
      301,
      'https://a:8080/foo',
    ]);
  });
});

test('a weighted choice never takes an entry of weight zero', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 100 }), { minLength: 1 }).filter((weights) => weights.some((weight) => weight > 0)),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (weights, random) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        return (
          chooseByWeight(
            weights.map((weight) => ({ weight })),
            total,
            random,
          ).weight > 0
        );
      },
    ),
  );
});
