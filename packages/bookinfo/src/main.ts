// In: the service to be (first argument) and the environment. Out: that service on its port until SIGTERM.
// Called by the container runtime. One thread.
import { readConfig, type ServiceName, serviceNames } from './config.ts';
import { serveDetails } from './services/details.ts';
import { serveLoad } from './services/load.ts';
import { serveProductPage } from './services/product-page.ts';
import { serveRatings } from './services/ratings.ts';
import { serveReviews } from './services/reviews.ts';
import type { RunningService } from './web/server.ts';

const serve: Readonly<Record<ServiceName, (config: ReturnType<typeof readConfig>) => Promise<RunningService>>> = {
  details: serveDetails,
  load: serveLoad,
  productpage: serveProductPage,
  ratings: serveRatings,
  reviews: serveReviews,
};

const name = process.argv[2] ?? '';
if (!(name in serve)) {
  process.stderr.write(`unknown service "${name}"\ntry: one of ${serviceNames.join(', ')}\n`);
  process.exit(2);
}

const running = await serve[name as ServiceName](readConfig(process.env));
process.stdout.write(`${name} listens on port ${running.port}\n`);
process.once('SIGTERM', () => {
  void running.close().then(() => process.exit(0));
});
