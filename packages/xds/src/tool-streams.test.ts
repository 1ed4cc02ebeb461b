// Debug tools on both kinds of streams: answered at once, refused with a reason, never counted as clients.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type ClientDuplexStream, credentials, makeClientConstructor, type StatusObject } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import {
  AggregatedDiscoveryService,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '@ambit/proto/discovery';
import { grpcService } from '@ambit/proto/grpc';
import { XdsError } from './errors.ts';
import { createResourceTable } from './server/resource-table.ts';
import { openRawClient, startTestXdsServer } from './testing/index.ts';

const TYPE = 'type.googleapis.com/test.Text';
const NODE = { id: 'sidecar~10.0.0.1~tool.istio-system~istio-system.svc.cluster.local' };
const debug = ({ typeUrl, names }: { typeUrl: string; names: readonly string[] }) => {
  if (names[0] === 'secret') throw new XdsError('ERR_XDS_PERMISSION_DENIED', 'not for you');
  const bytes = Buffer.from(`${typeUrl} ${names.join(',')}`);
  return { identifier: '{"ID":"a"}', resources: [{ name: 'x', typeUrl: 'istio.io/debug', bytes }] };
};

function openStateOfTheWorld(address: string): ClientDuplexStream<DiscoveryRequest, DiscoveryResponse> {
  const Client = makeClientConstructor(grpcService(AggregatedDiscoveryService), 'AggregatedDiscoveryService');
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const open = client['streamAggregatedResources'] as () => ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>;
  const call = open.call(client);
  call.on('error', () => undefined);
  call.on('status', () => client.close());
  return call;
}

test('a tool gets one answer per question on a state-of-the-world stream, and counts as no client', async () => {
  await using server = await startTestXdsServer([createResourceTable(TYPE)], { debug });
  const call = openStateOfTheWorld(server.address);
  for (const name of ['syncz', 'adsz']) {
    // istioctl sends the time of day as nonce of its first question.
    const question = { node: NODE, typeUrl: 'istio.io/debug', resourceNames: [name], responseNonce: 'now' };
    call.write(create(DiscoveryRequestSchema, question));
    const [response] = (await once(call, 'data')) as [DiscoveryResponse];
    assert.equal(Buffer.from(response.resources[0]?.value ?? []).toString(), `istio.io/debug ${name}`);
    assert.equal(response.controlPlane?.identifier, '{"ID":"a"}');
  }
  assert.equal(server.xds.connections, 0);
  call.end();
});

test('a client that wants resources on a state-of-the-world stream is told why it gets none', async () => {
  await using server = await startTestXdsServer([createResourceTable(TYPE)], { debug });
  const call = openStateOfTheWorld(server.address);
  const ended = new Promise<StatusObject>((resolve) => call.on('status', resolve));
  call.write(create(DiscoveryRequestSchema, { node: NODE, typeUrl: TYPE }));
  assert.equal((await ended).code, 9);
});

test('a tool on a delta stream is answered, and a refusal ends its stream with the code', async () => {
  await using server = await startTestXdsServer([createResourceTable(TYPE)], { debug });
  using raw = openRawClient(server.address);
  raw.send({ node: NODE, typeUrl: 'istio.io/debug/syncz', resourceNamesSubscribe: ['a'] });
  const response = await raw.next();
  assert.equal(Buffer.from(response?.resources[0]?.resource?.value ?? []).toString(), 'istio.io/debug/syncz a');
  raw.send({ typeUrl: 'istio.io/debug', resourceNamesSubscribe: ['secret'] });
  assert.equal((await raw.status).code, 7);
});
