/** Something that the palette offers. */
export interface Entry {
  title: string;
  /** What kind it is, beside the title. */
  kind: string;
  run: () => void;
}

const ID = /^[0-9a-f-]{8,36}$/i;
const MOST = 12;

/** The entries that a text means, the best first: whole begin, begin of a word, part, letters. */
export function found(entries: readonly Entry[], text: string): Entry[] {
  const wanted = text.trim().toLowerCase();
  return entries
    .map((entry, at) => ({ entry, at, rank: rank(entry.title.toLowerCase(), wanted) }))
    .filter((one) => one.rank < NOT)
    .sort((one, other) => one.rank - other.rank || one.at - other.at)
    .slice(0, MOST)
    .map((one) => one.entry);
}

const NOT = 4;

function rank(title: string, wanted: string): number {
  if (title.startsWith(wanted)) return 0;
  const at = title.indexOf(wanted);
  if (at > 0) return /[a-z0-9]/.test(title[at - 1] ?? "") ? 2 : 1;
  return inOrder(title, wanted) ? 3 : NOT;
}

function inOrder(title: string, wanted: string): boolean {
  let at = -1;
  for (const letter of wanted) {
    at = title.indexOf(letter, at + 1);
    if (at < 0) return false;
  }
  return true;
}

/** The text may be a task's id, or the end of one. */
export const isId = (text: string) => ID.test(text.trim());
