// A flow for tests: a connection of `shop/load` that ended well, with what a test wants otherwise.
import type { Flow } from '../access-line.ts';

/** Makes it. */
export const flow = (fields: Partial<Flow>): Flow => ({
  time: '2026-01-01T00:00:00.000Z',
  direction: 'outbound',
  source: 'shop/load',
  destination: 'shop/waypoint',
  service: 'reviews.shop.svc.cluster.local',
  isMutualTls: true,
  bytes: 10,
  durationMs: 1,
  error: '',
  method: '',
  path: '',
  status: 0,
  sourceAddress: '10.0.0.1:4000',
  destinationAddress: '10.0.0.9:15008',
  sourceIdentity: 'spiffe://cluster.local/ns/shop/sa/load',
  destinationIdentity: 'spiffe://cluster.local/ns/shop/sa/waypoint',
  authority: '',
  connection: '',
  trace: '',
  reporter: '',
  ...fields,
});
