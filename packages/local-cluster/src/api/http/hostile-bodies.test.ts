import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '@ambit/runtime/log';
import { type ApiServer, createApiServer } from '../api-server.ts';
import { decodePatch } from './resource-request.ts';
import { ApiError } from '../status.ts';

const nested = (open: string, depth: number, close: string): string => open.repeat(depth) + '1' + close.repeat(depth);
const configMap = (data: string): string =>
  `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hostile"},"data":${data}}`;
const deployment = (replicas: string): string =>
  `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"hostile"},"spec":{"replicas":${replicas},"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"b"}]}}}}`;

const maps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const json = 'application/json';
const yaml = 'application/yaml';
const protobuf = 'application/vnd.kubernetes.protobuf';
const head = Buffer.from('k8s\0');

type Case = readonly [name: string, code: number, method: string, path: string, type: string, body: string | Buffer];
const cases: readonly Case[] = [
  ['a million arrays', 400, 'POST', maps, json, nested('[', 1_000_000, ']')],
  ['two hundred thousand objects', 400, 'POST', maps, json, nested('{"a":', 200_000, '}')],
  ['a body over the limit', 413, 'POST', maps, json, Buffer.alloc(4 << 20, 0x20)],
  ['a field twice', 400, 'POST', `${maps}?fieldValidation=Strict`, json, configMap('{"a":"1","a":"2"}')],
  ['a number beyond every double', 400, 'POST', deployments, json, deployment('1e400')],
  ['a number beyond int32', 400, 'POST', deployments, json, deployment('99999999999')],
  ['a fraction for an integer', 400, 'POST', deployments, json, deployment('1.5')],
  ['bytes that are no UTF-8', 400, 'POST', maps, json, Buffer.from([...Buffer.from(configMap('{"a":"')), 0xff, 0x22])],
  [
    'a name with a NUL',
    422,
    'POST',
    maps,
    json,
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a\\u0000"}}',
  ],
  ['the name of the prototype', 400, 'POST', maps, json, configMap('{"__proto__":"x"}')],
  ['YAML that nests', 400, 'POST', maps, yaml, '['.repeat(100_000)],
  [
    'YAML that nests by indentation',
    400,
    'POST',
    maps,
    yaml,
    Array.from({ length: 1200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
  ],
  [
    'YAML aliases that multiply',
    400,
    'POST',
    maps,
    yaml,
    ['a: &a [x,x,x,x,x,x,x,x,x,x]']
      .concat(
        ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map(
          (name, index) => `${name}: &${name} [${'*'.concat('abcdefgh'[index] ?? '', ',').repeat(10)}]`,
        ),
      )
      .join('\n'),
  ],
  ['protobuf of noise', 400, 'POST', maps, protobuf, Buffer.concat([head, Buffer.alloc(1000, 0xff)])],
  ['protobuf that ends', 400, 'POST', maps, protobuf, head],
  [
    'a merge patch that nests',
    400,
    'PATCH',
    `${maps}/x`,
    'application/merge-patch+json',
    nested('{"a":', 100_000, '}'),
  ],
  [
    'an applied body that nests',
    400,
    'PATCH',
    `${maps}/x?fieldManager=a`,
    'application/apply-patch+yaml',
    nested('{"a":', 20_000, '}'),
  ],
  ['a patch that is a text', 400, 'PATCH', `${maps}/x`, 'application/json-patch+json', '"remove"'],
];

async function send(server: ApiServer, port: number, [, , method, path, type, body]: Case): Promise<number> {
  const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': type };
  const sent = request({ host: '127.0.0.1', port, method, path, headers, ca: server.caPem });
  sent.on('error', () => undefined); // a refused upload may be cut
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  answer.resume();
  return answer.statusCode ?? 0;
}

test('hostile bodies are refused with 4xx, one by one, and the server goes on', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-hostile-'));
  const server = await createApiServer({ stateDir, log: silentLogger });
  try {
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    await server.objects.create('configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'x', namespace: 'default' },
    });
    for (const each of cases) assert.equal(await send(server, port, each), each[1], each[0]);
    const fine: Case = ['', 201, 'POST', maps, json, configMap('{"a":"b"}')];
    assert.equal(await send(server, port, fine), 201);
    await server.writeKubeconfig(join(stateDir, 'kubeconfig'), 'https://127.0.0.1:1');
    for (const name of readdirSync(stateDir, { recursive: true, encoding: 'utf8' })) {
      const status = statSync(join(stateDir, name));
      assert.equal(status.mode & 0o077, 0, `${name} is for its owner only`);
    }
  } finally {
    await server.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
});

test('any text is a patch or refused, never a crash', () => {
  const types = fc.constantFrom('json', 'merge', 'strategic', 'apply' as const);
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  fc.assert(
    fc.property(types, texts, (type, text) => {
      try {
        decodePatch(type, Buffer.from(text));
      } catch (error) {
        if (!ApiError.is(error)) throw error;
        assert.equal(error.code, 400);
      }
    }),
  );
});
