/**
 * Entry of the image: a waypoint until a signal, or with the argument `probe` one end of `ambit check --probe`, which loads nothing of a
 * waypoint. Main thread.
 */
const [first, ...others] = process.argv.slice(2);
// The one place besides config.ts that touches the environment: it hands it over.
// oxlint-disable-next-line node/no-process-env -- the entry passes the environment on
const environment = process.env;
if (first === 'probe') {
  const { runProbe } = await import('./probe/probe.ts');
  // The address that stands for the pod in the local cluster.
  await runProbe(others, environment['AMBIT_LOOPBACK_POD_IP']);
} else {
  const { runWaypoint } = await import('./run.ts');
  await runWaypoint(environment, process.argv.slice(2));
}
