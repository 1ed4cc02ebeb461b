// Which rules a pod gets: the agent's settings, and what the pod's annotations say (spec node-agent 1.4).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCapturingLogger } from '@ambit/runtime/testing';
import { readNodeAgentConfig } from '../config.ts';
import { ruleSettingsOf } from './netns-capture.ts';

function settingsOf(annotations: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>> = {}) {
  const log = createCapturingLogger();
  const config = readNodeAgentConfig([], { NODE_NAME: 'n1', ...environment });
  const settings = ruleSettingsOf({ metadata: { name: 'web', namespace: 'shop', annotations } }, config, log);
  return { settings, warnings: log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message) };
}

test("a pod's word on DNS goes before the agent's setting, in every spelling of a boolean, and nothing else does", () => {
  for (const isOn of [false, true]) {
    const environment = { AMBIENT_DNS_CAPTURE: String(isOn) };
    const captures = (text: string | undefined): boolean =>
      settingsOf(text === undefined ? {} : { 'ambient.istio.io/dns-capture': text }, environment).settings.dnsCapture;
    assert.equal(captures(undefined), isOn);
    for (const text of ['1', 't', 'T', 'TRUE', 'true', 'True']) assert.equal(captures(text), true, text);
    for (const text of ['0', 'f', 'F', 'FALSE', 'false', 'False']) assert.equal(captures(text), false, text);
    for (const text of ['', 'yes', 'tRUE', 'true\n']) assert.equal(captures(text), isOn, text);
  }
  assert.deepEqual(settingsOf({ 'ambient.istio.io/dns-capture': 'yes' }).warnings, [
    'annotation is not a boolean and was ignored',
  ]);
});

test('interfaces are named in a list; those that could break out of a rule are left out, the others stay', () => {
  const { settings, warnings } = settingsOf({
    'istio.io/reroute-virtual-interfaces': ' tap0, ,"; flush ruleset; #,x\n-A OUTPUT -j DROP,vm+,sixteen-characters',
    'ambient.istio.io/bypass-inbound-capture': 'true',
  });
  assert.deepEqual([settings.virtualInterfaces, settings.bypassInbound], [['tap0', 'vm+'], true]);
  assert.deepEqual(warnings, ['an interface name was refused']);
});
