// In: a book's number. Out: two reviews; from v2 on with stars asked of `ratings`. Called by the product page.
import type { BookinfoConfig } from '../config.ts';
import { call, passOn } from '../web/client.ts';
import { serve, type RunningService } from '../web/server.ts';

/** Colour of the stars by version; v1 shows none. */
export const starColour = (version: string): string | undefined =>
  version === 'v1' ? undefined : version === 'v2' ? 'black' : 'red';

const reviews = [
  { reviewer: 'Reader one', text: 'A storm, an island, and forgiveness at the end.' },
  { reviewer: 'Reader two', text: 'The spirit steals the show.' },
];

/** Starts the `reviews` service in the version that the configuration names. */
export async function serveReviews(config: BookinfoConfig): Promise<RunningService> {
  const colour = starColour(config.version);
  return serve(config.port, {
    '/reviews/*': async ({ url, method, raw }) => {
      if (method === 'DELETE') return { status: 200, body: { deleted: true, version: config.version } };
      const id = url.pathname.split('/')[2] ?? '0';
      const answer = { id, version: config.version };
      if (colour === undefined) return { status: 200, body: { ...answer, reviews } };
      const ratings = await call({
        host: config.ratings,
        path: `/ratings/${id}`,
        headers: passOn(raw.headers),
        timeoutMs: 2500,
      });
      if (ratings.status !== 200) {
        return { status: 200, body: { ...answer, reviews, ratingsError: ratings.error ?? `status ${ratings.status}` } };
      }
      const stars = (JSON.parse(ratings.body) as { ratings: readonly number[] }).ratings;
      return {
        status: 200,
        body: { ...answer, reviews: reviews.map((review, index) => ({ ...review, stars: stars[index] ?? 0, colour })) },
      };
    },
  });
}
