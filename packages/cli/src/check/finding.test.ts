import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Finding, junitOf, renderFindings } from './finding.ts';

const findings: readonly Finding[] = [
  { category: 'a', state: 'ok', text: 'fine' },
  { category: 'b', state: 'warning', text: 'odd <thing>', hint: 'look & see' },
  { category: 'b', state: 'failed', text: 'broken', hint: 'mend it' },
];

test('findings stand under their category, with what to do and where to read on', () => {
  assert.equal(
    renderFindings(findings),
    [
      'a',
      '  ok  fine',
      'b',
      '  !!  odd <thing>',
      '      try: look & see',
      '      help: ambit help check/b',
      '  xx  broken',
      '      try: mend it',
      '      help: ambit help check/b',
      'Status: 1 ok, 1 warning, 1 failed',
    ].join('\n'),
  );
});

test('JUnit counts failures, keeps warnings as output, and escapes texts', () => {
  const text = junitOf(findings);
  assert.match(text, /tests="3" failures="1"/);
  assert.match(text, /name="odd &lt;thing&gt;"><system-out>look &amp; see/);
  assert.match(text, /<failure message="broken">mend it/);
});
