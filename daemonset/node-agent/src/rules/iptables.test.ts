import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iptablesBackend } from './iptables.ts';
import type { PodRuleSettings } from './plan.ts';

test('where IPv6 is on and its tools are missing a pod is refused before anything is changed, with what to do', async () => {
  const backend = iptablesBackend({
    v4: { program: 'ambit-no-such-program', variant: 'nft', waitOptions: [] },
    v6: undefined,
  });
  const settings: PodRuleSettings = {
    ipv6: true,
    dnsCapture: false,
    bypassInbound: false,
    virtualInterfaces: [],
    probeIp: '169.254.7.127',
    probeIpv6: 'fd16::1',
  };
  await assert.rejects(backend.load(0, settings), {
    code: 'ERR_NODE_AGENT_RULES',
    message: 'ip6tables is not usable, but IPv6 is switched on',
    hint: 'install ip6tables, or set AMBIENT_IPV6=false',
  });
  // Where it is off the tools of IPv4 are asked.
  await assert.rejects(backend.load(0, { ...settings, ipv6: false }), /ambit-no-such-program|nsenter/);
});
