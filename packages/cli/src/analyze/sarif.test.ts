import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAnalyze } from '@ambit/model/analyze/index';
import { sarifOf } from './sarif.ts';

interface Result {
  readonly ruleId: string;
  readonly level: string;
  readonly message: { readonly text: string };
  readonly locations: readonly {
    readonly physicalLocation?: {
      readonly artifactLocation: { readonly uri: string };
      readonly region: { readonly startLine: number };
    };
    readonly logicalLocations?: readonly { readonly fullyQualifiedName: string }[];
  }[];
}
interface Sarif {
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
    readonly results: readonly Result[];
  }[];
}

test('findings stand at the file and line of their object, errors as errors, one rule for each code', () => {
  const text = ['a', 'b']
    .map(
      (name) => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: shop }
spec: { host: 'no such host.com' , trafficPolicy: { tls: { mode: SIMPLE } } }
`,
    )
    .join('---\n');
  const analysis = runAnalyze(
    { files: [{ name: 'apps/my rules.yaml', text }], nowMs: 0 },
    { format: 'json', allNamespaces: true },
  );
  const messages = JSON.parse(analysis.stdout) as Record<string, string>[];
  const [run] = (sarifOf(messages) as Sarif).runs;
  assert.ok(run !== undefined && messages.length >= 2);
  assert.equal(run.results.length, messages.length);
  assert.equal(new Set(run.tool.driver.rules.map(({ id }) => id)).size, run.tool.driver.rules.length);
  for (const [index, { ruleId, level, message, locations }] of run.results.entries()) {
    const { code, level: ours = '', origin = '', reference = '' } = messages[index] ?? {};
    assert.equal(ruleId, code);
    assert.equal(level, { Error: 'error', Warning: 'warning', Info: 'note' }[ours]);
    assert.ok(message.text.startsWith(origin));
    const [place] = locations;
    assert.equal(place?.physicalLocation?.artifactLocation.uri, 'apps/my%20rules.yaml');
    assert.equal(place?.physicalLocation?.region.startLine, Number(reference.split(':').at(-1)));
    assert.equal(place?.logicalLocations?.[0]?.fullyQualifiedName, origin);
  }
});

test('what is in no file has the object as its place', () => {
  const [run] = (sarifOf([{ code: 'IST0001', level: 'Info', message: 'text', origin: 'Pod shop/a' }]) as Sarif).runs;
  assert.deepEqual(run?.results[0]?.locations, [
    { logicalLocations: [{ fullyQualifiedName: 'Pod shop/a', kind: 'object' }] },
  ]);
});
