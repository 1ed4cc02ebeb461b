import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { joinArguments, logFilterOf } from './arguments.ts';
import { nodeAgentEnv, readNodeAgentConfig } from './config.ts';

const node = { NODE_NAME: 'n1' };

test('every variable is a flag with dashes too, and the flag wins', () => {
  for (const name of Object.keys(nodeAgentEnv)) {
    const flag = `--${name.toLowerCase().replaceAll('_', '-')}`;
    assert.equal(joinArguments(nodeAgentEnv, [`${flag}=x`], { [name]: 'y' })[name], 'x', flag);
  }
  const config = readNodeAgentConfig(
    ['--ambient-ipv6', '--exclude-namespaces', 'b,c', '--monitoring-port=0', '--ambient-dns-capture=T'],
    { ...node, AMBIENT_IPV6: 'false', EXCLUDE_NAMESPACES: 'a' },
  );
  assert.deepEqual(
    [config.AMBIENT_IPV6, config.EXCLUDE_NAMESPACES, config.MONITORING_PORT, config.AMBIENT_DNS_CAPTURE],
    [true, ['b', 'c'], 0, true],
  );
});

test("what the charts and upstream's charts pass is understood", () => {
  const config = readNodeAgentConfig(
    [
      '--log_output_level=default:info,cni-plugin:debug,cni-agent:none',
      '--log_as_json',
      '--ctrlz_port',
      '9999',
      '--ctrlz_address=0.0.0.0',
    ],
    { ...node, AMBIENT_ENABLED: '1' },
  );
  assert.equal(config.LOG_LEVEL, 'info,node-agent::cni-plugin=debug,node-agent=off');
  assert.deepEqual([config.LOG_FORMAT, config.AMBIT_DEBUG_PORT, config.AMBIENT_ENABLED], ['json', 9999, true]);
  assert.equal(logFilterOf('debug'), 'debug');
});

test('all that cannot be understood is named at once, and nothing is guessed', () => {
  assert.throws(
    () => readNodeAgentConfig(['--no-such-flag', 'word', '--__proto__=1', '--cni-conf-name'], node),
    /--no-such-flag is no flag; word is no flag; --__proto__ is no flag; --cni-conf-name has no value/,
  );
  assert.throws(
    () => readNodeAgentConfig([], { ...node, AMBIENT_IPV6: 'perhaps' }),
    /AMBIENT_IPV6 must be true or false/,
  );
});

test('an address that becomes part of rules must be one', () => {
  for (const flag of [
    '--host-probe-snat-ip=10.0.0.1 accept',
    '--host-probe-snat-ip=fd00::1',
    '--host-probe-snat-ipv6=x',
  ])
    assert.throws(() => readNodeAgentConfig([flag], node), { code: 'ERR_NODE_AGENT_CONFIG' }, flag);
});

test('any words end with an environment or an error that names them', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('--ambient-ipv6', '--node-name', '='))), (args) => {
      try {
        joinArguments(nodeAgentEnv, args, {});
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_RUNTIME_CONFIG');
      }
    }),
  );
});
