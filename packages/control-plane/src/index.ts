// Entry of @ambit/control-plane for tests: the app without a process around it.
export { type AppParts, type ControlPlane, startControlPlane } from './app.ts';
export { type ControlPlaneConfig, readConfig } from './config.ts';
