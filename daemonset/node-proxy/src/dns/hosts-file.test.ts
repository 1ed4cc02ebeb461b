import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answersOfHosts, parseHostsFile } from './hosts-file.ts';
import { TYPE_A, TYPE_AAAA } from './message.ts';

const hosts = parseHostsFile(`# comment
127.0.0.1\tlocalhost
::1 localhost ip6-localhost
10.0.0.9  Ztunnel-X.  ztunnel # the pod itself
not-an-address name
fe00::0
`);

test('names are found in any spelling, with all addresses of the family that was asked for', () => {
  assert.deepEqual(hosts.get('localhost'), ['127.0.0.1', '::1']);
  assert.deepEqual(hosts.get('ztunnel-x'), ['10.0.0.9']);
  assert.deepEqual(answersOfHosts(hosts, 'ztunnel', TYPE_A), [
    { name: 'ztunnel', type: TYPE_A, address: Uint8Array.from([10, 0, 0, 9]) },
  ]);
  assert.equal(answersOfHosts(hosts, 'localhost', TYPE_AAAA)?.[0]?.type, TYPE_AAAA);
});

test('what the file does not know, or not in this family or type, is asked of a name server', () => {
  assert.equal(answersOfHosts(hosts, 'ztunnel', TYPE_AAAA), undefined);
  assert.equal(answersOfHosts(hosts, 'elsewhere', TYPE_A), undefined);
  assert.equal(answersOfHosts(hosts, 'ztunnel', 16), undefined);
  assert.equal(hosts.get('name'), undefined);
});
