// Tunnel servers of our own engines, and the waypoint, against programs that know HTTP/2 well: h2spec's conformance cases, and h2load's streams.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { BYTE_ENGINES } from '@ambit/hbone';
import { isSecureEngineUsable } from '@ambit/net';
import { writeCertificates } from '../perf/l4/certificates.ts';
import { cleartextBridge } from '../fixtures/cleartext-bridge.ts';
import { peerTest } from '../fixtures/peer-program.ts';

/**
 * h2spec asks with GET and waits for a page; a server of tunnels answers anything but CONNECT with 400 at once, before the
 * body, and resets what the client still sends of it. These cases look at what comes after a page's beginning, by section and
 * title, with what our server does instead.
 */
const answered = 'the stream is over with our 400 before the case sends its second frame';
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'generic/2 Sends a WINDOW_UPDATE frame on half-closed (remote) stream': answered,
  'generic/2 Sends a PRIORITY frame on half-closed (remote) stream': answered,
  'http2/4.2 Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE':
    'our frames may have 1 MiB, the case sends 17 KiB',
  'http2/4.2 Sends a large size DATA frame that exceeds the SETTINGS_MAX_FRAME_SIZE':
    'the case still sends its 1 MiB when GOAWAY and the end of the connection come; it may read a reset instead of them',
  'http2/5.1 half closed (remote): Sends a DATA frame': answered,
  'http2/5.1 half closed (remote): Sends a HEADERS frame': answered,
  'http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame': answered,
  'http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame': answered,
  'http2/5.1 closed: Sends a DATA frame': 'we reset the stream; what comes afterwards was on its way (RFC 9113 5.1)',
  'http2/5.1 closed: Sends a HEADERS frame': 'we reset the stream; what comes afterwards was on its way (RFC 9113 5.1)',
  'http2/5.1.2 Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded':
    'each stream is over with our 400, so that no two are open',
  'http2/6.1 Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state': answered,
  'http2/6.9 Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream': answered,
  'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream':
    answered,
  'http2/8.1 Sends a second HEADERS frame without the END_STREAM flag': answered,
  'http2/8.1.2.1 Sends a HEADERS frame that contains a pseudo-header field as trailers': answered,
  'http2/8.1.2.6 Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length':
    answered,
  'http2/8.1.2.6 Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA frames payload length':
    answered,
};

/** Every case of h2spec's report with whether it passed; skipped ones are left out. */
function casesOf(report: string): ReadonlyMap<string, boolean> {
  const cases = new Map<string, boolean>();
  for (const part of report.split('<testcase ').slice(1)) {
    const attribute = (name: string): string => {
      const from = part.indexOf(`${name}="`) + name.length + 2;
      return part.slice(from, part.indexOf('"', from)).replaceAll('&#34;', '"').replaceAll('&quot;', '"');
    };
    if (part.includes('<skipped')) continue;
    const isBroken = part.includes('<error') || part.includes('<failure');
    cases.set(`${attribute('package')} ${attribute('classname')}`, !isBroken);
  }
  return cases;
}

/** Runs every case; those that fail must be among the exceptions. */
async function askH2spec(
  program: string,
  port: number,
  whom: string,
  exceptions: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-h2spec-'));
  try {
    const report = join(folder, 'report.xml');
    const argv = ['-h', '127.0.0.1', '-p', `${port}`, '-o', '2', '-j', report];
    // Its status tells of cases that failed, the exceptions included.
    await promisify(execFile)(program, argv, { maxBuffer: 16 * 1024 * 1024 }).catch(() => undefined);
    const cases = casesOf(readFileSync(report, 'utf8'));
    const failed = [...cases].filter(([name, isPassed]) => !isPassed && exceptions[name] === undefined);
    process.stdout.write(
      `h2spec, ${whom}: ${[...cases.values()].filter(Boolean).length} of ${cases.size} cases passed\n`,
    );
    assert.deepEqual(
      failed.map(([name]) => name),
      [],
    );
    assert.ok(cases.size > 130, `only ${cases.size} cases ran`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the waypoint does with bytes that are neither HTTP/1.1 nor HTTP/2: it answers in HTTP/1.1, which the case cannot read. */
const OF_WAYPOINTS = { 'http2/3.5 Sends invalid connection preface': 'they are taken for HTTP/1.1 and answered 400' };

peerTest(
  'h2spec',
  'h2spec against a waypoint: every case',
  async (program) => {
    const backend = createServer((request, response) => void request.resume().on('end', () => response.end('hello')));
    await once(backend.listen(0, '127.0.0.1'), 'listening');
    const certificates = await writeCertificates();
    const { port } = backend.address() as AddressInfo;
    const script = join(import.meta.dirname, '../../waypoint/src/testing/bench-waypoint.ts');
    const argv = ['--conditions=@ambit/source', script, certificates.jsonFile, `${port}`, '1', '1'];
    const waypoint = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = (await once(createInterface({ input: waypoint.stdout }), 'line')) as [string];
      await askH2spec(program, Number(line.split(' ')[1]), 'waypoint', OF_WAYPOINTS);
    } finally {
      waypoint.kill('SIGKILL');
      backend.close();
      rmSync(certificates.folder, { recursive: true, force: true });
    }
  },
  { timeout: 180_000 },
);

for (const engine of [BYTE_ENGINES.framed, BYTE_ENGINES.libssl]) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;

  peerTest(
    'h2spec',
    `h2spec against engine ${engine.name}: every case that a server of tunnels can pass`,
    async (program) => {
      await using bridge = await cleartextBridge(engine, (request) => request.accept());
      await askH2spec(program, bridge.port, `engine ${engine.name}`, EXCEPTIONS);
    },
    { timeout: 180_000 },
  );

  peerTest(
    'h2load',
    `h2load against engine ${engine.name}: every request is answered, on few and on many streams`,
    async (program) => {
      await using bridge = await cleartextBridge(engine, (request) => request.accept());
      for (const [clients, streams] of [
        ['1', '1'],
        ['4', '100'],
      ] as const) {
        const argv = ['-n', '4000', '-c', clients, '-m', streams, `http://127.0.0.1:${bridge.port}/`];
        const { stdout } = await promisify(execFile)(program, argv);
        // A GET is no tunnel: 400 is the answer, and each of them is one.
        assert.match(stdout, /4000 total, 4000 started, 4000 done, 0 succeeded, 4000 failed, 0 errored, 0 timeout/);
        assert.match(stdout, /status codes: 0 2xx, 0 3xx, 4000 4xx, 0 5xx/);
      }
    },
    { timeout: 120_000 },
  );
}
