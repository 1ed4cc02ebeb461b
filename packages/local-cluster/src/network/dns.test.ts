import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EndpointSlice, Service } from '../controllers/objects.ts';
import { createMemoryObjectApi } from '../testing/memory-object-api.ts';
import { ANSWER_CODE, buildAnswer, parseQuestion, RECORD_TYPE } from './dns-message.ts';
import { answerName } from './dns-records.ts';

function query(name: string, type: number): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([
    Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...labels,
    Buffer.from([0, 0, type, 0, 1]),
  ]);
}

test('a question is read and answered with its own id', () => {
  const question = parseQuestion(query('Web.Default.svc.cluster.local', RECORD_TYPE.A));
  assert.equal(question?.name, 'web.default.svc.cluster.local');
  assert.ok(question !== undefined);
  const answer = buildAnswer(
    question,
    ANSWER_CODE.ok,
    [{ name: question.name, type: 'A', ip: '10.96.1.1' }],
    [],
    'cluster.local',
    512,
  );
  assert.equal(answer.readUInt16BE(0), 0x1234);
  assert.equal(answer.readUInt16BE(6), 1);
  assert.deepEqual([...answer.subarray(-4)], [10, 96, 1, 1]);
});

test('an answer that does not fit is cut and says so', () => {
  const question = parseQuestion(query('a.b', RECORD_TYPE.A));
  assert.ok(question !== undefined);
  const many = Array.from({ length: 100 }, (_, i) => ({ name: 'a.b', type: 'A', ip: `10.0.0.${i}` }) as const);
  const answer = buildAnswer(question, ANSWER_CODE.ok, many, [], 'cluster.local', 512);
  assert.ok(answer.length <= 512);
  assert.equal(answer.readUInt16BE(2) & 0x0200, 0x0200);
});

test('no message breaks the parser', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void parseQuestion(Buffer.from(bytes))));
});

test('services, headless pods, ports, external names and unknown names', async () => {
  const api = createMemoryObjectApi();
  const service = (name: string, spec: Service['spec']): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'ns' },
    spec,
  });
  await api.create('services', service('vip', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80 }] }));
  await api.create('services', service('pods', { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] }));
  await api.create('services', service('out', { type: 'ExternalName', externalName: 'example.org' }));
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'pods-1', namespace: 'ns', labels: { 'kubernetes.io/service-name': 'pods' } },
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.244.1.2'], hostname: 'one', conditions: { ready: true } },
      { addresses: ['10.244.1.3'], conditions: { ready: false } },
    ],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  };
  await api.create('endpointslices.discovery.k8s.io', slice);
  const ask = (name: string, type: number): unknown => {
    const { code, answers } = answerName(api, `${name}.ns.svc.cluster.local`, type);
    return code === ANSWER_CODE.ok
      ? answers.map((each) => ('ip' in each ? each.ip : 'port' in each ? `${each.target}:${each.port}` : each.target))
      : code;
  };
  assert.deepEqual(ask('vip', RECORD_TYPE.A), ['10.96.1.1']);
  assert.deepEqual(ask('vip', RECORD_TYPE.AAAA), []);
  assert.deepEqual(ask('pods', RECORD_TYPE.A), ['10.244.1.2']);
  assert.deepEqual(ask('one.pods', RECORD_TYPE.A), ['10.244.1.2']);
  assert.deepEqual(ask('_http._tcp.vip', RECORD_TYPE.SRV), ['vip.ns.svc.cluster.local:80']);
  assert.deepEqual(ask('_http._tcp.pods', RECORD_TYPE.SRV), ['one.pods.ns.svc.cluster.local:8080']);
  assert.deepEqual(ask('out', RECORD_TYPE.A), ['example.org']);
  assert.equal(ask('nobody', RECORD_TYPE.A), ANSWER_CODE.noName);
  assert.equal(answerName(api, 'example.org', RECORD_TYPE.A).code, ANSWER_CODE.noName);
});
