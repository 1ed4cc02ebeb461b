import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closuresInProperties } from './closures-in-properties.ts';
import { nativeExpressions } from './native-expressions.ts';
import { undocumentedExports } from './undocumented-exports.ts';
import { sourcesOf, textOf, workspacePackages } from './workspace.ts';

const sources = workspacePackages().flatMap(({ folder }) => sourcesOf(folder, { tests: false }));
/** Sources of the product: this package names what it forbids, and the suites under test/ are no product. */
const product = sources.filter(
  (file) => !file.startsWith('packages/checks/') && !file.startsWith('test/') && !file.includes('/test/'),
);

/** Files whose text holds one of these, as `file: text`. */
const holding = (files: readonly string[], texts: readonly string[]): readonly string[] =>
  files.flatMap((file) => texts.filter((text) => textOf(file).includes(text)).map((text) => `${file}: ${text}`));

const forbiddenNames = ['utils.ts', 'util.ts', 'helpers.ts', 'common.ts', 'misc.ts'];

/** Longest source file, in lines. Half of it is the aim: a file that needs a table of contents has a second subject. */
const maxLines = 450;

/** Files that are longer for a reason. */
const longByNature: Readonly<Record<string, string>> = {};

test('no file has a name that says nothing', () => {
  assert.deepEqual(
    sources.filter((file) => forbiddenNames.some((name) => file.endsWith(`/${name}`))),
    [],
  );
});

test('no listener is removed wholesale', () => {
  assert.deepEqual(holding(product, ['removeAllListeners(']), []);
});

test('no work is left as a note without a reason', () => {
  assert.deepEqual(holding(product, ['TODO:', 'FIXME', 'XXX:']), []);
});

/** Files that take unverified certificates and hand them to a verifier of ours. */
const verifiesItself: Readonly<Record<string, string>> = {
  'packages/cli/src/cert/verify.ts': 'only looks at what a peer shows; @ambit/identity judges it, and no byte is sent',
  'packages/control-plane/src/listen.ts':
    'a client certificate is optional beside a token; clients/authenticate.ts verifies it',
};

test('TLS verification is never switched off outside of what hands certificates to our own verifier', () => {
  const elsewhere = sources.filter(
    (file) =>
      !file.startsWith('packages/net/src/') &&
      !file.startsWith('packages/checks/') &&
      !Object.hasOwn(verifiesItself, file),
  );
  assert.deepEqual(holding(elsewhere, ['rejectUnauthorized: false', 'NODE_TLS_REJECT_UNAUTHORIZED']), []);
});

test('no native regular expression stands in the product: outside data is read by hand or by re2js', () => {
  assert.deepEqual(
    product.flatMap((file) => nativeExpressions(textOf(file)).map((line) => `${file}:${line}`)),
    [],
  );
});

/** Where a function is made for each request or connection. */
const dataPath = [
  'packages/net/',
  'packages/hbone/',
  'packages/l7/',
  'packages/state/',
  'daemonset/node-proxy/',
  'waypoint/',
];

test('on the data path no function is written straight into a property: what it can reach would live long', () => {
  const files = product.filter(
    (file) => dataPath.some((folder) => file.startsWith(folder)) && !file.includes('/testing/'),
  );
  assert.deepEqual(
    files.flatMap((file) => closuresInProperties(textOf(file)).map((line) => `${file}:${line}`)),
    [],
  );
});

test('every exported symbol has a doc comment', () => {
  assert.deepEqual(
    product.flatMap((file) => undocumentedExports(textOf(file)).map((name) => `${file}: ${name}`)),
    [],
  );
});

test('every file begins with a comment that says what comes in and what goes out', () => {
  assert.deepEqual(
    sources.filter((file) => !['//', '/*'].includes(textOf(file).slice(0, 2))),
    [],
  );
});

test(`no source file is longer than ${maxLines} lines without a reason`, () => {
  const long = product.filter((file) => textOf(file).split('\n').length > maxLines + 1);
  assert.deepEqual(
    long.filter((file) => !Object.hasOwn(longByNature, file)),
    [],
  );
  assert.deepEqual(
    Object.keys(longByNature).filter((file) => !long.includes(file)),
    [],
    'an exception that is not needed any more',
  );
});

test('planted violations are found', () => {
  assert.equal(holding(['packages/checks/src/repository/source-rules.test.ts'], ['FIXME']).length, 1);
  assert.deepEqual(
    nativeExpressions("const a = 1;\nif (/^a+$/.test(b)) c();\nd.replace(/x/g, '');\nnew RegExp(e);"),
    [2, 3, 4],
  );
  assert.deepEqual(nativeExpressions("// not /a/.test(b)\nconst a = b / c / d; // x.replace(/a/)\nimport '/a/b';"), []);
  assert.deepEqual(
    closuresInProperties(
      'a.onClose = () => b();\nthis.#x.y = (z: Z): void => {\nconst f = () => 1;\na.b = f;\nif (c) a.d = e => e;\nreadonly g = () => 1;\nh[0] = async () => 1;',
    ),
    [1, 2, 5, 7],
  );
  assert.deepEqual(
    undocumentedExports(
      '/** A. */\nexport const a = 1;\nexport function b(): void {}\n/** C. */\nexport function c(x: 1): 1;\nexport function c(x: 2): 2;',
    ),
    ['b'],
  );
});
