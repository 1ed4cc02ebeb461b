// POST /logging (spec/node-proxy.md 9.5, 13.13): levels of this process and of its data threads change together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest, AdminResponse } from '@ambit/runtime/admin';
import { createLogger } from '@ambit/runtime/log';
import { loggingRoute } from './logging.ts';

function routeOf(startFilter: string) {
  const log = createLogger({ level: startFilter, format: 'plain', write: () => undefined });
  const told: string[] = [];
  const route = loggingRoute({
    log,
    startFilter,
    broadcast: (scope, level) => told.push(scope === undefined ? level : `${scope}=${level}`),
  });
  const ask = (query: string, method = 'POST'): AdminResponse => {
    const request: AdminRequest = {
      method,
      path: '/logging',
      query: new URLSearchParams(query),
      headers: {},
      signal: new AbortController().signal,
      text: async () => '',
    };
    return route(request);
  };
  return { log, told, ask };
}

test('without a parameter the filter is told', () => {
  assert.deepEqual(routeOf('info,access=debug').ask(''), { body: 'current log level is info,access=debug\n' });
});

test('a level for everything forgets the single ones, single ones are added, later ones win', () => {
  const { ask, told, log } = routeOf('info,access=debug');
  assert.equal(ask('level=warn').body, 'current log level is warn\n');
  assert.equal(ask('level=access=trace,dns=off,access=info').body, 'current log level is warn,access=info,dns=off\n');
  assert.deepEqual(told, ['warn', 'access=trace', 'dns=off', 'access=info']);
  assert.equal(log.child('access').isEnabled('info'), true);
  assert.equal(log.child('dns').isEnabled('error'), false);
});

test('a reset goes back to the filter of the start, and takes a level with it', () => {
  const { ask } = routeOf('info,access=debug');
  ask('level=error');
  assert.equal(ask('reset').body, 'current log level is info,access=debug\n');
  assert.equal(ask('level=dns=trace&reset').body, 'current log level is info,access=debug,dns=trace\n');
});

test('bad input is 400 and another method 405, both with the usage, and nothing changes', () => {
  const { ask, told } = routeOf('info');
  for (const query of ['level=access', 'level=loud', 'level=access=loud']) {
    const answer = ask(query);
    assert.equal(answer.status, 400, query);
    assert.match(answer.body as string, /usage: POST \/logging/);
  }
  const wrong = ask('level=debug', 'GET');
  assert.equal(wrong.status, 405);
  assert.match(wrong.body as string, /^Invalid HTTP method\nusage: POST/);
  assert.deepEqual(told, []);
});
