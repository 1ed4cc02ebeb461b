import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildRootScript, quote } from './root-script.ts';

test('a quoted word is one word with the same text for the shell', () => {
  const word = fc.string({ maxLength: 40 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
      const out = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${words.map(quote).join(' ')}`]);
      assert.deepEqual(out.toString().split('\0').slice(0, -1), words);
    }),
    { numRuns: 30 },
  );
});

const plan = {
  root: '/state/root',
  etcDir: '/state/etc',
  pidFile: '/state/pid',
  cgroups: [],
  hostname: 'web',
  ambitHome: '/src/ambit',
  nodeBinary: '/src/node',
  hidden: ['.state'],
  mounts: [
    { source: '/v/inner', target: '/data/inner', readOnly: true },
    { source: '/v/data', target: '/data', readOnly: false },
  ],
  sharedPid: false,
  user: 100_007,
  group: 100_007,
  capabilities: [],
  workingDir: '/',
  env: { A: "it's" },
  argv: ['run', 'me'],
};
const layout = { systemFolders: [{ path: '/bin', link: 'usr/bin' }], etc: [] };

test('the script gives up every privilege last and mounts outer folders before inner ones', () => {
  const script = buildRootScript(plan, layout);
  assert.match(
    script,
    /exec 'setpriv' .*'--reuid' '100007' .*'--bounding-set' '-all' .*'--no-new-privs' '--' \/usr\/bin\/env -i 'A=it'\\''s' 'run' 'me'\n$/,
  );
  assert.ok(script.indexOf("'/v/data'") < script.indexOf("'/v/inner'"));
  assert.match(script, /tmpfs 'opt\/ambit\/\.state'/);
  assert.ok(!script.includes('/root ') && !script.includes('/home '));
});

test('granted capabilities are the only ones left', () => {
  const script = buildRootScript({ ...plan, user: 0, group: 0, capabilities: ['net_admin'] }, layout);
  assert.match(script, /'--bounding-set' '-all,\+net_admin'/);
});
