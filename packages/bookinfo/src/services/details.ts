// In: a book's number. Out: its facts as JSON. Called by the product page.
import type { BookinfoConfig } from '../config.ts';
import { serve, type RunningService } from '../web/server.ts';

/** Starts the `details` service. */
export async function serveDetails(config: BookinfoConfig): Promise<RunningService> {
  return serve(config.port, {
    '/details/*': ({ url }) => ({
      status: 200,
      body: {
        id: Number(url.pathname.split('/')[2] ?? 0),
        title: 'The Tempest',
        author: 'William Shakespeare',
        year: 1611,
        kind: 'play',
        pages: 112,
        language: 'English',
      },
    }),
  });
}
