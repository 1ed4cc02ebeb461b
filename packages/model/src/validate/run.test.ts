import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runValidate } from './run.ts';

const policy = (name: string, more: string): string =>
  `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${name}
  namespace: app
spec:
  action: DENY
${more}`;

test('words that YAML 1.1 takes for truth values are no texts, unless quoted', () => {
  const check = (word: string) => {
    const text = policy('a', `  rules:\n  - from:\n    - source:\n        namespaces: [${word}]\n`);
    return runValidate([{ name: 'a.yaml', text }]).exitCode;
  };
  assert.deepEqual(['"yes"', 'e1', 'yesterday', 'yes', 'Off', 'n'].map(check), [0, 0, 0, 1, 1, 1]);
});

test('a key given twice is told with its line', () => {
  const { errors, exitCode } = runValidate([{ name: 'a.yaml', text: policy('a', '  action: ALLOW\n') }]);
  assert.equal(exitCode, 1);
  assert.match(errors[0] ?? '', /line 8: key "action" already set in map/);
});

test('aliases that cannot be followed are an error, not an exception', () => {
  const problem = (text: string): string => runValidate([{ name: 'a.yaml', text }]).errors.join();
  const prefix = 'failed to decode file a.yaml:  error converting YAML to JSON: yaml: ';
  assert.equal(problem('a: *x\n'), `${prefix}unknown anchor 'x' referenced`);
  assert.equal(problem('a: &s\n  x: *s\n'), `${prefix}anchor 's' value contains itself`);
  assert.equal(problem('<<: x\n'), `${prefix}map merge requires map or sequence of maps as the value`);
  const bomb = ['a: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let at = 1; at < 12; at++)
    bomb.push(
      `k${at}: &a${at} [${Array(9)
        .fill(`*a${at - 1}`)
        .join(', ')}]`,
    );
  assert.equal(problem(`${bomb.join('\n')}\n`), `${prefix}document contains excessive aliasing`);
});

test('no text makes validation throw', () => {
  const line = fc.constantFrom(
    'a: 1',
    '<<: *x',
    'a: &x {b: 1}',
    '- x',
    '---',
    'kind: Service',
    'spec: [',
    '? : {',
    '\t',
  );
  const lines = fc.array(fc.oneof(line, fc.string()), { maxLength: 6 });
  fc.assert(
    fc.property(lines, (all) => {
      runValidate([{ name: 'a.yaml', text: all.join('\n') }]);
    }),
  );
});
