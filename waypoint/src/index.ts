/** The waypoint as a library for tests of other packages: its data plane without threads and control plane. The app is main.ts. */
export { readConfig, schema, type WaypointConfig } from './config.ts';
export { createDataPlane, type DataPlane, type DataPlaneOptions } from './threads/data-plane.ts';
export type { DataThreadSettings, FromDataThread, ToDataThread } from './threads/messages.ts';
