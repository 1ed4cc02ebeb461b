// Images that packages/images writes are what a container runtime takes: imported into Debian's containerd and started there. Root only.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missingForContainerd, startContainerd } from '../fixtures/cri/containerd.ts';
import { createAgentNode } from '../fixtures/node-agent.ts';

const missing = missingForContainerd();
const skip = process.getuid?.() === 0 ? (missing ?? false) : 'needs root for containers';
if (missing !== undefined) process.stdout.write(`not run: containerd (${missing})\n`);

const program = fileURLToPath(new URL('../../packages/images/src/main.ts', import.meta.url));

test(
  'containerd imports every image, and its program starts: control plane and waypoint without rights, the node proxy with its native calls, the node agent with the tools of a node',
  { skip, timeout: 300_000 },
  async (t) => {
    const out = mkdtempSync(join(tmpdir(), 'ambit-images-'));
    t.after(() => rmSync(out, { recursive: true }));
    execFileSync(process.execPath, ['--conditions=@ambit/source', program, '--out', out], {
      stdio: 'pipe',
      timeout: 240_000,
    });
    await using node = await createAgentNode();
    await using runtime = await startContainerd(node.netns, node);
    const start = (image: string, ...command: readonly string[]) => {
      const options = ['--rm', '--snapshotter', 'native', '--cgroup', `/ambit-t-${process.pid}-${image}`];
      return runtime.ctr(
        'run',
        ...options,
        `docker.io/ambit/${image}:dev`,
        `ambit-t-${process.pid}-${image}`,
        ...command,
      );
    };
    const names = readdirSync(out)
      .filter((file) => file.endsWith('.oci.tar'))
      .map((file) => file.slice(0, -'.oci.tar'.length));
    assert.deepEqual(names.toSorted(), ['control-plane', 'node-agent', 'node-proxy', 'waypoint']);
    for (const component of names) {
      const bill = JSON.parse(readFileSync(join(out, `${component}.cdx.json`), 'utf8')) as { components: unknown[] };
      assert.ok(bill.components.length > 0, `bill of materials of ${component}`);
      const { status, output } = runtime.ctr(
        'images',
        'import',
        '--snapshotter',
        'native',
        join(out, `${component}.oci.tar`),
      );
      assert.equal(status, 0, output);
    }

    // No cluster is near: the program is whole when it says that, under its own user.
    const controlPlane = start('pilot');
    assert.notEqual(controlPlane.status, 0);
    assert.match(controlPlane.output, /^no Kubernetes cluster is configured$/mu);
    assert.doesNotMatch(controlPlane.output, /ERR_MODULE_NOT_FOUND|error while loading shared libraries/u);
    assert.match(start('pilot', '/usr/bin/node', '-p', 'process.getuid()').output, /^65532$/mu);

    const main = '/app/node_modules/@ambit/node-proxy/dist/bundle/main.js';
    const version = start('ztunnel', '/usr/bin/node', main, 'version');
    assert.equal(version.status, 0, version.output);
    const probe = start(
      'proxyv2',
      '/usr/bin/node',
      '/app/node_modules/@ambit/waypoint/dist/src/main.js',
      'probe',
      '--timeout',
      '0',
      '127.0.0.1:1',
    );
    assert.match(probe.output, /ECONNREFUSED/u);
    assert.match(start('proxyv2', '/usr/bin/node', '-p', 'process.getuid()').output, /^65532$/mu);
    const agent = start(
      'install-cni',
      '/usr/bin/node',
      '/app/node_modules/@ambit/node-agent/dist/src/main.js',
      '--nothing',
    );
    assert.notEqual(agent.status, 0);
    assert.match(agent.output, /--nothing/u);
    for (const tool of ['/usr/sbin/nft', '/usr/sbin/ipset', '/usr/bin/ip'])
      assert.match(start('install-cni', tool, '-V').output, /\d+\.\d+/u, tool);
    const native = "const k = require('/app/node_modules/koffi'); console.log(k.load(null).func('int getpid()')());";
    assert.match(start('ztunnel', '/usr/bin/node', '-e', native).output, /^\d+$/mu);
  },
);
