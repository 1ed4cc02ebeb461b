import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../config.ts';
import { call } from '../web/client.ts';
import type { RunningService } from '../web/server.ts';
import { serveDetails } from './details.ts';
import { serveLoad } from './load.ts';
import { serveProductPage } from './product-page.ts';
import { serveRatings } from './ratings.ts';
import { serveReviews } from './reviews.ts';

const base = readConfig({ PORT: '0', ECHO_PORT: '0', REQUESTS_PER_SECOND: '0' });
const at = (service: RunningService): string => `127.0.0.1:${service.port}`;

async function application(
  version: string,
): Promise<{ readonly page: RunningService; readonly close: () => Promise<void> }> {
  const details = await serveDetails(base);
  const ratings = await serveRatings(base);
  const reviews = await serveReviews({ ...base, version, ratings: at(ratings) });
  const page = await serveProductPage({ ...base, details: at(details), reviews: at(reviews) });
  return {
    page,
    close: async () =>
      void (await Promise.all([details, ratings, reviews, page].map(async (service) => service.close()))),
  };
}

test('the page shows red stars when reviews is v3', async () => {
  const app = await application('v3');
  try {
    const page = await call({ host: at(app.page), path: '/productpage', fresh: true });
    assert.equal(page.status, 200);
    assert.match(page.body, /color:red/);
    assert.match(page.body, /The Tempest/);
  } finally {
    await app.close();
  }
});

test('a part that cannot be reached makes the page 502 and names the part', async () => {
  const details = await serveDetails(base);
  const page = await serveProductPage({ ...base, details: at(details), reviews: '127.0.0.1:1' });
  try {
    const answer = await call({ host: at(page), path: '/api/v1/products/0', fresh: true });
    assert.equal(answer.status, 502);
    assert.match(answer.body, /reviews:/);
  } finally {
    await Promise.all([details.close(), page.close()]);
  }
});

test('a burst counts statuses and versions and repeats nothing', async () => {
  const app = await application('v2');
  const load = await serveLoad({ ...base, productPage: at(app.page) });
  try {
    const answer = await fetch(`http://${at(load)}/burst`, {
      method: 'POST',
      body: JSON.stringify({ host: at(app.page), path: '/api/v1/products/0', count: 7 }),
    });
    const result = (await answer.json()) as { statuses: Record<string, number>; versions: Record<string, number> };
    assert.deepEqual(result.statuses, { '200': 7 });
    assert.deepEqual(result.versions, { v2: 7 });
  } finally {
    await load.close();
    await app.close();
  }
});

test('a body over the limit is refused with 413', async () => {
  const load = await serveLoad(base);
  try {
    const answer = await fetch(`http://${at(load)}/burst`, { method: 'POST', body: 'x'.repeat(70_000) });
    assert.equal(answer.status, 413);
  } finally {
    await load.close();
  }
});
