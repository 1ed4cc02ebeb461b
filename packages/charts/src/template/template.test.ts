import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Evaluator } from './evaluate.ts';
import { parseTemplate } from './parse.ts';

function run(text: string, data: unknown = {}): string {
  const { nodes, defined } = parseTemplate(text, 'x.yaml');
  return new Evaluator(defined, 'x.yaml').run(nodes, data);
}

test('actions print, trim markers take the white space around them', () => {
  assert.equal(run('a {{ .b }} c', { b: 1 }), 'a 1 c');
  assert.equal(run('a {{- .b -}} c', { b: 1 }), 'a1c');
  assert.equal(run('a{{/* {{ not this }} */}}b\n{{- /* nor this */ -}}\nc'), 'abc');
  assert.equal(run('{{ "a }} b" }}'), 'a }} b');
});

test('branches and loops follow what Go calls empty', () => {
  assert.equal(run('{{ if .a }}1{{ else if .b }}2{{ else }}3{{ end }}', { a: '', b: [] }), '3');
  assert.equal(run('{{ range $k, $v := .m }}{{ $k }}={{ $v }};{{ end }}', { m: { b: 2, a: 1 } }), 'a=1;b=2;');
  assert.equal(run('{{ range .l }}{{ . }},{{ else }}none{{ end }}', { l: [] }), 'none');
  assert.equal(run('{{ with .a }}{{ .b }}{{ end }}{{ with .c }}x{{ end }}', { a: { b: 'y' } }), 'y');
});

test('variables live in their block, and an assignment reaches outside', () => {
  assert.equal(run('{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ end }}{{ $x }}'), '2');
  assert.throws(() => run('{{ if true }}{{ $y := 3 }}{{ end }}{{ $y }}'), { code: 'ERR_CHARTS_TEMPLATE' });
});

test('named templates are included, with indentation', () => {
  assert.equal(run('{{ define "t" }}a: {{ . }}\nb: 2{{ end }}x:{{ include "t" 1 | nindent 2 }}'), 'x:\n  a: 1\n  b: 2');
  assert.throws(() => run('{{ define "t" }}{{ include "t" . }}{{ end }}{{ include "t" . }}'), {
    code: 'ERR_CHARTS_TEMPLATE',
  });
});

test('YAML is written as Go writes it: keys sorted, lists not indented, words of YAML 1.1 in quotes', () => {
  assert.equal(run('{{ toYaml . }}', { b: [{ x: 1 }], a: 'yes' }), 'a: "yes"\nb:\n- x: 1');
});

test('numbers print as Go prints them', () => {
  assert.equal(run('{{ .a }} {{ .b }} {{ int64 .b }}', { a: 15_012, b: 12_345_678 }), '15012 1.2345678e+07 12345678');
});

test('an error names file and line', () => {
  assert.throws(() => run('a\nb\n{{ .a.b.c }}', { a: {} }), /x\.yaml:3/);
  assert.throws(() => run('\n{{ nothing 1 }}'), /x\.yaml:2: function "nothing" does not exist/);
  for (const broken of ['{{ if .a }}', '{{ end }}', '{{ (1 }}', '{{ "a }}', '{{', '{{ define "x" }}'])
    assert.throws(() => run(broken), { code: 'ERR_CHARTS_TEMPLATE' }, broken);
});

test('any text is a template or a clear error', () => {
  const piece = fc.constantFrom(
    '{{',
    '}}',
    '{{-',
    '-}}',
    ' if ',
    ' end ',
    'else',
    '.a',
    '$x',
    ':=',
    '"',
    '`',
    '(',
    ')',
    '|',
    ' range ',
    'toYaml',
    '\n',
    'x',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        run(pieces.join(''), { a: { b: [1] } });
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_CHARTS_TEMPLATE');
      }
    }),
  );
});
