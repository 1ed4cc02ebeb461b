// In: the built programs. Out: a local cluster in network namespaces with the mesh, the suite's own definitions and, for the
// mesh profiles, namespaces that are enrolled and have a waypoint. Called by conformance.test.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { testCa } from '@ambit/identity/testing';
import { type Loose, startTestCluster, type TestCluster } from '../fixtures/local-cluster.ts';
import type { Programs } from './toolchain.ts';

const cli = new URL('../../packages/cli/src/main.ts', import.meta.url).pathname;

/** Image names of the suite, mapped to the built programs (spec/local-cluster.md 12). */
function imagesOf({ folder }: Programs, files: string): object[] {
  const bin = '/opt/conformance';
  return [
    { match: 'gateway-api/echo-basic', command: [`${bin}/echo-basic`], files: { [bin]: folder } },
    // Only UDP tests, which are not claimed, ask it anything; the suite waits until it runs.
    { match: 'coredns/coredns', command: ['/bin/sh', '-c', 'exec sleep infinity'] },
    {
      match: 'gateway-api/echo-advanced',
      command: [`${bin}/server`],
      env: { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin` },
      files: { [bin]: folder, '/cert.crt': join(files, 'cert.crt'), '/cert.key': join(files, 'cert.key') },
    },
  ];
}

/** A cluster ready for the suite. */
export interface MeshCluster extends AsyncDisposable {
  readonly cluster: TestCluster;
  /** Network namespace from which gateways' addresses can be reached. */
  readonly netns: string;
  /** Kubeconfig that is valid there. */
  readonly kubeconfig: string;
}

async function installMesh(kubeconfig: string, home: string): Promise<void> {
  const child = spawn(process.execPath, ['--conditions=@ambit/source', cli, '--kubeconfig', kubeconfig, 'install'], {
    env: { ...process.env, HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0, output);
}

const READY_TIMEOUT_MS = 180_000;
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const APPLY = '?fieldManager=conformance&force=true';

/** Replaces the Gateway API's definitions by those of the suite's version, the experimental ones, as the suite demands. */
async function applyDefinitions(cluster: TestCluster, gatewayApi: string): Promise<void> {
  const folder = join(gatewayApi, 'config/crd/experimental');
  for (const file of readdirSync(folder).filter(
    (name) => name.startsWith('gateway.networking') && !name.includes('_vap_'),
  )) {
    for (const document of parseAllDocuments(readFileSync(join(folder, file), 'utf8'))) {
      const definition = document.toJS() as Loose;
      if (definition?.kind !== 'CustomResourceDefinition') continue;
      delete definition.status;
      const path = `${DEFINITIONS}/${definition.metadata.name}${APPLY}`;
      await cluster.api('PATCH', path, definition, { type: 'application/apply-patch+yaml' });
    }
  }
}

const meshLabels = { 'istio.io/dataplane-mode': 'ambient', 'istio.io/use-waypoint': 'waypoint' };
const meshNamespaces = ['gateway-conformance-mesh', 'gateway-conformance-mesh-consumer'];
const waypoint = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'waypoint', labels: { 'istio.io/waypoint-for': 'service' } },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
};

/** Labels for the suite's namespaces, as its flag takes them. */
export const namespaceLabels = Object.entries(meshLabels)
  .map(([name, value]) => `${name}=${value}`)
  .join(',');

/** Makes the namespaces of the mesh profiles before the suite does, each with a waypoint that is ready. */
export async function prepareMeshNamespaces(cluster: TestCluster): Promise<void> {
  for (const name of meshNamespaces) {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: meshLabels } };
    await cluster.api('POST', '/api/v1/namespaces', namespace);
    await cluster.api('POST', `/apis/gateway.networking.k8s.io/v1/namespaces/${name}/gateways`, waypoint);
  }
  for (const name of meshNamespaces) {
    await cluster.until(
      `the waypoint of ${name}`,
      async () => {
        const path = `/apis/apps/v1/namespaces/${name}/deployments/waypoint`;
        return (await cluster.api('GET', path, undefined, { tolerate: true })).status?.availableReplicas === 1;
      },
      READY_TIMEOUT_MS,
    );
  }
}

/** Starts the cluster with the mesh. */
export async function startMeshCluster(programs: Programs): Promise<MeshCluster> {
  const home = mkdtempSync(join(tmpdir(), 'ambit-t-conformance-'));
  const certificate = await testCa().issue('echo');
  writeFileSync(join(home, 'cert.crt'), certificate.certChainPem);
  writeFileSync(join(home, 'cert.key'), certificate.privateKeyPem, { mode: 0o644 });
  chmodSync(home, 0o755);
  const cluster = await startTestCluster('netns', imagesOf(programs, home));
  const dispose = async (): Promise<void> => {
    await cluster[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await installMesh(join(cluster.stateDir, 'kubeconfig'), home);
    await applyDefinitions(cluster, programs.gatewayApi);
    const [node] = cluster.file.nodes as readonly { readonly netns: string; readonly ip: string }[];
    assert.ok(node);
    const access = parse(readFileSync(join(cluster.stateDir, 'kubeconfig'), 'utf8')) as Loose;
    access.clusters[0].cluster.server = `https://${node.ip}:6443`;
    const kubeconfig = join(home, 'kubeconfig');
    writeFileSync(kubeconfig, stringify(access), { mode: 0o600 });
    return { cluster, netns: node.netns, kubeconfig, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
