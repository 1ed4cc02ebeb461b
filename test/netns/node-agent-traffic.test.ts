// What becomes of each kind of traffic of an enrolled pod, with every rule tool and in both families. Root only.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../fixtures/agent-process.ts';
import { type AgentTestPod, createAgentNode, ruleTools } from '../fixtures/node-agent.ts';
import { startNodeProxy } from '../fixtures/node-proxy.ts';
import { greeting, greetIn } from '../fixtures/pod-greetings.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const probeAddresses = { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' };
const nodeIpv6 = 'fd00:201::fe';

/** A UDP server of the pod that answers everything with its name. */
async function answerDatagrams(pod: AgentTestPod, address: string, port: number, name: string): Promise<Disposable> {
  const script = `const s = require('node:dgram').createSocket('udp4');
    s.on('message', (_, from) => s.send('${name}\\n', from.port, from.address));
    s.bind(${port}, '${address}', () => console.log('listening'));`;
  const child = spawn('ip', ['netns', 'exec', pod.namespace, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

/** What the pod gets for a datagram. */
const datagram = (from: AgentTestPod, host: string, port: number): string =>
  from
    .run('bash', '-c', `exec 3<>/dev/udp/${host}/${port}; echo hello >&3; timeout 3 head -n 1 <&3 || echo nothing`)
    .trim();

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: of an enrolled pod TCP and names are captured in both families; its own addresses, probes, tunnels and other datagrams are not`,
    { skip, timeout: 90_000 },
    async () => {
      await using node = await createAgentNode();
      node.exec('ip', '-6', 'addr', 'add', `${nodeIpv6}/64`, 'dev', 'br0', 'nodad');
      const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
      for (const each of [pod, other]) each.run('ip', '-6', 'route', 'add', 'default', 'via', nodeIpv6);
      node.addresses('a', [pod.ip, pod.ip6]);
      await using stack = new AsyncDisposableStack();
      for (const [each, port, name] of [
        [pod, 8080, 'application'],
        [pod, 15_001, 'outbound'],
        [pod, 15_006, 'inbound'],
        [pod, 15_008, 'tunnel'],
        [pod, 15_053, 'names'],
        [other, 8080, 'outside'],
        [other, 53, 'resolver'],
      ] as const)
        stack.use(await greetIn(each, port, name));
      stack.use(await answerDatagrams(pod, '127.0.0.1', 15_053, 'names'));
      stack.use(await answerDatagrams(other, other.ip, 53, 'resolver'));
      stack.use(await answerDatagrams(other, other.ip, 9000, 'outside'));
      await node.start({ ...environment, AMBIENT_IPV6: 'true', AMBIENT_DNS_CAPTURE: 'true' });
      using _proxy = await node.proxy();
      const from = { pod: pod.netns.fd, other: other.netns.fd, node: node.bridgeFd };
      assert.equal(await greeting(from.pod, other.ip, 8080), `outside ${pod.ip}`, 'not in the mesh yet');
      node.label('a', 'ambient');
      await node.until('a', 'enabled');

      for (const [own, theirs, local, probe] of [
        [pod.ip, other.ip, '127.0.0.1', probeAddresses.v4],
        [pod.ip6, other.ip6, '::1', probeAddresses.v6],
      ] as const) {
        assert.equal(await greeting(from.pod, theirs, 8080), `outbound ${own}`);
        assert.equal(await greeting(from.pod, theirs, 53), `names ${own}`);
        assert.equal(await greeting(from.other, own, 8080), `inbound ${theirs}`);
        assert.equal(await greeting(from.other, own, 15_008), `tunnel ${theirs}`, 'tunnels reach their listener');
        assert.equal(await greeting(from.pod, own, 8080), `application ${own}`, 'the pod calls itself');
        assert.equal(await greeting(from.pod, local, 8080), `application ${local}`);
        assert.equal(await greeting(from.node, own, 8080), `application ${probe}`, 'probes of the node');
      }
      assert.equal(datagram(pod, other.ip, 53), 'names');
      // Gap G28, as upstream: neither tunnel nor policy.
      assert.equal(datagram(pod, other.ip, 9000), 'outside');
    },
  );

const meshState = `
workloads:
- { uid: c, name: c, namespace: shop, serviceAccount: c, workloadIps: ["10.202.0.1", "fd00:201::1"], protocol: HBONE, node: n1, services: {} }
- { uid: s, name: s, namespace: shop, serviceAccount: s, workloadIps: ["10.202.0.2", "fd00:201::2"], protocol: HBONE, node: n1, services: {} }
`;

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: a real node proxy carries both families with the client as source, also without an agent and after the agent was deleted`,
    { skip, timeout: 120_000 },
    async () => {
      await using node = await createAgentNode();
      const [client, server] = [node.pod('c', '10.202.0.1'), node.pod('s', '10.202.0.2')];
      for (const each of [client, server]) node.addresses(each.name, [each.ip, each.ip6]);
      await using _application = await greetIn(server, 8080, 'application');
      const settings = { ...environment, AMBIENT_IPV6: 'true', AMBIT_UNINSTALL_PODS: 'keep' };
      const agent = await node.start(settings);
      await using proxy = startNodeProxy(
        {
          NODE_NAME: 'n1',
          XDS_ADDRESS: '',
          FAKE_CA: 'true',
          AMBIT_FAKE_CA_DIR: join(node.run, 'ca'),
          LOCAL_XDS: meshState,
          INPOD_UDS: join(node.run, 'ztunnel.sock'),
          AMBIT_LOOPBACK_ADDRESS: '127.78.0.1',
          ZTUNNEL_WORKER_THREADS: '1',
        },
        { address: '127.78.0.1' },
      );
      await proxy.ready();
      for (const { name } of [client, server]) node.label(name, 'ambient');
      for (const { name } of [client, server]) await node.until(name, 'enabled');
      const isCarried = async (when: string): Promise<void> => {
        for (const [own, theirs] of [
          [client.ip, server.ip],
          [client.ip6, server.ip6],
        ] as const) {
          const before = proxy.lines.filter((line) => line.includes('direction="inbound"')).length;
          assert.equal(await greeting(client.netns.fd, theirs, 8080), `application ${own}`, when);
          await eventually(
            () => proxy.lines.filter((line) => line.includes('direction="inbound"')).length > before,
            () => `${when}: ${proxy.lines.slice(-5).join('\n')}`,
          );
        }
      };
      await isCarried('with an agent');
      await agent.kill();
      await isCarried('without an agent');
      const next = await node.start(settings);
      node.cluster.remove({ kind: 'DaemonSet', namespace: 'istio-system', name: 'istio-cni-node' });
      assert.equal(await next.stop(), 0);
      await isCarried('after the agent was deleted');
    },
  );
