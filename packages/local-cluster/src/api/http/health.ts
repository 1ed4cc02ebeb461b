/** `/healthz`, `/livez`, `/readyz` with sub-checks (spec/local-cluster.md 2). In: exchange; out: text answer. */

import type { Exchange } from './exchange.ts';

const checks = ['ping', 'log', 'etcd', 'poststarthook/crd-informer-synced', 'informer-sync'];
const textType = 'text/plain; charset=utf-8';

/** Serves a health path; false for a check nobody knows. Everything is well as long as this process answers. */
export async function serveHealth(exchange: Exchange): Promise<boolean> {
  const [, name = '', ...rest] = exchange.path.split('/');
  const check = rest.join('/');
  if (check !== '') {
    if (!checks.includes(check)) return false;
    await exchange.text(200, 'ok', textType, { 'X-Content-Type-Options': 'nosniff' });
    return true;
  }
  const excluded = new Set(exchange.query.getAll('exclude'));
  if (!exchange.query.has('verbose')) {
    await exchange.text(200, 'ok', textType, { 'X-Content-Type-Options': 'nosniff' });
    return true;
  }
  const lines = checks.map((item) => (excluded.has(item) ? `[+]${item} excluded: ok` : `[+]${item} ok`));
  await exchange.text(200, `${lines.join('\n')}\n${name} check passed\n`, textType, {
    'X-Content-Type-Options': 'nosniff',
  });
  return true;
}
