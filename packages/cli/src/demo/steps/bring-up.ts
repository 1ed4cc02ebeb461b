// Step 1: everything runs and the page answers.
import { expect, type TourStep } from '../step.ts';

/** Step 1 of the tour. */
export const bringUpStep: TourStep = {
  number: 1,
  title: 'mesh and sample application are up',
  commands: ['kubectl get pods -A -o wide'],
  run: async (stage) => {
    const response = await fetch(stage.pageUrl, { signal: AbortSignal.timeout(5000) });
    const page = await response.text();
    expect(
      response.status === 200 && page.includes('The Tempest'),
      `the page answered ${response.status}`,
      page.slice(0, 300),
    );
    return [
      `${stage.pageUrl} answers 200 with the book's title, ${(stage.bringUpMs / 1000).toFixed(1)} s after the start`,
    ];
  },
};
