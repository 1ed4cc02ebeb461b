import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listingTable } from '../output/print-listing.ts';
import { parseAgentDump } from './dump.ts';
import { normalizeLevels } from './log.ts';
import { certificateView, connectionView, policyView, serviceView, workloadView } from './views.ts';

const flags = { output: 'table', headers: true };
const dump = parseAgentDump(
  JSON.stringify({
    workloads: [
      {
        name: 'b',
        namespace: 'shop',
        workloadIps: ['10.0.0.2', 'fd00::2'],
        node: 'n2',
        protocol: 'HBONE',
        waypoint: { destination: 'default/10.96.0.9' },
      },
      { name: 'a', namespace: 'shop', workloadIps: ['10.0.0.1'], node: 'n1', protocol: 'TCP' },
    ],
    services: {
      one: {
        name: 'waypoint',
        namespace: 'shop',
        hostname: 'waypoint.shop.svc.cluster.local',
        vips: ['default/10.96.0.9'],
        endpoints: { x: { workloadUid: 'x', status: 'Healthy' }, y: { workloadUid: 'y', status: 'Unhealthy' } },
      },
    },
    policies: [{ name: 'deny', namespace: 'shop', action: 'Deny', scope: 'Namespace', rules: [] }],
    certificates: [
      { identity: 'spiffe://cluster.local/ns/shop/sa/a', state: 'Unavailable: no token', certChain: [], rootCerts: [] },
      {
        identity: 'spiffe://cluster.local/ns/shop/sa/b',
        state: 'Available',
        certChain: [{ serialNumber: '255', validFrom: '2026-01-01T00:00:00Z', expirationTime: '2026-01-02T00:00:00Z' }],
        rootCerts: [{ serialNumber: '1', validFrom: '2026-01-01T00:00:00Z', expirationTime: '2036-01-01T00:00:00Z' }],
      },
    ],
    workloadState: {
      u: {
        state: 'Up',
        info: { name: 'a', namespace: 'shop' },
        connections: {
          inbound: [],
          outbound: [
            { src: '10.0.0.1:999', originalDst: '[fd00::2]:80', actualDst: '10.0.0.2:15008', protocol: 'HBONE' },
          ],
        },
      },
    },
  }),
  'test',
);

test('workloads and services show what istioctl shows, lists of both forms and every address included', () => {
  assert.equal(
    listingTable(workloadView(dump, {}), flags),
    [
      'NAMESPACE  POD NAME  ADDRESS           NODE  WAYPOINT  PROTOCOL',
      'shop       a         10.0.0.1          n1    None      TCP',
      'shop       b         10.0.0.2,fd00::2  n2    waypoint  HBONE',
    ].join('\n'),
  );
  assert.deepEqual(
    workloadView(dump, { address: 'fd00::2' }).rows.map((row) => row.name),
    ['b'],
  );
  assert.match(listingTable(serviceView(dump, {}), flags), /10\.96\.0\.9 +None +1\/2/);
  assert.match(listingTable(policyView(dump, {}), flags), /shop +deny +Deny +Namespace/);
});

test('connections carry names of both address families', () => {
  assert.match(
    listingTable(connectionView(dump, {}), flags),
    /a\.shop +Outbound +a\.shop:999 +b\.shop:15008 +b\.shop:80 +HBONE/,
  );
  assert.match(listingTable(connectionView(dump, { raw: true }), flags), /\[fd00::2\]:80/);
  assert.equal(connectionView(dump, { direction: 'inbound' }).rows.length, 0);
});

test('a certificate that is not there or has run out is not valid', () => {
  const text = listingTable(certificateView(dump, Date.parse('2026-06-01T00:00:00Z')), flags).split('\n');
  assert.match(text[1] ?? '', /sa\/a +NA +Unavailable +false +NA/);
  assert.match(text[2] ?? '', /sa\/b +Leaf +Available +false +ff /);
  assert.match(text[3] ?? '', /sa\/b +Root +Available +true +1 /);
});

test('what is no dump is told apart from an empty one', () => {
  assert.throws(() => parseAgentDump('{', 'x'), { code: 'ERR_CLI_FILE' });
  assert.throws(() => parseAgentDump('[]', 'x'), { code: 'ERR_CLI_FILE' });
  assert.equal(parseAgentDump('{"workloads":null}', 'x').workloads.length, 0);
});

test('log levels are taken in both spellings and checked before they are sent', () => {
  assert.equal(normalizeLevels('access:debug,info'), 'access=debug,info');
  assert.equal(normalizeLevels('a::b=warning'), 'a::b=warn');
  assert.throws(() => normalizeLevels('loud'), { code: 'ERR_CLI_INVALID' });
});
