/** Doubles of the waypoint, for tests only. */
export * from './mesh.ts';
