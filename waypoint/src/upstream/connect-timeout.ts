/** How long a connection to a backend may take: its rule's limit, else the mesh's (spec/waypoint.md 5.8). Pure; data thread. */
import { timerMs } from '@ambit/l7';
import type { Backend } from '@ambit/proto/waypoint';
import type { ProxySettings } from '../updates/proxy-settings.ts';

/** Milliseconds from the dial to the end of the handshakes; 10 000 unless configured. */
export const connectTimeoutOf = (backend: Backend | undefined, { connectTimeoutMs }: ProxySettings): number =>
  timerMs(backend?.pool?.connect) ?? connectTimeoutMs;
