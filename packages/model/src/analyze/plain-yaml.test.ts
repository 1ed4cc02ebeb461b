import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments, stringify } from 'yaml';
import { plainValue } from './plain-yaml.ts';
import { yamlValue } from './yaml-problem.ts';

/** What the reader of every form says; undefined where it finds an error. */
function fullValue(text: string): unknown {
  const [document] = parseAllDocuments(text, { merge: true, uniqueKeys: false });
  if (document === undefined || !('contents' in document) || document.errors.length > 0) return undefined;
  return yamlValue(document);
}

const agree = (text: string): void => {
  const plain = plainValue(text);
  if (plain !== undefined) assert.deepEqual(plain, fullValue(text), text);
};

test('an object as people write it is of the plain form', () => {
  const text = [
    '# who may call',
    'apiVersion: security.istio.io/v1',
    'kind: AuthorizationPolicy',
    'metadata:',
    '  name: "quoted"',
    '  labels:',
    '    app.kubernetes.io/name: web',
    'spec:',
    '  rules:',
    '  - from:',
    '    - source:',
    '        principals:',
    '        - cluster.local/ns/shop/sa/web',
    '        ipBlocks: ',
    '        - 10.0.0.0/8',
    '    to:',
    '    - operation:',
    '        ports:',
    "        - '8080'",
    '  enabled: true',
    '  port: 8080',
  ]
    .join('\n')
    .replace('ipBlocks: ', 'ipBlocks:');
  const value = plainValue(text);
  assert.notEqual(value, undefined);
  assert.deepEqual(value, fullValue(text));
});

test('what readers of YAML take differently is left to the reader of every form', () => {
  const words =
    'yes No on y TRUE Null ~ 0x1f 0o17 017 1_000 1e3 .5 -1 +1 .inf 2026-01-01 12:30:00 [a] *a | > a: @a `a` %a';
  const values = [
    ...words.split(' '),
    '{a: b}',
    '&a b',
    '!!str 1',
    'a # b',
    'a: b',
    '"a\\n"',
    "'it''s'",
    '9'.repeat(20),
  ];
  for (const value of values) assert.equal(plainValue(`a: ${value}`), undefined, value);
  for (const text of ['a: b\n  c', '1: a', 'yes: a', '<<: a', '? a', '"a": b', 'a', 'a:\tb', '- ', 'a: b\na: c'])
    assert.equal(plainValue(text), undefined, text);
});

test('both readers agree on whatever objects are written as YAML', () => {
  const key = fc.oneof(fc.constantFrom('a', 'metadata', 'app.io/x', 'on', '12', 'x y', '__proto__x'), fc.string());
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.double({ noNaN: true })),
      fc.constantFrom('yes', '08', '1.2.3', '10.0.0.1/8', 'a-b', 'a: b', '0x10', '1e3', 'text of words', 'true'),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => agree(stringify(value).trim())),
    { numRuns: 500 },
  );
});

test('both readers agree on whatever lines stand below each other', () => {
  const line = fc
    .tuple(
      fc.nat(4),
      fc.constantFrom('', '- ', '- - ', '-'),
      fc.constantFrom('a:', 'b:', 'a.b/c:', 'a', ''),
      fc.constantFrom(
        '',
        ' ',
        ' b',
        ' 1',
        ' 1.2.3',
        ' "x"',
        " 'y'",
        ' true',
        ' no',
        ' b c',
        ' b: c',
        ' #d',
        ' /x',
        ' 0',
      ),
    )
    .map(([indent, dash, key, value]) => `${' '.repeat(indent)}${dash}${key}${value}`);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => agree(lines.join('\n').trim())),
    { numRuns: 3000 },
  );
});
