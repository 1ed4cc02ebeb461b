// Who may see a ServiceEntry (spec control-plane 2.9.2). In: labels of its namespace. Out: a visibility.
import type { View } from '../../index/view.ts';
import { selects } from '../../labels.ts';
import type { Visibility } from '../../options.ts';

/** Visibility of the ServiceEntries of a namespace: the first matching policy, else the default, else everybody. */
export function visibilityOf(view: View, namespace: string): Visibility {
  const settings = view.options.serviceEntryVisibility;
  if (settings === undefined) return 'PUBLIC';
  for (const policy of settings.policies) {
    const labels = view.namespaceLabels(namespace);
    if (policy.namespaceSelectors.every((s) => s !== undefined && selects(s, labels))) return policy.visibility;
  }
  return settings.defaultVisibility;
}
