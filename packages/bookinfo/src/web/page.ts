// In: what the other services answered. Out: one HTML page. Pure. Called by the product page.

/** Data behind the page; a part that failed is undefined and named in `problems`. */
export interface PageData {
  readonly details:
    | { readonly title: string; readonly author: string; readonly year: number; readonly pages: number }
    | undefined;
  readonly reviews:
    | {
        readonly version: string;
        readonly ratingsError?: string;
        readonly reviews: readonly {
          readonly reviewer: string;
          readonly text: string;
          readonly stars?: number;
          readonly colour?: string;
        }[];
      }
    | undefined;
  readonly problems: readonly string[];
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const starsOf = (stars: number | undefined, colour: string | undefined): string =>
  stars === undefined
    ? ''
    : `<span class="stars" style="color:${escape(colour ?? 'black')}">${'★'.repeat(stars)}${'☆'.repeat(5 - stars)}</span>`;

/** Renders the page. Every text that came from elsewhere is escaped. */
export function renderPage(data: PageData): string {
  const { details, reviews, problems } = data;
  const cards = (reviews?.reviews ?? []).map(
    (review) =>
      `<article><p>${escape(review.text)}</p><footer>${escape(review.reviewer)} ${starsOf(review.stars, review.colour)}</footer></article>`,
  );
  const facts =
    details === undefined ? '' : `<p>${escape(details.author)}, ${details.year}, ${details.pages} pages</p>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Bookinfo</title>
<style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:46rem;padding:0 1rem}article{border-left:4px solid #ccc;padding:.1rem 1rem;margin:1rem 0}
.stars{font-size:1.3rem}.bad{color:#a00}small{color:#666}</style>
<h1>${escape(details?.title ?? 'Book')}</h1>${facts}
<h2>Reviews <small>${escape(reviews?.version ?? 'unavailable')}</small></h2>${cards.join('')}
${[...problems, ...(reviews?.ratingsError === undefined ? [] : [`ratings: ${reviews.ratingsError}`])]
  .map((problem) => `<p class="bad">${escape(problem)}</p>`)
  .join('')}
</html>`;
}
