// A Kubernetes API that holds many pods and nothing else, for measurements: pages of lists, watches, token reviews. In: a number
// of pods. Out: a kubeconfig, and a way to change single pods or to break the watch. HTTPS on loopback.
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { testCa } from '@ambit/identity/testing';

/** The running API. */
export interface BenchApi extends AsyncDisposable {
  /** Turns readiness of a pod around and tells the watch. */
  changePod(index: number): void;
  /** Ends the watch of pods with 410, so that everything is listed again. */
  expire(): void;
  /** Settles when pods are watched. */
  watched(): Promise<void>;
}

/** Name of a pod, as the mesh names its workload. */
export const workloadName = (index: number): string => `Kubernetes//Pod/ns-${index % 100}/pod-${index}`;

const PAGE = 500;

/** A pod as an API server sends it, about as long as a real one is after defaulting. */
function podText(index: number, isReady: boolean, version: number): string {
  const name = `pod-${index}`;
  const ip = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: `ns-${index % 100}`,
      uid: `uid-${index}`,
      resourceVersion: String(version),
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: `app-${index % 2_000}`, 'pod-template-hash': '5d8f9c7b6d', version: 'v1' },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `app-${index % 2_000}-5d8f9c7b6d`,
          uid: 'r',
          controller: true,
        },
      ],
      managedFields: [{ manager: 'kubelet', operation: 'Update', fieldsV1: { 'f:status': { 'f:podIP': {} } } }],
    },
    spec: {
      nodeName: `node-${index % 1_000}`,
      serviceAccountName: 'default',
      containers: [
        {
          name: 'app',
          image: 'example/app:1',
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
          env: [{ name: 'A', value: 'some value' }],
          resources: { requests: { cpu: '100m', memory: '128Mi' } },
          volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
        },
      ],
      volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [
        { type: 'Initialized', status: 'True' },
        { type: 'Ready', status: isReady ? 'True' : 'False' },
      ],
    },
  });
}

/** Starts it; writes the kubeconfig. */
export async function startBenchApi(pods: number, kubeconfig: string): Promise<BenchApi> {
  let version = 1;
  const texts = Array.from({ length: pods }, (_, index) => podText(index, true, version));
  const ready = new Uint8Array(pods).fill(1);
  const watches = new Set<ServerResponse>();
  let onWatched = Promise.withResolvers<void>();

  const send = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const listPods = (response: ServerResponse, from: number): void => {
    const to = Math.min(from + PAGE, pods);
    const next = to < pods ? `,"continue":"${to}"` : '';
    const items = texts.slice(from, to).join(',');
    send(response, 200, `{"kind":"PodList","metadata":{"resourceVersion":"${version}"${next}},"items":[${items}]}`);
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'https://kube');
    const plural = url.pathname.split('/').at(-1) ?? '';
    request.resume();
    if (request.method === 'POST') {
      // Nothing is written here: leases are refused, and so nobody leads.
      if (plural === 'secrets') send(response, 201, {});
      else send(response, 403, { kind: 'Status', reason: 'Forbidden', message: 'read only' });
    } else if (url.searchParams.get('watch') !== null) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      if (plural !== 'pods') return;
      watches.add(response);
      response.on('close', () => watches.delete(response));
      onWatched.resolve();
    } else if (plural === 'pods') listPods(response, Number(url.searchParams.get('continue') ?? 0));
    else if (url.searchParams.size > 0) send(response, 200, { metadata: { resourceVersion: '1' }, items: [] });
    else send(response, 404, { kind: 'Status', reason: 'NotFound', message: url.pathname });
  };
  const ca = testCa();
  const { certChainPem, privateKeyPem } = await ca.issue('localhost');
  const server = createServer({ cert: certChainPem, key: privateKeyPem }, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'bench',
      contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
      clusters: [
        {
          name: 'bench',
          cluster: {
            server: `https://localhost:${port}`,
            'certificate-authority-data': Buffer.from(ca.rootPem).toString('base64'),
          },
        },
      ],
      users: [{ name: 'bench', user: { token: 'bench' } }],
    }),
  );
  return {
    changePod(index) {
      version++;
      ready[index] = ready[index] === 1 ? 0 : 1;
      const text = podText(index, ready[index] === 1, version);
      texts[index] = text;
      for (const watch of watches) watch.write(`{"type":"MODIFIED","object":${text}}\n`);
    },
    expire() {
      onWatched = Promise.withResolvers<void>();
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      for (const watch of watches) watch.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
    },
    watched: () => onWatched.promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
