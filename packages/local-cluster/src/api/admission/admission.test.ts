import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../store/database.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { ObjectStore } from '../../store/object-store.ts';
import { listAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { Registry } from '../resources/registry.ts';
import { ApiError } from '../status.ts';
import type { WriteContext, WriteEnvironment } from '../write/context.ts';
import { createObject } from '../write/create.ts';
import { deleteObject } from '../write/delete.ts';
import { updateObject } from '../write/update.ts';
import type { WebhookCaller, WebhookOutcome } from './call-webhook.ts';
import { runAdmitted } from './session.ts';

const group = 'admissionregistration.k8s.io';

/** A store with a namespace, and writes of config maps through admission. */
class Fixture implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ambit-t-admission-'));
  readonly #store = new ObjectStore(new Database(join(this.#folder, 'x.db')));
  readonly registry = new Registry();
  readonly calls: { readonly id: string; readonly request: JsonObject }[] = [];
  readonly warnings: string[] = [];
  answer: (id: string, request: JsonObject) => WebhookOutcome = () => ({ response: { allowed: true } });

  constructor() {
    this.put('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { mesh: 'on' } } });
  }

  put(resource: string, object: object): void {
    this.#store.put(resource, object as KubeObject);
  }

  /** A configuration of one webhook for all writes of config maps. */
  guard(stage: 'Mutating' | 'Validating', name: string, extra: object = {}): void {
    const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }];
    const webhooks = [{ name, rules, sideEffects: 'None', clientConfig: { url: 'https://x' }, ...extra }];
    this.put(`${stage.toLowerCase()}webhookconfigurations.${group}`, { metadata: { name }, webhooks });
  }

  get environment(): WriteEnvironment {
    const callWebhook: WebhookCaller = async ({ id }, review) => {
      const request = review['request'] as JsonObject;
      this.calls.push({ id, request });
      await Promise.resolve();
      return this.answer(id, request);
    };
    return { store: this.#store, registry: this.registry, admission: [], callWebhook, now: Date.now };
  }

  async run<T>(write: (environment: WriteEnvironment, context: WriteContext) => T, dryRun = false): Promise<T> {
    const { warnings } = this;
    const facts = { user: { username: 'u', groups: [] }, dryRun, options: {}, warnings };
    return runAdmitted(this.environment, facts, (environment, admission) =>
      write(environment, { manager: 'm', dryRun, fieldValidation: 'Warn', warnings, admission }),
    );
  }

  create(name: string, data: object = {}, dryRun = false): Promise<KubeObject> {
    const resource = this.registry.byName('configmaps');
    assert.ok(resource);
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
    return this.run((environment, context) => createObject(environment, resource, 'shop', body, context), dryRun);
  }

  [Symbol.dispose](): void {
    this.#store.close();
    rmSync(this.#folder, { recursive: true });
  }
}

const refused = (code: number, message: RegExp) => (error: unknown) => {
  assert.ok(ApiError.is(error), String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

const patchOf = (operations: object[]): WebhookOutcome => ({
  response: { allowed: true, patch: Buffer.from(JSON.stringify(operations)).toString('base64') },
});

test('without guards a write is done before anything is awaited', () => {
  using fixture = new Fixture();
  void fixture.create('a');
  assert.ok(fixture.environment.store.get('configmaps', 'shop', 'a'));
});

test('mutating webhooks see what those before them made, validating ones the end', async () => {
  using fixture = new Fixture();
  fixture.guard('Mutating', 'b');
  fixture.guard('Mutating', 'a', { reinvocationPolicy: 'IfNeeded' });
  fixture.guard('Validating', 'v');
  fixture.answer = (id) =>
    id === 'v/v'
      ? { response: { allowed: true } }
      : patchOf([{ op: 'add', path: `/data/${id.slice(0, 1)}`, value: '1' }]);
  const made = await fixture.create('x', { own: '1' });
  assert.deepEqual((made as unknown as JsonObject)['data'], { own: '1', a: '1', b: '1' });
  assert.deepEqual(
    fixture.calls.map(({ id }) => id),
    ['a/a', 'b/b', 'a/a', 'v/v'],
  );
  const uid = textAt(fixture.calls.at(-1)?.request, 'object', 'metadata', 'uid');
  assert.equal(uid, made.metadata.uid);
});

test('a pod with a made-up name is the same in every round', async () => {
  using fixture = new Fixture();
  fixture.guard('Mutating', 'm', {
    rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['CREATE'], resources: ['*'] }],
  });
  const resource = fixture.registry.byName('pods');
  assert.ok(resource);
  fixture.answer = () => patchOf([{ op: 'add', path: '/spec/initContainers', value: [{ name: 'i', image: 'i' }] }]);
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'p-' },
    spec: { containers: [{ name: 'c', image: 'c' }] },
  };
  const made = await fixture.run((environment, context) => createObject(environment, resource, 'shop', body, context));
  assert.equal(fixture.calls.length, 1);
  const [init] = listAt(made, 'spec', 'initContainers');
  assert.equal(textAt(init, 'imagePullPolicy'), 'Always');
});

