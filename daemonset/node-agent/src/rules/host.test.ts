import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { HostBackend } from './host-backend.ts';
import { buildSets, membersOf } from './host-iptables.ts';
import { buildHostTransaction } from './host-nftables.ts';
import { HostRules } from './host.ts';

/** A kernel that holds what was written last. */
function kernel(): { readonly backend: HostBackend; text: string; writes: number } {
  const state = { text: '', writes: 0 };
  const backend: HostBackend = {
    name: 'memory',
    write: async (owners) => {
      await Promise.resolve();
      state.writes += 1;
      state.text = [...owners].map(([ip, uid]) => `${ip}=${uid}`).join(' ');
    },
    clear: async () => void (state.text = ''),
    print: async () => state.text,
  };
  return Object.assign(state, { backend });
}

test('an address that a new pod got is not taken from it when the old pod leaves late', async () => {
  const node = kernel();
  const host = new HostRules(node.backend, silentLogger);
  await host.set('old', ['10.0.0.1', '10.0.0.2']);
  await host.set('new', ['10.0.0.1']);
  await host.remove('old');
  assert.equal(node.text, '10.0.0.1=new');
});

test('changes that come together are written together', async () => {
  const node = kernel();
  const host = new HostRules(node.backend, silentLogger);
  await Promise.all(['a', 'b', 'c', 'd'].map(async (uid, index) => host.set(uid, [`10.0.0.${index}`])));
  assert.equal(node.text.split(' ').length, 4);
  assert.ok(node.writes <= 2, String(node.writes));
});

test('what others changed is put back and told, what this agent changed is not', async () => {
  const node = kernel();
  const host = new HostRules(node.backend, silentLogger);
  await host.set('a', ['10.0.0.1']);
  assert.equal(await host.repair(), false);
  assert.equal(await host.repair(), false);
  node.text = '';
  assert.equal(await host.repair(), true);
  assert.equal(node.text, '10.0.0.1=a');
});

test('a pod that is enrolled once more writes nothing, so that what others changed is still found', async () => {
  const node = kernel();
  const host = new HostRules(node.backend, silentLogger);
  await host.set('a', ['10.0.0.1']);
  assert.equal(await host.repair(), false);
  node.text = '';
  await host.set('a', ['10.0.0.1']);
  assert.equal(node.text, '');
  assert.equal(await host.repair(), true);
});

test('two prints of a set made anew are equal when its addresses are', () => {
  const saved = (seed: string): string =>
    `create other hash:ip\ncreate istio-inpod-probes-v4 hash:ip family inet hashsize 1024 initval ${seed}\nadd istio-inpod-probes-v4 10.0.0.1 comment "a"\n`;
  assert.equal(membersOf(saved('0x1')), membersOf(saved('0x2')));
  assert.notEqual(membersOf(saved('0x1')), membersOf(saved('0x1').replace('10.0.0.1', '10.0.0.2')));
  assert.doesNotMatch(membersOf(saved('0x1')), /other/);
});

test('a failed write does not stop the next one', async () => {
  const node = kernel();
  let fails = true;
  const host = new HostRules(
    {
      ...node.backend,
      write: async (owners) => {
        if (fails) throw new Error('no kernel');
        await node.backend.write(owners);
      },
    },
    silentLogger,
  );
  await assert.rejects(host.set('a', ['10.0.0.1']), /no kernel/);
  fails = false;
  await host.set('b', ['10.0.0.2']);
  assert.equal(node.text, '10.0.0.1=a 10.0.0.2=b');
});

test('what is no address reaches neither tool', () => {
  const owners = new Map(
    ['10.0.0.1 }; flush ruleset; #', '10.0.0.1\nflush x', 'fe80::1%e', 'evil', '10.0.0.2'].map((ip) => [ip, 'a']),
  );
  const settings = { ipv6: true, probeIp: '169.254.7.127', probeIpv6: 'fd16::1', probeUid: 0, isOnlyProbeUid: false };
  for (const text of [buildHostTransaction(settings, owners), buildSets(true, owners)]) {
    assert.match(text, /10\.0\.0\.2/);
    assert.doesNotMatch(text, /flush ruleset|flush x|fe80|evil/);
  }
});

test('addresses of a family that is off are left out of sets and rules', () => {
  const owners = new Map([
    ['10.0.0.1', 'a'],
    ['fd00::1', 'a'],
  ]);
  const settings = { ipv6: false, probeIp: '169.254.7.127', probeIpv6: 'fd16::1', probeUid: 0, isOnlyProbeUid: false };
  assert.doesNotMatch(buildHostTransaction(settings, owners), /fd00|ip6/);
  assert.match(buildHostTransaction({ ...settings, ipv6: true }, owners), /fd00::1 comment "a"/);
  assert.doesNotMatch(buildSets(false, owners), /v6/);
  assert.match(buildSets(true, owners), /swap istio-inpod-probes-v6-new istio-inpod-probes-v6\n/);
});
