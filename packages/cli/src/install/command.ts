// `ambit install|uninstall` and `manifest generate`: the mesh's own objects.
import type { Command } from 'commander';
import { type GlobalOptions, openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';

/** Adds the installation commands. */
export function addInstallCommands(program: Command, config: CliConfig): void {
  const namespace = (): string => program.opts<GlobalOptions>().istioNamespace ?? 'istio-system';
  program
    .command('install')
    .description('Install the mesh into a cluster')
    .option('--hub <prefix>', 'image prefix')
    .option('--tag <tag>', 'image tag')
    .option('--readiness-timeout <seconds>', 'how long to wait until it runs', '300')
    .action(async (options: { hub?: string; tag?: string; readinessTimeout: string }) => {
      const { install } = await import('./install.ts');
      const images = {
        ...(options.hub === undefined ? {} : { hub: options.hub }),
        ...(options.tag === undefined ? {} : { tag: options.tag }),
      };
      await install(
        await openCluster(program, config),
        { namespace: namespace(), ...images },
        Number(options.readinessTimeout) * 1000,
      );
    });
  program
    .command('uninstall')
    .description('Remove the mesh from a cluster; pods are released first')
    .option('--purge', 'also remove definitions and the namespace')
    .action(async (options: { purge?: boolean }) => {
      const { uninstall } = await import('./uninstall.ts');
      await uninstall(
        await openCluster(program, config),
        { namespace: namespace() },
        { purge: options.purge === true },
      );
    });
  program
    .command('manifest')
    .description('The objects of an installation')
    .command('generate')
    .description('Print them as YAML')
    .action(async () => {
      const [{ stringify }, { renderMesh }] = await Promise.all([import('yaml'), import('@ambit/charts')]);
      process.stdout.write(
        renderMesh({ namespace: namespace() })
          .map((object) => stringify(object))
          .join('---\n'),
      );
    });
}