test('a change of the live object while a webhook thinks is not lost', async () => {
  using fixture = new Fixture();
  await fixture.create('x', { n: '0' });
  fixture.guard('Validating', 'v');
  const resource = fixture.registry.byName('configmaps');
  assert.ok(resource);
  let isFirst = true;
  fixture.answer = () => {
    const live = fixture.environment.store.get('configmaps', 'shop', 'x');
    if (isFirst) fixture.put('configmaps', { ...live, data: { n: '1' } });
    isFirst = false;
    return { response: { allowed: true } };
  };
  const target = { resource, namespace: 'shop', name: 'x', subresource: undefined };
  const next = (live: JsonObject): JsonObject => ({ ...live, data: { ...(live['data'] as object), more: 'y' } });
  const changed = await fixture.run((environment, context) =>
    updateObject(environment, target, { next, isReplace: false }, context),
  );
  assert.deepEqual((changed as unknown as JsonObject)['data'], { n: '1', more: 'y' });
  assert.equal(fixture.calls.length, 2);
});

test('selectors, conditions and dry runs decide who is asked', async () => {
  using fixture = new Fixture();
  fixture.guard('Validating', 'elsewhere', { namespaceSelector: { matchLabels: { mesh: 'off' } } });
  fixture.guard('Validating', 'labelled', { objectSelector: { matchLabels: { a: 'b' } } });
  fixture.guard('Validating', 'never', { matchConditions: [{ name: 'c', expression: "object.metadata.name == 'z'" }] });
  await fixture.create('x');
  assert.deepEqual(fixture.calls, []);
  fixture.guard('Validating', 'careless', { sideEffects: 'Some' });
  await assert.rejects(fixture.create('y', {}, true), refused(400, /does not support dry run/));
});

test('a failing webhook refuses or is passed over, as its policy says', async () => {
  using fixture = new Fixture();
  fixture.guard('Validating', 'v');
  fixture.answer = () => ({ error: 'failed to call webhook: no' });
  await assert.rejects(fixture.create('x'), refused(500, /failed calling webhook "v": failed to call webhook: no/));
  fixture.guard('Validating', 'v', { failurePolicy: 'Ignore' });
  await fixture.create('x');
  fixture.guard('Mutating', 'm');
  fixture.answer = (id) => (id === 'm/m' ? patchOf([{ op: 'remove', path: '/nope' }]) : { error: 'x' });
  await assert.rejects(fixture.create('y'), refused(500, /patch cannot be applied/));
});

test('a deletion is asked with the old object alone', async () => {
  using fixture = new Fixture();
  await fixture.create('x');
  fixture.guard('Validating', 'v');
  fixture.answer = () => ({ response: { allowed: false, status: { message: 'keep it' } } });
  const resource = fixture.registry.byName('configmaps');
  assert.ok(resource);
  const options = {
    gracePeriodSeconds: undefined,
    propagationPolicy: undefined,
    orphanDependents: undefined,
    uid: undefined,
    resourceVersion: undefined,
    dryRun: false,
  };
  const removal = fixture.run((environment, context) =>
    deleteObject(environment, resource, 'shop', 'x', options, context.admission),
  );
  await assert.rejects(removal, refused(400, /denied the request: keep it/));
  assert.equal(fixture.calls[0]?.request['object'], null);
  assert.equal(textAt(fixture.calls[0]?.request, 'oldObject', 'metadata', 'name'), 'x');
});

test('a policy refuses with its parameters, warns when bound so, and spares what it does not match', async () => {
  using fixture = new Fixture();
  const rules = [{ apiGroups: [''], apiVersions: ['*'], operations: ['CREATE'], resources: ['configmaps'] }];
  const policy = {
    metadata: { name: 'p' },
    spec: {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConstraints: { resourceRules: rules },
      matchConditions: [{ name: 'c', expression: "object.metadata.name != 'limit'" }],
      validations: [
        { expression: "size(object.data) <= int(params.data.max) && namespaceObject.metadata.labels.mesh == 'on'" },
      ],
    },
  };
  const binding = (actions: string[]): object => ({
    metadata: { name: 'b' },
    spec: {
      policyName: 'p',
      validationActions: actions,
      paramRef: { name: 'limit', namespace: 'shop', parameterNotFoundAction: 'Deny' },
    },
  });
  fixture.put(`validatingadmissionpolicies.${group}`, policy);
  fixture.put(`validatingadmissionpolicybindings.${group}`, binding(['Deny']));
  await assert.rejects(fixture.create('x', { a: '1' }), refused(422, /no params found/));
  fixture.put('configmaps', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'limit', namespace: 'shop' },
    data: { max: '1' },
  });
  await fixture.create('one', { a: '1' });
  await assert.rejects(
    fixture.create('two', { a: '1', b: '2' }),
    refused(422, /'p' with binding 'b' denied request: failed expression/),
  );
  fixture.put(`validatingadmissionpolicybindings.${group}`, binding(['Warn']));
  await fixture.create('two', { a: '1', b: '2' });
  assert.equal(fixture.warnings.length, 1);
  assert.equal(listAt(fixture.environment.store.get('configmaps', 'shop', 'two'), 'x').length, 0);
});
