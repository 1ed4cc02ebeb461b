import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installedText } from './install.ts';
import { changedFields, manifestText } from './manifest.ts';
import { installWishes } from './wishes.ts';

test('a difference names its field; what the API server adds or leaves out does not count', () => {
  assert.deepEqual(changedFields({ spec: { a: 1, b: '' } }, { spec: { a: 1, c: 3 } }), []);
  assert.deepEqual(changedFields({ spec: { a: [1, 2] } }, { spec: { a: [1, 5] } }), ['spec.a[1]: 5, here 2']);
});

test('paths of istioctl and of the charts lead to the same objects', async () => {
  const one = await installWishes(
    { set: ['values.pilot.env.A=b', 'meshConfig.trustDomain=td', 'tag=7'] },
    'istio-system',
  );
  const other = await installWishes(
    { set: ['pilot.env.A=b', 'meshConfig.trustDomain=td', 'global.tag=7'] },
    'istio-system',
  );
  assert.equal(await manifestText(one), await manifestText(other));
  assert.match(await manifestText(one), /image: ambit\/pilot:7/);
});

test('a component that is switched off is not rendered, and a revision with dots is refused', async () => {
  const wishes = await installWishes({ set: ['components.cni.enabled=false'] }, 'istio-system');
  assert.ok(!wishes.charts.includes('cni'));
  await assert.rejects(installWishes({ revision: '1.2.3' }, 'istio-system'), { code: 'ERR_CLI_INVALID' });
});

test('what an installation did is told by the parts that run now', () => {
  assert.equal(
    installedText(['base', 'istiod', 'cni', 'ztunnel'], 'installed'),
    'control plane, node agent and node proxy are installed and running',
  );
  assert.equal(installedText(['cni'], 'upgraded'), 'node agent is upgraded and running');
  assert.equal(installedText(['base'], 'upgraded'), 'definitions are upgraded');
});
