import assert from 'node:assert/strict';
import { test } from 'node:test';
import { environment, readConfig } from './config.ts';
import { declinedEnvironment, declinedIn } from './declined-environment.ts';

test('what is not read is told when it asks for something that does not hold here', () => {
  const set = { PILOT_ENABLE_AMBIENT: 'true', UNSAFE_ENABLE_ADMIN_ENDPOINTS: 'true', ISTIO_WATCH_NAMESPACE: '' };
  assert.deepEqual(declinedIn(set), ['UNSAFE_ENABLE_ADMIN_ENDPOINTS']);
  assert.deepEqual(declinedIn({ PILOT_ENABLE_AMBIENT: 'false' }), ['PILOT_ENABLE_AMBIENT']);
  assert.deepEqual(declinedIn({}), []);
});

test('no variable is both read and declined', () => {
  assert.deepEqual(
    Object.keys(declinedEnvironment).filter((name) => Object.hasOwn(environment, name)),
    [],
  );
});

test('a variable of more than one word that cannot be used is named with the reason', () => {
  assert.throws(() => readConfig({ JWT_RULE: '{}' }), /JWT_RULE names no issuer/);
  assert.throws(() => readConfig({ TRUSTED_GATEWAY_CIDR: '10.0.0.0/8,all' }), /TRUSTED_GATEWAY_CIDR has the entry all/);
  assert.equal(readConfig({ JWT_RULE: '{"issuer":"https://i","audiences":["a"]}' }).jwtRule?.issuer, 'https://i');
});
