// In: a browser's request. Out: the page, made from `details` and `reviews`; /api the same as JSON. Called by people and load.
import type { BookinfoConfig } from '../config.ts';
import { call, passOn } from '../web/client.ts';
import { renderPage, type PageData } from '../web/page.ts';
import { serve, type RunningService } from '../web/server.ts';

async function pageData(config: BookinfoConfig, headers: Record<string, string>): Promise<PageData> {
  const [details, reviews] = await Promise.all([
    call({ host: config.details, path: '/details/0', headers }),
    call({ host: config.reviews, path: '/reviews/0', headers }),
  ]);
  return {
    details: details.status === 200 ? (JSON.parse(details.body) as PageData['details']) : undefined,
    reviews: reviews.status === 200 ? (JSON.parse(reviews.body) as PageData['reviews']) : undefined,
    problems: [
      ...(details.status === 200 ? [] : [`details: ${details.error ?? `status ${details.status}`}`]),
      ...(reviews.status === 200 ? [] : [`reviews: ${reviews.error ?? `status ${reviews.status}`}`]),
    ],
  };
}

/** Starts the `productpage` service. A part that fails makes the answer 502, so that load counts it. */
export async function serveProductPage(config: BookinfoConfig): Promise<RunningService> {
  return serve(config.port, {
    '/': () => ({
      status: 200,
      contentType: 'text/html',
      body: '<meta http-equiv="refresh" content="0; url=/productpage">',
    }),
    '/productpage': async ({ raw }) => {
      const data = await pageData(config, passOn(raw.headers));
      return {
        status: data.problems.length > 0 ? 502 : 200,
        contentType: 'text/html; charset=utf-8',
        body: renderPage(data),
      };
    },
    '/api/v1/products/0': async ({ raw }) => {
      const data = await pageData(config, passOn(raw.headers));
      return { status: data.problems.length > 0 ? 502 : 200, body: data };
    },
  });
}
