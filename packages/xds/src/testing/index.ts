// Test doubles: a real delta ADS server over tables on loopback, and a bare client that shows every message.
export { startTestXdsServer, type TestXdsServer } from './test-server.ts';
export { selfSigned, type TestKeyPair } from './self-signed.ts';
export { openRawClient, type RawXdsClient } from './raw-client.ts';
