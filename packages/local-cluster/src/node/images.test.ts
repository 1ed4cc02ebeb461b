import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalClusterError } from '../errors.ts';
import { argvOf, findImage, matchesGlob, parseImageMap, PRESET_IMAGES, repositoryOf } from './images.ts';

test('the repository of a reference has neither registry nor tag nor digest', () => {
  assert.equal(repositoryOf('docker.io/istio/pilot:1.2'), 'istio/pilot');
  assert.equal(repositoryOf('localhost:5000/a/b@sha256:00'), 'a/b');
  assert.equal(repositoryOf('busybox'), 'busybox');
  assert.equal(repositoryOf('ambit/ztunnel:dev'), 'ambit/ztunnel');
});

test('a glob matches any text at each star', () => {
  assert.ok(matchesGlob('istio/*', 'istio/pilot'));
  assert.ok(matchesGlob('*curl', 'curlimages/curl'));
  assert.ok(!matchesGlob('a*a', 'a'));
  assert.ok(matchesGlob('a*b*c', 'axxbyyc'));
  assert.ok(!matchesGlob('a*b', 'ab-'));
});

test('command and args override as ENTRYPOINT and CMD do', () => {
  const image = { match: 'x', command: ['${NODE}', 'main.ts'], args: ['serve'] };
  const variables = { NODE: '/opt/node' };
  assert.deepEqual(argvOf(image, {}, variables), ['/opt/node', 'main.ts', 'serve']);
  assert.deepEqual(argvOf(image, { args: ['check'] }, variables), ['/opt/node', 'main.ts', 'check']);
  assert.deepEqual(argvOf(image, { command: ['sh'] }, variables), ['sh']);
});

test('only the project’s own node images have grants', () => {
  const granted = PRESET_IMAGES.filter((image) => image.grants !== undefined).map((image) => image.match);
  assert.deepEqual(granted, ['ambit/ztunnel', 'ambit/install-cni']);
  assert.equal(findImage(PRESET_IMAGES, 'example.org/unknown/thing:1'), undefined);
});

test('a bad image map names the entry', () => {
  const code = (text: string): string => {
    try {
      parseImageMap(text, 'images.yaml');
      return 'none';
    } catch (error) {
      return error instanceof LocalClusterError ? `${error.code} ${error.message}` : 'other';
    }
  };
  assert.match(code('- {command: [a]}'), /ERR_LOCAL_CLUSTER_IMAGES.*entry 1/);
  assert.match(code('- {match: a, command: b}'), /`command` of entry 1/);
  assert.equal(code('- {match: a, command: [b]}'), 'none');
});
