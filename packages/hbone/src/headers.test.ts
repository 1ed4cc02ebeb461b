// Everything a peer's CONNECT can say, parsed: authority, baggage, forwarded, traceparent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAuthority, parseAuthority } from './authority.ts';
import { formatBaggage, parseBaggage } from './baggage.ts';
import { HboneError } from './errors.ts';
import { forwardedHost, formatForwarded } from './forwarded.ts';
import { createResetLimiter } from './reset-limiter.ts';
import { newTraceparent, traceIdOf } from './traceparent.ts';

test('authorities: addresses and names', () => {
  assert.deepEqual(parseAuthority('10.0.0.1:80'), { kind: 'address', ip: '10.0.0.1', port: 80 });
  assert.deepEqual(parseAuthority('[fd00::1]:8080'), { kind: 'address', ip: 'fd00::1', port: 8080 });
  assert.deepEqual(parseAuthority('Web.a.svc:80'), { kind: 'hostname', host: 'web.a.svc', port: 80 });
});

test('authorities: everything else is refused', () => {
  const bad = ['', ':80', 'a', 'a:', 'a:65536', 'a:-1', 'a:8 0', '::1:80', '[::1]', '[::1%eth0]:1', '[a]:1', 'u@h:1'];
  for (const text of bad) assert.throws(() => parseAuthority(text), { code: 'ERR_HBONE_AUTHORITY' }, text);
});

test('authorities: what is formatted parses back, and any text parses or has a code', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(
    fc.property(host, fc.integer({ min: 0, max: 65_535 }), (name, port) => {
      assert.equal(parseAuthority(formatAuthority(name, port)).port, port);
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('[', ']', ':', '.', '1', 'a', '%') })),
      (text) => {
        try {
          parseAuthority(text);
        } catch (error) {
          assert.ok(HboneError.is(error));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('baggage has the order of upstream and leaves empty values out', () => {
  const baggage = {
    clusterName: 'Kubernetes',
    namespace: 'shop',
    workloadType: 'deployment',
    workloadName: 'web',
    serviceName: 'web',
    serviceVersion: '',
    zone: 'z1',
  } as const;
  const text =
    'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web,cloud.availability_zone=z1';
  assert.equal(formatBaggage(baggage), text);
  const { serviceVersion: _, ...rest } = baggage;
  assert.deepEqual(parseBaggage(text), rest);
  assert.equal(formatBaggage({}), '');
});

test('baggage cannot be broken by values, and parsing any text never throws', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (namespace, serviceName) => {
      const parsed = parseBaggage(formatBaggage({ namespace, serviceName, region: 'r' }));
      assert.equal(parsed.region, 'r');
      parseBaggage(namespace);
    }),
    { numRuns: 1000 },
  );
});

test('forwarded: format, and the first host whatever surrounds it', () => {
  assert.equal(formatForwarded({ ip: '1.2.3.4', port: 5 }, 'web.a.svc'), 'for="1.2.3.4:5";host=web.a.svc');
  assert.equal(formatForwarded({ ip: '::1', port: 5 }), 'for="[::1]:5"');
  assert.equal(forwardedHost('for="1.2.3.4:5"; host="web.a.svc" ;host=b'), 'web.a.svc');
  for (const header of [undefined, '', 'for=x', 'host=', 'host=\u00e9']) assert.equal(forwardedHost(header), undefined);
  fc.assert(fc.property(fc.string(), (text) => void forwardedHost(text)));
});

test('traceparent: ours parses, anything else gives no id', () => {
  const header = newTraceparent();
  assert.equal(traceIdOf(header), header.slice(3, 35));
  assert.equal(traceIdOf(`${header}0`), undefined);
  fc.assert(fc.property(fc.string(), (text) => void traceIdOf(text)));
});

test('the reset limiter allows a burst, then its pace', () => {
  const limiter = createResetLimiter(3, 2);
  assert.deepEqual([limiter.take(0), limiter.take(0), limiter.take(0), limiter.take(0)], [true, true, true, false]);
  assert.equal(limiter.take(500), true);
  assert.equal(limiter.take(500), false);
});
