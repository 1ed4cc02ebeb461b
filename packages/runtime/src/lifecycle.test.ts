import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { createBackoff } from './backoff.ts';
import { sleep } from './clock.ts';
import { createDrain, DrainStarted } from './drain.ts';
import { CodedError, explain } from './errors.ts';
import { readOrExit, runUntilSignal } from './lifecycle.ts';
import { createReadiness } from './readiness.ts';
import { createCapturingLogger, createFakeClock } from './testing/index.ts';

class FakeHost extends EventEmitter {
  readonly statuses: number[] = [];
  exit(status: number): void {
    this.statuses.push(status);
  }
}

test('a signal drains, closes and exits with 0', async () => {
  const host = new FakeHost();
  const drain = createDrain();
  const steps: string[] = [];
  const hold = drain.hold();
  drain.signal.addEventListener('abort', () => {
    steps.push('drain');
    hold[Symbol.dispose]();
  });
  const status = runUntilSignal(() => ({ close: () => void steps.push('close') }), { drain, host });
  host.emit('SIGTERM');
  assert.equal(await status, 0);
  assert.deepEqual(steps, ['drain', 'close']);
  assert.deepEqual(host.statuses, [0]);
  assert.equal(host.listenerCount('SIGTERM') + host.listenerCount('SIGINT'), 0);
});

test('a second signal ends at once', async () => {
  const host = new FakeHost();
  const drain = createDrain();
  const hold = drain.hold();
  const status = runUntilSignal(() => undefined, { drain, host });
  host.emit('SIGTERM');
  host.emit('SIGTERM');
  assert.deepEqual(host.statuses, [0]);
  hold[Symbol.dispose]();
  await status;
});

test('a failing start is logged with its cause and ends with 1', async () => {
  const host = new FakeHost();
  const log = createCapturingLogger();
  const main = (): never => {
    throw new CodedError('ERR_TEST', 'cannot listen', { cause: new Error('port 1 is taken'), hint: 'stop the other' });
  };
  assert.equal(await runUntilSignal(main, { drain: createDrain(), host, log }), 1);
  assert.equal(log.lines[0]?.fields['error'], 'cannot listen\nwhy: port 1 is taken\ntry: stop the other');
});

test('a drain ends with the last hold, or at the deadline', async () => {
  const clock = createFakeClock();
  const drain = createDrain({ clock });
  using first = drain.hold();
  const second = drain.hold();
  const outcome = drain.start('graceful', 1000);
  assert.ok(drain.signal.reason instanceof DrainStarted);
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  assert.equal(drain.held, 1);
  await clock.advance(1000);
  assert.equal(await outcome, 'deadline');
  const again = drain.start('graceful', 1000);
  assert.equal(await drain.start('immediate', 0), 'deadline');
  assert.equal(await again, 'deadline');
  void first;
});

test('readiness names what is still awaited', async () => {
  const readiness = createReadiness();
  const proxy = readiness.register('proxy');
  const state = readiness.register('state manager');
  assert.deepEqual(readiness.pending(), ['proxy', 'state manager']);
  state.ready();
  state.ready();
  assert.deepEqual(readiness.pending(), ['proxy']);
  proxy[Symbol.dispose]();
  await readiness.whenReady;
});

test('backoff doubles to its limit, varies within the jitter, and resets', () => {
  const steady = createBackoff({ initialMs: 10, maxMs: 50 });
  assert.deepEqual([steady.next(), steady.next(), steady.next(), steady.next(), steady.next()], [10, 20, 40, 50, 50]);
  steady.reset();
  assert.equal(steady.next(), 10);
  const low = createBackoff({ initialMs: 100, maxMs: 1000, jitter: 0.2, random: () => 0 });
  assert.equal(low.next(), 80);
});

test('sleep ends with its clock or with the reason of its signal', async () => {
  const clock = createFakeClock();
  const done = sleep(50, { clock });
  await clock.advance(50);
  await done;
  const ending = new AbortController();
  const cut = sleep(50, { clock, signal: ending.signal });
  const reason = new Error('over');
  ending.abort(reason);
  await assert.rejects(cut, reason);
  assert.equal(clock.pending, 0);
});

test('an explanation stops at a circle of causes', () => {
  const error = new Error('loop');
  error.cause = error;
  assert.equal(explain(error).split('\n').length, 6);
});

test('a configuration that cannot be used is told in words, and ends the process with status 1', () => {
  const printed: string[] = [];
  const exited = new Error('exit');
  const host = {
    print: (text: string) => void printed.push(text),
    exit: (status: number): never => {
      printed.push(`status ${status}`);
      throw exited;
    },
  };
  const failing = (): never => {
    throw new CodedError('ERR_TEST', 'PORT is not a number', { hint: 'correct it' });
  };
  assert.throws(() => readOrExit(failing, host), exited);
  assert.deepEqual(printed, ['PORT is not a number\ntry: correct it\n', 'status 1']);
  assert.equal(
    readOrExit(() => 7, host),
    7,
  );
});
