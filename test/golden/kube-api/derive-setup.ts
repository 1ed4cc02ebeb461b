// What a recording did outside the record, derived from the record itself: an object that a step reads, changes or deletes and that no
// step before it made was there already; events of a watch that no step caused happened while it ran. In: the steps; out: requests to send
// before (or during) each step. For recordings that setup.ts has no notes about. Pure.
import type { SetupRequest } from './setup.ts';

interface Json {
  readonly [key: string]: unknown;
}

/** A recorded step, as far as it is looked at. */
export interface RecordedStep {
  readonly request?: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: unknown;
  };
  readonly response?: { readonly status: number; readonly body?: unknown; readonly events?: readonly unknown[] };
}

interface Address {
  readonly collection: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
}

/** Defaults of the two recorded kinds, of which the record says that every object has a size. */
const heads: Readonly<Record<string, Json>> = {
  widgets: { apiVersion: 'golden.example.com/v1', kind: 'Widget', spec: { size: 3 } },
  gadgets: { apiVersion: 'golden.example.com/v1', kind: 'Gadget', spec: { size: 1 } },
  configmaps: { apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } },
  pods: { apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ name: 'c', image: 'i' }] } },
};
const userMetadata = ['name', 'labels', 'annotations', 'finalizers', 'ownerReferences'];

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const recordOf = (value: unknown): Json => (isRecord(value) ? value : {});
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const metadataOf = (object: unknown): Json => recordOf(recordOf(object)['metadata']);
const nameOf = (object: unknown): string => textOf(metadataOf(object)['name']);

/** Where a path leads; undefined for what holds no objects of the recorded kinds. */
function addressOf(path: string): Address | undefined {
  const [route = '', query = ''] = path.split('?');
  const words = route.split('/').filter((word) => word !== '');
  const rest = words.slice(words[0] === 'api' ? 2 : 3);
  const start = rest[0] === 'namespaces' && rest.length > 2 ? 2 : 0;
  const plural = rest[start] ?? '';
  if (!Object.hasOwn(heads, plural) && words[0] !== 'api' && words[1] !== 'apps') return undefined;
  if (plural === '' || plural === 'namespaces') return undefined;
  const root = words.slice(0, words.length - rest.length).join('/');
  const namespace = plural === 'gadgets' ? '' : `/namespaces/${start === 2 ? rest[1] : 'golden'}`;
  const collection = `/${root}${namespace}/${plural}`;
  return { collection, name: rest[start + 1], subresource: rest[start + 2], query: new URLSearchParams(query) };
}

/** What a user wrote of an object that the server shows. */
function asWritten(shown: unknown, plural: string, name: string): Json {
  const head = heads[plural] ?? {};
  const metadata = metadataOf(shown);
  const kept = userMetadata.flatMap((key) => (metadata[key] === undefined ? [] : [[key, metadata[key]]]));
  const body = isWhole(shown, plural) ? recordOf(shown) : {};
  const { status: _status, metadata: _metadata, spec, ...rest } = body;
  return {
    ...head,
    ...rest,
    ...(isRecord(spec) && { spec: { ...recordOf(head['spec']), ...spec } }),
    metadata: { ...Object.fromEntries(kept), name },
  };
}

/** Whether an answer shows the object itself, not its scale, its metadata or a verdict. */
function isWhole(shown: unknown, plural: string): boolean {
  const kind = textOf(recordOf(shown)['kind']);
  const wanted = heads[plural]?.['kind'];
  return wanted === undefined ? `${kind.toLowerCase()}s` === plural : kind === wanted;
}

/** The object before a merge patch, as far as the answer still shows it. */
function beforePatch(after: unknown, patch: unknown): unknown {
  if (!isRecord(after) || !isRecord(patch)) return after;
  return Object.fromEntries(
    Object.entries(after).flatMap(([key, value]) => {
      if (!Object.hasOwn(patch, key)) return [[key, value]];
      return isRecord(value) && isRecord(patch[key]) ? [[key, beforePatch(value, patch[key])]] : [];
    }),
  );
}

const pluralOf = (collection: string): string => collection.split('/').at(-1) ?? '';

/** Objects of an answer to a list: whole ones, rows of a table, or names where the record was shortened. */
function listed(body: unknown): readonly unknown[] {
  const items = Array.isArray(body) ? body : recordOf(body)['items'];
  const rows = recordOf(body)['rows'];
  const found: readonly unknown[] = Array.isArray(items) ? items : Array.isArray(rows) ? rows : [];
  return found.flatMap((item) => {
    if (typeof item === 'string') return [{ metadata: { name: item } }];
    const object = recordOf(item)['object'] ?? item;
    return nameOf(object) === '' ? [] : [object];
  });
}

