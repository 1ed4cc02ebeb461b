import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOwnedBy, revisionFacts } from './revision-tags.ts';

const labelled = (name: string, labels: Record<string, string>): object => ({ metadata: { name, labels } });
const facts = (revision: string, webhooks: object[] = [], validators: object[] = [], services: object[] = []) =>
  revisionFacts(revision, 'istio-system', { webhooks, validators, services });

test('an object without a revision belongs to the default revision only', () => {
  assert.equal(isOwnedBy(facts(''), {}, {}), true);
  assert.equal(isOwnedBy(facts('canary'), {}, {}), false);
});

test('the label of the object wins over that of its namespace, and tags count as the revision they point at', () => {
  const canary = facts('canary', [
    labelled('istio-revision-tag-prod', { 'istio.io/rev': 'canary', 'istio.io/tag': 'prod' }),
  ]);
  assert.equal(isOwnedBy(canary, { 'istio.io/rev': 'prod' }, { 'istio.io/rev': 'other' }), true);
  assert.equal(isOwnedBy(canary, {}, { 'istio.io/rev': 'prod' }), true);
  assert.equal(isOwnedBy(canary, { 'istio.io/rev': 'other' }, { 'istio.io/rev': 'prod' }), false);
  const bySvc = facts('canary', [], [], [labelled('istiod', { 'istio.io/rev': 'canary', 'istio.io/tag': 'stable' })]);
  assert.equal(isOwnedBy(bySvc, { 'istio.io/rev': 'stable' }, {}), true);
});

test('the default validator makes a revision the default, unless the default tag points elsewhere', () => {
  const validator = labelled('istiod-default-validator', { 'istio.io/rev': 'canary' });
  assert.equal(facts('canary', [], [validator]).isDefault, true);
  const taken = labelled('istio-revision-tag-default', { 'istio.io/rev': 'stable', 'istio.io/tag': 'default' });
  assert.equal(facts('canary', [taken], [validator]).isDefault, false);
  assert.equal(facts('stable', [taken]).isDefault, true);
});

test('a namespace that is not known yet is no reason to leave a Gateway alone', () => {
  assert.equal(isOwnedBy(facts('canary'), {}, 'unknown'), true);
});

test('elections see the revision that the default tag points at, under both names that its webhook may have', () => {
  const tag = (name: string): object => labelled(name, { 'istio.io/rev': 'stable', 'istio.io/tag': 'default' });
  assert.equal(facts('canary').defaultRevision, '');
  assert.equal(facts('canary', [tag('istio-revision-tag-default')]).defaultRevision, 'stable');
  assert.equal(facts('canary', [tag('istio-revision-tag-default-istio-system')]).defaultRevision, 'stable');
  assert.equal(facts('canary', [tag('istio-revision-tag-default-elsewhere')]).defaultRevision, '');
});
