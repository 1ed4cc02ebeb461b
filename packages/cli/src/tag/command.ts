// `ambit tag set|generate|list|remove`: names that point at revisions of the control plane.
import type { Command } from 'commander';
import { openCluster, settingsOf } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type PlanFlags, planOptions } from '../output/confirm.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';

/** Adds `tag` and its subcommands. */
export function addTagCommand(program: Command, config: CliConfig): void {
  const tag = program.command('tag').description('Names that point at revisions of the control plane');
  planOptions(
    tag
      .command('set')
      .argument('<tag>')
      .requiredOption('-r, --revision <revision>', 'revision that it points at')
      .description('Make a tag, or move it'),
  )
    .option('--overwrite', 'move a tag that exists')
    .addHelpText('after', exitStatusHelp('3 the tag exists and points elsewhere'))
    .action(async (name: string, flags: PlanFlags & { revision: string; overwrite?: boolean }) => {
      const { tagSet } = await import('./tags.ts');
      const api = await openCluster(program, config);
      await tagSet(api, name, flags);
      api.close();
    });
  tag
    .command('generate')
    .argument('<tag>')
    .requiredOption('-r, --revision <revision>', 'revision that it points at')
    .description('Print the objects of a tag')
    .action(async (name: string, flags: { revision: string }) => {
      const [{ tagObjects }, { stringify }] = await Promise.all([import('./tags.ts'), import('yaml')]);
      const { istioNamespace } = await settingsOf(program, config);
      process.stdout.write(
        tagObjects(name, flags.revision, istioNamespace)
          .map((object) => stringify(object, { version: '1.1' }))
          .join('---\n'),
      );
    });
  outputOptions(tag.command('list').description('List tags, their revision and the namespaces that use them')).action(
    async (flags: OutputFlags) => {
      const { tagList } = await import('./tags.ts');
      const api = await openCluster(program, config);
      await tagList(api, flags);
      api.close();
    },
  );
  planOptions(tag.command('remove').argument('<tag>').description('Remove a tag'))
    .option('--force', 'although namespaces use it')
    .addHelpText('after', exitStatusHelp('3 namespaces use it'))
    .action(async (name: string, flags: PlanFlags & { force?: boolean }) => {
      const { tagRemove } = await import('./tags.ts');
      const api = await openCluster(program, config);
      await tagRemove(api, name, flags);
      api.close();
    });
}
