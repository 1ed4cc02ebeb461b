// Test doubles of this package: a clock that a test moves, a logger that remembers.
export { createFakeClock, type FakeClock } from './fake-clock.ts';
export { createCapturingLogger, type CapturedLine, type CapturingLogger } from './capturing-logger.ts';
