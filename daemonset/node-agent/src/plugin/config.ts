// The environment of the CNI protocol, read in one place. Called by plugin/main.ts.

/** Variables that the container runtime sets. */
export function readPluginEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<Record<string, string | undefined>> {
  const names = ['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS', 'CNI_PATH'];
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}
