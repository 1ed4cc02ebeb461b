// In: the text of /proc/<pid>/cgroup. Out: the pod's UID. Pure, linear in the input; no regular expression, because paths come from
// outside and the known expressions backtrack. Called by find.ts. Source: spec node-agent 2.4.

const hexDigits = new Set('0123456789abcdefABCDEF');
const groupLengths = [8, 4, 4, 4, 12];

const isPunctuation = (character: string | undefined): boolean => {
  if (character === undefined) return false;
  const code = character.charCodeAt(0);
  return (
    (code >= 33 && code <= 47) ||
    (code >= 58 && code <= 64) ||
    (code >= 91 && code <= 96) ||
    (code >= 123 && code <= 126)
  );
};

/** Reads 8-4-4-4-12 hex digits with at most one punctuation character between groups. Returns UID and end. */
function readUid(text: string, start: number): { readonly uid: string; readonly end: number } | undefined {
  const groups: string[] = [];
  let at = start;
  for (const [index, length] of groupLengths.entries()) {
    if (index > 0 && isPunctuation(text[at])) at += 1;
    const group = text.slice(at, at + length);
    if (group.length < length || !group.split('').every((character) => hexDigits.has(character))) return undefined;
    groups.push(group);
    at += length;
  }
  return { uid: groups.join('-').toLowerCase(), end: at };
}

/** A UID in the form that {@link podUidOfPath} returns, whatever stands between its groups; other texts stay as they are. */
export function canonicalUid(text: string): string {
  const found = readUid(text, 0);
  return found?.end === text.length ? found.uid : text;
}

function lastPunctuation(text: string): number {
  for (let at = text.length - 1; at >= 0; at -= 1) if (isPunctuation(text[at])) return at;
  return -1;
}

/** The pod UID in one cgroup path: after punctuation and `pod`, before punctuation, in front of the container's own segment. */
export function podUidOfPath(path: string): string | undefined {
  const text = path.endsWith('.scope') ? path.slice(0, -'.scope'.length) : path;
  const containerAt = lastPunctuation(text);
  let at = text.indexOf('pod');
  while (at !== -1 && at < containerAt) {
    if (isPunctuation(text[at - 1])) {
      const found = readUid(text, at + 3);
      if (found !== undefined && found.end <= containerAt && isPunctuation(text[found.end])) return found.uid;
    }
    at = text.indexOf('pod', at + 1);
  }
  return undefined;
}

/** Longest cgroup file that is read, in characters. */
export const cgroupLimit = 64 * 1024;

/** The pod UID of a process; undefined when no line names one, or when lines name different ones. */
export function podUidOfProcess(cgroup: string): string | undefined {
  const uids = new Set<string>();
  for (const line of cgroup.slice(0, cgroupLimit).split('\n')) {
    const path = line.split(':').slice(2).join(':');
    const uid = path === '' ? undefined : podUidOfPath(path);
    if (uid !== undefined) uids.add(uid);
  }
  const [only, ...others] = uids;
  return others.length === 0 ? only : undefined;
}

/** True for a path of CRI-O that names a container and no pod, as `/crio-<container>` does under some kubelets (gap G30). */
function isCrioContainer(path: string): boolean {
  const text = path.endsWith('.scope') ? path.slice(0, -'.scope'.length) : path;
  const at = lastPunctuation(text);
  return at > 0 && at < text.length - 1 && text.slice(0, at).endsWith('crio');
}

/** True when a process is in a container of CRI-O whose control groups do not tell which pod it belongs to. */
export function isCrioWithoutUid(cgroup: string): boolean {
  const paths = cgroup
    .slice(0, cgroupLimit)
    .split('\n')
    .map((line) => line.split(':').slice(2).join(':'));
  return paths.some(isCrioContainer) && paths.every((path) => podUidOfPath(path) === undefined);
}
