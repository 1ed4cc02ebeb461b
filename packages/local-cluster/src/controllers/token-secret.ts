// Token Secrets: a Secret of type kubernetes.io/service-account-token gets the token of the account that it names, and goes with the account.
// Tools that hand a cluster's access to others make such Secrets. The token lives as long as its Secret, at most ten years.
// Comes in: Secrets and ServiceAccounts. Goes out: the data of Secrets. Main thread.
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject } from './objects.ts';
import { createWorkQueue } from './work-queue.ts';

const SECRETS = 'secrets';
const ACCOUNTS = 'serviceaccounts';
const TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT_NAME = 'kubernetes.io/service-account.name';
const ACCOUNT_UID = 'kubernetes.io/service-account.uid';
const TTL_SECONDS = 10 * 365 * 24 * 3600;

/** A v1 Secret. */
interface Secret extends AnyObject {
  type?: string;
  data?: Record<string, string>;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Starts the controller; `caPem` is what clients trust. */
export function startTokenSecretController(context: ControllerContext, caPem: string): Controller {
  const { api, log } = context;
  const queue = createWorkQueue('token-secrets', log, (key) => reconcile(context, key, caPem));
  const watchSecrets = api.watch<Secret>(SECRETS, {}, ({ type, object }) => {
    if (type !== 'DELETED' && object.type === TYPE) queue.add(keyOf(object));
  });
  const watchAccounts = api.watch(ACCOUNTS, {}, ({ object }) => {
    const { namespace } = object.metadata;
    if (namespace === undefined) return;
    for (const secret of api.list<Secret>(SECRETS, { namespace }).items)
      if (secret.type === TYPE && accountOf(secret) === object.metadata.name) queue.add(keyOf(secret));
  });
  return controllerOfParts(queue, watchSecrets, watchAccounts);
}

const accountOf = (secret: Secret): string => secret.metadata.annotations?.[ACCOUNT_NAME] ?? '';

async function reconcile({ api }: ControllerContext, key: string, caPem: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const secret = api.get<Secret>(SECRETS, name, namespace);
  if (secret === undefined || secret.type !== TYPE || secret.metadata.deletionTimestamp !== undefined) return;
  const account = api.get(ACCOUNTS, accountOf(secret), namespace);
  const known = secret.metadata.annotations?.[ACCOUNT_UID];
  const uid = account?.metadata.uid ?? '';
  if (known !== undefined && known !== uid) {
    // Its account went, or another took the name: the token is worth nothing now.
    await api.delete(SECRETS, name, namespace, { preconditions: { uid: secret.metadata.uid ?? '' } });
    return;
  }
  if (account === undefined || secret.data?.['token'] !== undefined) return;
  const { token } = await api.createToken({
    namespace,
    serviceAccount: accountOf(secret),
    ttlSeconds: TTL_SECONDS,
    secret: { name, uid: secret.metadata.uid ?? '' },
  });
  await api.patch(SECRETS, name, namespace, {
    metadata: { annotations: { [ACCOUNT_UID]: uid } },
    data: { token: base64(token), 'ca.crt': base64(caPem), namespace: base64(namespace) },
  });
}