/** Fields that a selector says of what it found: `a=b` and `a==b`. */
function selected(query: URLSearchParams, parameter: string): readonly (readonly [string, string])[] {
  return (query.get(parameter) ?? '').split(',').flatMap((term) => {
    const [, key, value] = /^([^!=<>\s()]+)==?([^=]*)$/.exec(term) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
}

class Derivation {
  readonly setup = new Map<number, SetupRequest[]>();
  /** Objects that are there, with the name of their uid in the record, where it was shown. */
  readonly #present = new Map<string, string>();
  readonly #steps: readonly RecordedStep[];

  constructor(steps: readonly RecordedStep[]) {
    this.#steps = steps;
  }

  #add(index: number, request: SetupRequest): void {
    this.setup.set(index, [...(this.setup.get(index) ?? []), request]);
  }

  #need(index: number, collection: string, name: string, shown: unknown, extra: Partial<SetupRequest> = {}): void {
    const key = `${collection}/${name}`;
    const uid = textOf(metadataOf(shown)['uid']);
    const known = this.#present.get(key);
    // Another uid: the object went and came again in between.
    const isAnother = known !== undefined && known !== '' && uid !== '' && known !== uid;
    if (name === '' || (known !== undefined && !isAnother)) {
      if (known === '') this.#present.set(key, uid);
      return;
    }
    const plural = pluralOf(collection);
    const merge = { method: 'PATCH', contentType: 'application/merge-patch+json', ...extra };
    if (isAnother) {
      this.#add(index, { ...merge, path: key, body: { metadata: { finalizers: null } } });
      this.#add(index, { method: 'DELETE', path: key, ...extra });
    }
    this.#present.set(key, uid);
    const first = isWhole(shown, plural) ? shown : (this.#shownLater(index, name, plural, uid) ?? shown);
    const body = this.#withSelected(asWritten(first, plural, name), collection);
    this.#add(index, { method: 'POST', path: collection, body, ...extra });
    const status = recordOf(first)['status'];
    const isScale = recordOf(shown)['kind'] === 'Scale';
    const wanted = isScale ? recordOf(shown)['status'] : isWhole(first, plural) ? status : undefined;
    if (isRecord(wanted) && plural === 'widgets')
      this.#add(index, { ...merge, path: `${key}/status`, body: { status: wanted } });
  }

  /** The object as a later step shows it before anything changed it. */
  #shownLater(index: number, name: string, plural: string, uid: string): unknown {
    for (const { response } of this.#steps.slice(index)) {
      for (const object of [response?.body, ...listed(response?.body)]) {
        const { generation, uid: its } = metadataOf(object);
        const isSame = nameOf(object) === name && isWhole(object, plural) && (uid === '' || its === uid);
        if (isSame && generation === 1) return object;
      }
    }
    return undefined;
  }

  /** What selectors of the record say of an object whose answers were shortened to names. */
  #withSelected(written: Json, collection: string): Json {
    const labels: Record<string, unknown> = { ...recordOf(metadataOf(written)['labels']) };
    const spec: Record<string, unknown> = { ...recordOf(written['spec']) };
    for (const { request, response } of this.#steps) {
      const address = request === undefined ? undefined : addressOf(request.path);
      if (address?.collection !== collection || response?.status !== 200) continue;
      if (!listed(response.body).some((object) => nameOf(object) === nameOf(written))) continue;
      for (const [key, value] of selected(address.query, 'labelSelector')) labels[key] ??= value;
      for (const [key, value] of selected(address.query, 'fieldSelector'))
        if (key.startsWith('spec.')) spec[key.slice('spec.'.length)] ??= value;
    }
    return {
      ...written,
      ...(Object.keys(spec).length > 0 && { spec }),
      metadata: { ...metadataOf(written), ...(Object.keys(labels).length > 0 && { labels }) },
    };
  }

  /** A list, with the pages that go on from it. */
  #list(index: number, address: Address, body: unknown): void {
    const pages = [body];
    for (let page = 0; page < pages.length; page += 1) {
      const token = textOf(metadataOf(pages[page])['continue']);
      if (token === '') continue;
      const next = this.#steps.find(({ request }) => request?.path.includes(`continue=${token}`) === true);
      if (next?.response?.status === 200) pages.push(next.response.body);
    }
    for (const object of pages.flatMap(listed)) this.#need(index, address.collection, nameOf(object), object);
  }

  /** Events: the state at the start, then what happened meanwhile. */
  #watch(index: number, { collection, query }: Address, events: readonly unknown[]): void {
    const from = query.get('resourceVersion') ?? '';
    let isInitial = from === '' || from === '0' || query.get('sendInitialEvents') === 'true';
    for (const event of events) {
      const { type, object } = recordOf(event);
      const [name, key] = [nameOf(object), `${collection}/${nameOf(object)}`];
      const plural = pluralOf(collection);
      if (type === 'BOOKMARK' || type !== 'ADDED' || this.#present.has(key)) isInitial = false;
      if (name === '' || !isWhole(object, plural)) continue;
      const during = isInitial ? {} : { during: true };
      if (!this.#present.has(key)) {
        if (type === 'ADDED') this.#need(index, collection, name, object, during);
      } else if (type === 'DELETED') {
        // A selector may have stopped matching; then a later event of the object follows.
        this.#present.delete(key);
        this.#add(index, { method: 'DELETE', path: key, ...during });
      } else if (type === 'MODIFIED') {
        const { metadata, ...rest } = asWritten(object, plural, name);
        const body = { metadata: { ...recordOf(metadata), name: undefined }, spec: rest['spec'] };
        this.#add(index, {
          method: 'PATCH',
          path: key,
          body,
          contentType: 'application/merge-patch+json',
          ...during,
        });
      }
    }
  }

  /** One object by name. */
  #item(index: number, step: Required<RecordedStep>, { collection, subresource }: Address, name: string): void {
    const { method, headers = {}, body: sent } = step.request;
    const { status, body } = step.response;
    const key = `${collection}/${name}`;
    const isDryRun = step.request.path.includes('dryRun');
    if (status === 201) {
      if (!isDryRun) this.#present.set(key, textOf(metadataOf(body)['uid']));
      return;
    }
    // Whether an object is there shows in every answer but those that come before it is looked for.
    const isApply = headers['Content-Type']?.startsWith('application/apply') === true;
    const mustBeThere = status < 300 || status === 409 || (status === 422 && method === 'PATCH' && !isApply);
    if (!mustBeThere) return;
    const isMerge = headers['Content-Type'] === 'application/merge-patch+json';
    const shown = method === 'PATCH' && isMerge ? beforePatch(body, sent) : body;
    const isShown = method !== 'PUT' && (subresource === undefined || method === 'GET');
    this.#need(index, collection, name, isShown ? shown : undefined);
    const stays = metadataOf(body)['deletionTimestamp'] !== undefined || isDryRun;
    if (method === 'DELETE' && status < 300 && !stays) this.#present.delete(key);
    const isLast = method === 'PATCH' && metadataOf(body)['deletionTimestamp'] !== undefined;
    if (isLast && metadataOf(body)['finalizers'] === undefined) this.#present.delete(key);
  }

  run(): void {
    for (const [index, { request, response }] of this.#steps.entries()) {
      const address = request === undefined ? undefined : addressOf(request.path);
      if (request === undefined || response === undefined || address === undefined) continue;
      const { collection, name } = address;
      if (response.events !== undefined) this.#watch(index, address, response.events);
      else if (name !== undefined) this.#item(index, { request, response }, address, name);
      else if (request.method === 'GET') this.#list(index, address, response.body);
      else if (request.method === 'DELETE' && response.status < 300) {
        this.#list(index, address, response.body);
        if (request.path.includes('dryRun')) continue;
        for (const object of listed(response.body))
          if (metadataOf(object)['finalizers'] === undefined) this.#present.delete(`${collection}/${nameOf(object)}`);
      } else if (response.status === 201 && !request.path.includes('dryRun'))
        this.#present.set(`${collection}/${nameOf(response.body)}`, textOf(metadataOf(response.body)['uid']));
      else if (response.status === 409 && request.method === 'POST')
        this.#need(index, collection, nameOf(request.body), request.body);
    }
  }
}

/** Requests before each step. */
export function derivedSetup(steps: readonly RecordedStep[]): Readonly<Record<number, readonly SetupRequest[]>> {
  const derivation = new Derivation(steps);
  derivation.run();
  return Object.fromEntries(derivation.setup);
}
