import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCa, createServingCertificate } from '../../auth/certificate.ts';
import { Database } from '../../store/database.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { ObjectStore } from '../../store/object-store.ts';
import type { JsonObject } from '../json.ts';
import type { PodStreams } from '../pod-streams.ts';
import { createWebhookCaller } from './call-webhook.ts';
import type { WebhookOutcome } from './call-webhook.ts';
import type { Webhook } from './webhooks.ts';

/** A webhook server for `hook.shop.svc` and 127.0.0.1, and a store to find it with. */
class Fixture implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ambit-t-webhook-'));
  readonly store = new ObjectStore(new Database(join(this.#folder, 'x.db')));
  readonly #ca = createCa(Date.now());
  readonly #server: Server;
  readonly paths: string[] = [];
  answer = '{"response":{"allowed":true}}';
  isSilent = false;

  constructor() {
    const { certPem, keyPem } = createServingCertificate(this.#ca, ['hook.shop.svc', '127.0.0.1'], Date.now());
    this.#server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
      this.paths.push(request.url ?? '');
      if (!this.isSilent) response.end(this.answer);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  put(resource: string, object: object): void {
    this.store.put(resource, object as KubeObject);
  }

  async call(clientConfig: JsonObject, timeoutSeconds = 5): Promise<WebhookOutcome> {
    const portForward: PodStreams['portForward'] = async ({ pod, port }) => {
      assert.deepEqual([pod.metadata.name, port], ['hook-1', 8443]);
      const socket = connect(this.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    const caller = createWebhookCaller(this.store, () => ({ portForward }) as unknown as PodStreams);
    const caBundle = Buffer.from(this.#ca.certPem).toString('base64');
    const hook = { id: 'a/b', name: 'b', clientConfig: { caBundle, ...clientConfig }, timeoutSeconds };
    return caller(hook as Partial<Webhook> as Webhook, { kind: 'AdmissionReview' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
    this.store.close();
    rmSync(this.#folder, { recursive: true });
  }
}

const service = { service: { name: 'hook', namespace: 'shop', path: '/m' } };
const failure = (outcome: WebhookOutcome): string => ('error' in outcome ? outcome.error : 'no error');

test('a service is reached through a ready pod, under its own name', async () => {
  await using fixture = new Fixture();
  await fixture.listen();
  assert.match(failure(await fixture.call(service)), /service "hook" not found/);
  const metadata = { name: 'hook', namespace: 'shop' };
  fixture.put('services', { metadata, spec: { ports: [{ name: 'web', port: 443, targetPort: 8443 }] } });
  assert.match(failure(await fixture.call(service)), /no endpoints available for service "hook"/);
  fixture.put('pods', { metadata: { name: 'hook-1', namespace: 'shop' } });
  fixture.put('endpointslices.discovery.k8s.io', {
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'hook' } },
    ports: [{ name: 'web', port: 8443 }],
    endpoints: [
      { conditions: { ready: false }, targetRef: { name: 'hook-0' } },
      { conditions: { ready: true }, targetRef: { name: 'hook-1' } },
    ],
  });
  assert.deepEqual(await fixture.call(service), { response: { allowed: true } });
  assert.deepEqual(fixture.paths, ['/m?timeout=5s']);
});

test('an address, its certificate and its silence', async () => {
  await using fixture = new Fixture();
  await fixture.listen();
  const url = `https://127.0.0.1:${fixture.port}/v?x=1`;
  assert.deepEqual(await fixture.call({ url }), { response: { allowed: true } });
  assert.deepEqual(fixture.paths, ['/v?x=1&timeout=5s']);
  assert.match(failure(await fixture.call({ url, caBundle: '' })), /Post "https:.*": .*certificate/);
  fixture.isSilent = true;
  assert.match(failure(await fixture.call({ url }, 0.1)), /context deadline exceeded/);
  assert.match(failure(await fixture.call({ url: 'nonsense' })), /failed to call webhook: Post "nonsense/);
});

test('answers that are none', async () => {
  await using fixture = new Fixture();
  await fixture.listen();
  for (const answer of ['', '[]', '{"response":1}', 'null', '{']) {
    fixture.answer = answer;
    assert.match(failure(await fixture.call({ url: `https://127.0.0.1:${fixture.port}` })), /response was absent/);
  }
  fixture.answer = `"${'x'.repeat(9 * 1024 * 1024)}"`;
  assert.match(failure(await fixture.call({ url: `https://127.0.0.1:${fixture.port}` })), /more than 8388608 bytes/);
});
