import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { upstreamAnalyzers } from './registry.ts';
import { type AnalysisOptions, analyzerList, runAnalyze } from './run.ts';

const policy = (namespace: string, name = 'p', annotations = ''): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${name}
  namespace: ${namespace}${annotations}
spec:
  action: DENY
`;
const file = (text: string, name = 'a.yaml'): { name: string; text: string } => ({ name, text });
const analyzed = (texts: readonly string[], options: AnalysisOptions = { allNamespaces: true }, isCluster = false) =>
  runAnalyze(
    { files: texts.map((text, index) => file(text, `${'abc'[index]}.yaml`)), areFilesCluster: isCluster, nowMs: 0 },
    options,
  );
const codesOf = (result: ReturnType<typeof runAnalyze>): string[] => result.messages.map(({ code }) => code);

test('only the chosen namespace is told about, and the exit code says what was found', () => {
  const text = `${policy('apps')}---${policy('other')}`;
  const result = analyzed([text], { namespace: 'other' });
  assert.equal(result.exitCode, 79);
  assert.deepEqual(
    result.messages.map(({ reference }) => reference),
    ['a.yaml:10'],
  );
  assert.match(result.stderr, /^Error: Analyzers found issues when analyzing namespace: other\.\n/);
});

test('thresholds: what is shown and what fails are two questions', () => {
  const result = analyzed([policy('apps')], {
    allNamespaces: true,
    outputThreshold: 'Error',
    failureThreshold: 'Info',
  });
  assert.deepEqual([codesOf(result), result.exitCode], [['IST0106'], 79]);
  const warned = analyzed([`${policy('apps')}  rules:\n  - to:\n    - operation:\n        methods: [GET]\n`], {
    allNamespaces: true,
    failureThreshold: 'Warning',
  });
  assert.deepEqual([codesOf(warned), warned.exitCode], [['IST0133'], 79]);
});

test('structured output ends with zero unless asked otherwise', () => {
  const lax = analyzed([policy('apps')], { allNamespaces: true, format: 'json' });
  const strict = analyzed([policy('apps')], { allNamespaces: true, format: 'yaml', isExitCodeStrict: true });
  assert.deepEqual([lax.exitCode, strict.exitCode], [0, 79]);
  assert.equal((JSON.parse(lax.stdout) as unknown[]).length, 1);
  assert.match(strict.stdout, /^- code: IST0106\n {2}documentationUrl: /);
});

test('messages are suppressed by annotation, and by pattern of the object', () => {
  assert.deepEqual(
    codesOf(analyzed([policy('apps', 'p', '\n  annotations:\n    galley.istio.io/analyze-suppress: IST0106,IST0133')])),
    [],
  );
  const options = { allNamespaces: true, suppressions: ['IST0106=AuthorizationPolicy a*/p', 'IST9999=x'] };
  const result = analyzed([policy('apps')], options);
  assert.deepEqual(codesOf(result), []);
  assert.match(result.stderr, /^Warning: Supplied message code 'IST9999' is an unknown message code/);
  assert.equal(analyzed([policy('apps')], { suppressions: ['IST0106'] }).exitCode, 1);
});

test('of two objects with one name the later one counts', () => {
  const fixed = policy('apps').replace('DENY', 'ALLOW');
  assert.deepEqual(codesOf(analyzed([policy('apps'), fixed])), []);
  assert.deepEqual(codesOf(analyzed([fixed, policy('apps')])), ['IST0106']);
});

test('a document that cannot be read is told with its place and hides no other', () => {
  const result = analyzed([`a: [\n---${policy('apps')}`]);
  assert.deepEqual([codesOf(result), result.exitCode], [['IST0106'], 79]);
  assert.equal(result.log.length, 1);
  const alone = analyzed(['foo: bar']);
  assert.deepEqual([alone.exitCode, analyzed(['foo: bar'], { ignoreUnknown: true }).exitCode], [65, 0]);
});

test('lists are unfolded, JSON has no lines, namespaces of Kubernetes are left alone', () => {
  const items = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: ['apps', 'kube-system'].map((namespace) => ({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'p', namespace },
      spec: { action: 'DENY' },
    })),
  });
  const result = runAnalyze({ files: [file(items, 'a.json')], nowMs: 0 }, { allNamespaces: true });
  assert.deepEqual(
    result.messages.map(({ subject, reference }) => [subject?.origin, reference]),
    [['AuthorizationPolicy apps/p', 'a.json']],
  );
});

test('files stand for configuration: what needs pods is asked only of a cluster', () => {
  const text = policy('apps').replace('action: DENY', 'action: ALLOW');
  assert.deepEqual(codesOf(analyzed([text])), []);
  assert.deepEqual(codesOf(analyzed([text], { allNamespaces: true }, true)), ['IST0127']);
});

test('every analyzer has its own name and is listed', () => {
  const names = upstreamAnalyzers.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.ok(analyzerList().includes(`* ${name}:\n`), name);
});

test('no text makes an analysis throw', () => {
  const kinds = fc.constantFrom(
    'v1 Pod',
    'v1 Service',
    'v1 Namespace',
    'v1 Secret',
    'v1 ConfigMap',
    'apps/v1 Deployment',
    'networking.istio.io/v1 VirtualService',
    'networking.istio.io/v1 Gateway',
    'networking.istio.io/v1 ServiceEntry',
    'networking.istio.io/v1 DestinationRule',
    'networking.istio.io/v1 Sidecar',
    'networking.istio.io/v1alpha3 EnvoyFilter',
    'telemetry.istio.io/v1 Telemetry',
    'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration',
  );
  const object = fc.tuple(kinds, fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 3 })).map(([head, a, b]) => {
    const [apiVersion, kind] = head.split(' ');
    return {
      apiVersion,
      kind,
      metadata: { name: 'x', namespace: 'apps', labels: b, annotations: a },
      spec: a,
      status: b,
    };
  });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 5 }), fc.string(), (objects, noise) => {
      const text = objects.map((one) => JSON.stringify(one)).join('\n---\n');
      const { findings } = analyzed([text, noise], { allNamespaces: true }, true);
      assert.ok(findings.every(({ message }) => message.code !== 'IST0001'));
    }),
    { numRuns: 200 },
  );
});
