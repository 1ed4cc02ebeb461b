import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from './program.ts';
import type { Outcome } from './program.ts';
import { rewriteOptionals } from './optional-syntax.ts';
import { parseQuantity } from './quantity.ts';
import { escapeName, toCelInput } from './value.ts';

function evaluate(source: string, self: unknown = {}): Outcome {
  const program = compile(source);
  assert.ok(!('error' in program), 'error' in program ? program.error : '');
  return program.evaluate({ self: toCelInput(self) });
}

const holds = (source: string, self?: unknown): void => {
  const outcome = evaluate(source, self);
  assert.ok(
    'value' in outcome && outcome.value === true,
    `${source}: ${JSON.stringify(outcome, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`,
  );
};

test('the functions that Kubernetes adds give what its definitions expect', () => {
  const sources = [
    "quantity('1.5Gi').isGreaterThan(quantity('1500Mi'))",
    "quantity('100m').add(quantity('900m')) == quantity('1')",
    "quantity('2k').asInteger() == 2000 && quantity('-1').sign() == -1",
    "isQuantity('1e3') && !isQuantity('1x') && !isQuantity('')",
    "isURL('https://a.b:8080/c?x=1') && !isURL('a b')",
    "url('https://a.b:8080/c?x=1').getScheme() == 'https' && url('https://a.b:8080/c').getHost() == 'a.b:8080'",
    "url('https://[::1]:8080/c').getHostname() == '::1' && url('/p/q').getEscapedPath() == '/p/q'",
    "url('https://a/?x=1&x=2').getQuery()['x'] == ['1', '2']",
    "isIP('10.0.0.1') && isIP('fe80::1') && !isIP('10.0.0') && !isIP('::ffff:1.2.3.4')",
    "ip('127.0.0.1').isLoopback() && ip('10.0.0.1').family() == 4 && ip('::1').family() == 6",
    "cidr('10.0.0.0/8').containsIP('10.2.3.4') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16')",
    "cidr('10.1.0.0/16').prefixLength() == 16",
    "duration('1h30m') == duration('90m') && duration('500ms') < duration('1s')",
    '[1, 2, 3].isSorted() && [3, 1].sum() == 4 && [3, 1].min() == 1 && [3, 1].max() == 3',
    "['a', 'b'].indexOf('b') == 1 && ['a'].lastIndexOf('x') == -1",
    'sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1]) && !sets.intersects([1], [2])',
    "'abc123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a,b'.split(',').size() == 2",
    "!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A').value().size() == 1",
    "format.named('uuid').value().validate('x').hasValue() && !format.named('nope').hasValue() && matches('ab', '^a')",
    "'abc'.substring(1) == 'bc' && int('5') == 5 && 'x'.matches('^[a-z]$') && 'A'.lowerAscii() == 'a'",
  ];
  for (const source of sources) holds(source);
});

test('rules as the definitions of the Gateway API and Istio write them', () => {
  holds('self.all(a, self.exists_one(b, a.name == b.name))', [{ name: 'x' }, { name: 'y' }]);
  holds('(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) <= 1', { a: { c: 1 } });
  holds("self.filter(f, f.type == 'URLRewrite').size() <= 1", [{ type: 'URLRewrite' }, { type: 'x' }]);
  holds('!has(self.weight) || (self.weight >= 0 && self.weight < 10.5)', { weight: 10 });
  holds("has(self.tls) && self.tls.mode == 'Terminate' ? size(self.tls.refs) > 0 : true", {
    tls: { mode: 'Terminate', refs: [1] },
  });
  holds("self.protocol in ['HTTP', 'HTTPS']", { protocol: 'HTTP' });
  holds("self.__namespace__ == 'x' || true", {});
});

test('optional selection reaches what is there and gives up on what is not', () => {
  const self = { a: { b: { c: 1 }, list: [5, 6], 'k.x': 'v' } };
  holds('self.?z.y.x.orValue(7) == 7', self);
  holds('self.a.?b.c.orValue(0) == 1 && !self.a.?nope.hasValue()', self);
  holds('self.a.list[?1].orValue(0) == 6 && self.a.list[?9].orValue(0) == 0', self);
  holds("self.a[?'k.x'].orValue('') == 'v' && self.?z.or(optional.of(3)).value() == 3", self);
  holds(`'.?' + "[?" == '.?[?'`, self);
  assert.ok('error' in evaluate('self.?z.value()', self));
});

test('an error of an expression has a text, a broken expression does not compile', () => {
  assert.deepEqual(evaluate('self.a == 1', {}), { error: 'no such key: a' });
  assert.deepEqual(evaluate("quantity('1').isLessThan(url('/a'))"), {
    error: 'no such overload: expected quantity',
  });
  assert.ok('error' in compile('self.startsWith('));
  assert.ok('error' in compile('x'.repeat(70_000)));
});

test('values follow the schema', () => {
  const schema = { type: 'object', properties: { at: { type: 'string', format: 'date-time' }, n: { type: 'number' } } };
  const program = compile("self.at > timestamp('2020-01-01T00:00:00Z') && type(self.n) == double && !has(self.x)");
  assert.ok(!('error' in program));
  const self = toCelInput({ at: '2021-01-01T00:00:00Z', n: 3, x: null }, schema);
  assert.deepEqual(program.evaluate({ self }), { value: true });
  assert.equal(escapeName('a-b.c/d__e'), 'a__dash__b__dot__c__slash__d__underscores__e');
  assert.equal(escapeName('namespace'), '__namespace__');
});

test('no text breaks the rewriting, the compiler or the quantities', () => {
  const alphabet = fc.constantFrom(...'a.?[]()"\'\\r 1x{}:+-'.split(''));
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 40 }), (chars) => {
      const text = chars.join('');
      rewriteOptionals(text);
      const program = compile(text);
      if (!('error' in program)) program.evaluate({ self: 1n });
      parseQuantity(text);
    }),
  );
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), (value) => {
      assert.equal(parseQuantity(String(value)), value * 1_000_000_000n);
    }),
  );
});
