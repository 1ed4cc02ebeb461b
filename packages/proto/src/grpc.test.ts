import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema, IstioCertificateService } from './ca.ts';
import { AggregatedDiscoveryService } from './discovery.ts';
import { grpcService } from './grpc.ts';
import { AddressSchema, TunnelProtocol } from './workload.ts';
import { Version, ZdsHelloSchema, WorkloadRequestSchema, WorkloadResponseSchema } from './zds.ts';
import { binaryOf } from './testing/index.ts';

test('a service becomes a table of methods with paths and stream kinds', () => {
  const ads = grpcService(AggregatedDiscoveryService);
  assert.equal(
    ads.deltaAggregatedResources.path,
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  );
  assert.equal(ads.deltaAggregatedResources.requestStream && ads.deltaAggregatedResources.responseStream, true);
  const { createCertificate } = grpcService(IstioCertificateService);
  assert.equal(createCertificate.path, '/istio.v1.auth.IstioCertificateService/CreateCertificate');
  assert.equal(createCertificate.requestStream, false);
});

test('messages survive the serializers', () => {
  const { createCertificate } = grpcService(IstioCertificateService);
  const bytes = createCertificate.requestSerialize(
    create(IstioCertificateRequestSchema, {
      csr: 'x',
      validityDuration: 86_400n,
      metadata: { ImpersonatedIdentity: 'spiffe://td/ns/a/sa/b' },
    }),
  );
  const back = createCertificate.requestDeserialize(bytes);
  assert.equal(back.validityDuration, 86_400n);
  assert.deepEqual(back.metadata, { ImpersonatedIdentity: 'spiffe://td/ns/a/sa/b' });
});

test('the bytes of the agent protocol are those that peers know', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  assert.equal(hex(binaryOf(ZdsHelloSchema, { version: Version.V1 })), '0801');
  assert.equal(hex(binaryOf(WorkloadRequestSchema, { payload: { case: 'snapshotSent', value: {} } })), '1a00');
  assert.equal(hex(binaryOf(WorkloadResponseSchema, { payload: { case: 'ack', value: {} } })), '0a00');
  assert.equal(hex(binaryOf(WorkloadRequestSchema, { payload: { case: 'del', value: { uid: 'u' } } })), '1203120175');
});

test('field numbers of a workload are those of the wire', () => {
  const bytes = binaryOf(AddressSchema, {
    type: { case: 'workload', value: { uid: 'x', tunnelProtocol: TunnelProtocol.HBONE, capacity: 0 } },
  });
  assert.equal(Buffer.from(bytes).toString('hex'), '0a092801a2010178da0100');
});
