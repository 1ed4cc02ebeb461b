// Sessions of a rule (spec/waypoint.md 3.10, packages/docs/adr/0014) through a real data plane.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { SessionPersistence_Type, type SessionPersistenceSchema } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const uid = (n: number): string => `cluster//Pod/apps/reviews-${n}`;
type Session = MessageInitShape<typeof SessionPersistenceSchema>;

describe('sessions', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh();
    configure({ type: SessionPersistence_Type.COOKIE, name: 'sid' });
    for (const n of [2, 3, 4, 5]) mesh.addWorkload(n, { handler: (_request, response) => response.end(`pod ${n}`) });
  });
  afterEach(() => mesh.close());

  const configure = (session: Session, key?: Uint8Array): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey, routeTable: 'routes' }],
        },
      },
      routeTables: {
        routes: {
          hosts: ['*'],
          routes: [{ action: { case: 'forward', value: { targets: [{ backend: backendKey, weight: 1 }] } }, session }],
        },
      },
      ...(key && { secrets: { 'session-key/apps/waypoint': { body: { case: 'opaque', value: key } } } }),
    });
  const ask = async (cookie?: string, of: TestMesh = mesh): Promise<{ pod: string; given: string | undefined }> => {
    const { body, headers } = await of.get('/', cookie === undefined ? {} : { headers: { cookie } });
    return { pod: body, given: headers['set-cookie']?.[0]?.split(';')[0] };
  };
  /** The pods that answer twelve requests with this cookie. */
  const pods = async (cookie: string): Promise<Set<string>> => {
    const seen = new Set<string>();
    for (let index = 0; index < 12; index++) seen.add((await ask(cookie)).pod);
    return seen;
  };

  test('a cookie leads to the endpoint that gave it, and is not given again', async () => {
    const { pod, given } = await ask();
    assert.ok(given !== undefined);
    assert.deepEqual([...(await pods(given))], [pod]);
    assert.equal((await ask(given)).given, undefined);
  });

  test('a cookie tells nothing of the address behind it', async () => {
    const { given = '' } = await ask();
    assert.match(given, /^sid=[\w-]{11}\.[\w-]{11}\.[a-z0-9]+\.[a-z0-9]+\.[\w-]{22}$/);
    const other = new Set<string>();
    for (let index = 0; index < 12; index++) other.add((await ask()).given?.split('.')[0] ?? '');
    assert.equal(other.size, 1, 'the backend has one name');
  });

  test('a cookie that was changed or made up is none', async () => {
    const { pod, given = '' } = await ask();
    let elsewhere = given;
    while (elsewhere.split('.')[1] === given.split('.')[1]) elsewhere = (await ask()).given ?? '';
    const [name, , ...rest] = given.split('.');
    const forged = [name, elsewhere.split('.')[1], ...rest].join('.');
    const answer = await ask(forged);
    assert.ok(answer.given !== undefined, 'it gets one of its own');
    assert.ok((await pods(forged)).size > 1, 'and the balancer chooses');
    assert.ok((await pods(`${given}x`)).size > 1);
    assert.deepEqual([...(await pods(given))], [pod]);
  });

  test('when its endpoint is gone a cookie leads to another one, which it is given', async () => {
    const { pod, given = '' } = await ask();
    mesh.publish({ removed: [uid(Number(pod.split(' ')[1]))] });
    const next = await ask(given);
    assert.notEqual(next.pod, pod);
    assert.ok(next.given !== undefined && next.given !== given);
    assert.deepEqual([...(await pods(next.given))], [next.pod]);
  });

  test('waypoints with the same key take the same cookies; with another key, and without one, they are none', async () => {
    const session = { type: SessionPersistence_Type.COOKIE, name: 'sid' };
    const without = (await ask()).given ?? '';
    configure(session, new Uint8Array(32).fill(5));
    assert.ok((await ask(without)).given !== undefined);
    const { pod, given = '' } = await ask();
    // A replica that starts later: other memory, the same configuration.
    configure(session, new Uint8Array(32).fill(5));
    assert.deepEqual([...(await pods(given))], [pod]);
    configure(session, new Uint8Array(32).fill(6));
    assert.ok((await ask(given)).given !== undefined);
  });
});
