/**
 * `/debug/pprof/...` of the admin server: profiles of all threads in, pprof out (spec/node-proxy.md 9.5). Main thread.
 *
 * Made by `app.ts`. The admin server is on loopback only; a profile holds names of functions and files, no payload.
 */
import type { AdminRequest, AdminResponse, AdminRoute } from '@ambit/runtime/admin';
import type { ProfileRequest, ThreadProfile } from '../../threads/profiler.ts';
import { encodeProfile, type SampleKind } from './encode.ts';

const MAX_SECONDS = 300;
const DEFAULT_SECONDS = 10;
const MAX_HERTZ = 1000;
const DEFAULT_HERTZ = 100;

/** Asks every thread of the process. Rejects with the first reason. */
export type ProfileAll = (request: ProfileRequest) => Promise<readonly ThreadProfile[]>;

/** The routes by path. */
export function pprofRoutes(profileAll: ProfileAll): Readonly<Record<string, AdminRoute>> {
  let isHeapActive = false;

  async function profile(request: AdminRequest): Promise<AdminResponse> {
    const seconds = wholeNumber(request.query.get('seconds'), DEFAULT_SECONDS, MAX_SECONDS);
    const hertz = wholeNumber(request.query.get('frequency'), DEFAULT_HERTZ, MAX_HERTZ);
    if (seconds === undefined) return bad(`seconds must be a number from 1 to ${MAX_SECONDS}`);
    if (hertz === undefined) return bad(`frequency must be a number from 1 to ${MAX_HERTZ}`);
    return encoded('cpu', await profileAll({ what: 'cpu', seconds, hertz }), seconds * 1000);
  }

  async function heap(): Promise<AdminResponse> {
    if (isHeapActive) return encoded('heap', await profileAll({ what: 'heap' }), 0);
    const why =
      'heap profiling is not active\ntry: GET /debug/pprof/heap/profiling?activate=true, and again after a while\n';
    return { status: 500, body: why };
  }

  async function heapProfiling(request: AdminRequest): Promise<AdminResponse> {
    const asked = request.query.get('activate');
    if (asked !== null && asked !== 'true' && asked !== 'false') return bad('activate must be true or false');
    if (asked !== null) {
      await profileAll({ what: 'heap-sampling', active: asked === 'true' });
      isHeapActive = asked === 'true';
    }
    return { body: `heap profiling is ${isHeapActive ? 'active' : 'not active'}\n` };
  }

  return {
    '/debug/pprof/profile': profile,
    '/debug/pprof/heap': heap,
    '/debug/pprof/heap/profiling': heapProfiling,
  };
}

function encoded(kind: SampleKind, threads: readonly ThreadProfile[], durationMs: number): AdminResponse {
  const body = encodeProfile(kind, threads, { atMs: Date.now() - durationMs, durationMs });
  return { contentType: 'application/octet-stream', body };
}

function bad(why: string): AdminResponse {
  return { status: 400, body: `${why}\n` };
}

/** A whole number from 1 to `max`; undefined for anything else. */
function wholeNumber(text: string | null, fallback: number, max: number): number | undefined {
  if (text === null) return fallback;
  const value = Number(text);
  return text !== '' && Number.isInteger(value) && value >= 1 && value <= max ? value : undefined;
}
