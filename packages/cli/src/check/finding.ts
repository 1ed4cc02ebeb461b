// What a check says, and how findings are printed. Pure. Called by run.ts and the checks.

/** Result of one check. */
export interface Finding {
  readonly category: string;
  readonly state: 'ok' | 'warning' | 'failed';
  readonly text: string;
  readonly hint?: string;
}

const marks = { ok: 'ok', warning: '!!', failed: 'xx' } as const;

const count = (findings: readonly Finding[], state: Finding['state']): number =>
  findings.filter((finding) => finding.state === state).length;

/** One line per finding, under its category, with a status line at the end. */
export function renderFindings(findings: readonly Finding[]): string {
  const lines: string[] = [];
  let category = '';
  for (const finding of findings) {
    if (finding.category !== category) lines.push((category = finding.category));
    lines.push(
      `  ${marks[finding.state]}  ${finding.text}`,
      ...(finding.hint === undefined ? [] : [`      try: ${finding.hint}`]),
      ...(finding.state === 'ok' ? [] : [`      help: ambit help check/${finding.category}`]),
    );
  }
  const [warnings, failed] = [count(findings, 'warning'), count(findings, 'failed')];
  lines.push(
    `Status: ${count(findings, 'ok')} ok, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${failed} failed`,
  );
  return lines.join('\n');
}

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The findings as JUnit XML: one suite, one case per finding; a warning is a passed case with output. */
export function junitOf(findings: readonly Finding[]): string {
  const cases = findings.map(({ category, state, text, hint }) => {
    const head = `  <testcase classname="${xml(category)}" name="${xml(text)}"`;
    if (state === 'ok') return `${head}/>`;
    const body =
      state === 'failed'
        ? `<failure message="${xml(text)}">${xml(hint ?? '')}</failure>`
        : `<system-out>${xml(hint ?? text)}</system-out>`;
    return `${head}>${body}</testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="ambit check" tests="${findings.length}" failures="${count(findings, 'failed')}">`,
    ...cases,
    '</testsuite>',
  ].join('\n');
}
