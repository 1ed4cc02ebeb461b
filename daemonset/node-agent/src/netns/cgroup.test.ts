import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalUid, isCrioWithoutUid, podUidOfPath, podUidOfProcess } from './cgroup.ts';

const uid = '12345678-9abc-def0-1234-56789abcdef0';
const underscored = uid.replaceAll('-', '_');
const container = 'a'.repeat(64);

const known: readonly (readonly [string, string])[] = [
  ['cgroupfs', `/kubepods/burstable/pod${uid}/${container}`],
  [
    'systemd and docker',
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${underscored}.slice/docker-${container}.scope`,
  ],
  ['containerd with colons', `/kubepods-besteffort-pod${underscored}.slice:cri-containerd:${container}`],
  [
    'kind',
    `/system.slice/docker-abc.scope/kubelet.slice/kubelet-kubepods-pod${underscored}.slice/cri-containerd-${container}.scope`,
  ],
  ['private cgroup namespace', `/../../pod${uid}/${container}`],
];
for (const [name, path] of known) {
  test(`a pod is found in a ${name} path`, () => assert.equal(podUidOfPath(path), uid));
}

test('paths without a pod, and pods without a container, name nobody', () => {
  for (const path of [
    '/',
    '/user.slice',
    `/crio-${container}.scope`,
    `/kubepods/pod${uid}`,
    `/kubepods/xpod${uid}/c`,
  ]) {
    assert.equal(podUidOfPath(path), undefined);
  }
});

test('lines that disagree name nobody', () => {
  assert.equal(podUidOfProcess(`1:cpu:/kubepods/pod${uid}/c\n0::/kubepods/pod${uid}/c\n`), uid);
  assert.equal(podUidOfProcess(`1:cpu:/kubepods/pod${uid}/c\n0::/kubepods/pod${uid.replace('1', '2')}/c\n`), undefined);
  // Which container it is does not matter: the pod's address decides.
  assert.equal(podUidOfProcess(`1:cpu:/kubepods/pod${uid}/c\n0::/kubepods/pod${uid}/d\n`), uid);
});

test('the hash of a static pod is found whether its groups are separated or not', () => {
  const hash = uid.replaceAll('-', '');
  assert.equal(podUidOfPath(`/kubepods/pod${hash}/${container}`), canonicalUid(hash));
  assert.equal(canonicalUid('no-uid'), 'no-uid');
});

test('texts made to be looked at again and again are read once: none of these would end in a backtracking reader', () => {
  const punctuated = `-pod${uid.slice(0, -1)}`.repeat(2000);
  for (const text of [
    '-pod'.repeat(200_000),
    punctuated,
    `${'-'.repeat(500_000)}pod`,
    '0::/'.repeat(100_000),
    '-_.:'.repeat(100_000),
  ])
    assert.equal(podUidOfProcess(`0::${text}\n`), undefined);
});

test('a container of CRI-O without a pod in its path is told from one with a pod, and from everything else', () => {
  for (const [path, expected] of [
    [`/../crio-${container}.scope`, true],
    [`/machine.slice/crio-${container}.scope`, true],
    [`/kubepods.slice/kubepods-pod${underscored}.slice/crio-${container}.scope`, false],
    [`/system.slice/docker-${container}.scope`, false],
    ['/system.slice/crio-.scope', false],
    ['/crio', false],
  ] as const)
    assert.equal(isCrioWithoutUid(`0::${path}\n`), expected, path);
  assert.equal(isCrioWithoutUid(`1:cpu:/kubepods/pod${uid}/c\n0::/../crio-${container}.scope\n`), false);
});

test('any text is read without throwing', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2000 }), (text) => {
      podUidOfProcess(text);
      isCrioWithoutUid(text);
    }),
  );
});
