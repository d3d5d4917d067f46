/** A line of two texts: in both, or in one of them only. */
export interface DiffLine {
  side: "both" | "first" | "second";
  text: string;
}

// Tracebacks have fewer; beyond, the comparison would take too long.
const MOST_LINES = 500;

/** Two texts line by line; null: they are equal. */
export function diff(first: string, second: string): DiffLine[] | null {
  if (first === second) return null;
  const [one, other] = [first, second].map((text) => text.split("\n").slice(0, MOST_LINES));
  return walked(one ?? [], other ?? []);
}

function walked(one: string[], other: string[]): DiffLine[] {
  const common = longest(one, other);
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      found.push({ side: "both", text: one[i] ?? "" });
      i += 1;
      j += 1;
    } else if (
      j >= other.length ||
      (i < one.length && at(common, i + 1, j) >= at(common, i, j + 1))
    ) {
      found.push({ side: "first", text: one[i] ?? "" });
      i += 1;
    } else {
      found.push({ side: "second", text: other[j] ?? "" });
      j += 1;
    }
  }
  return found;
}

const at = (common: readonly number[][], i: number, j: number) => common[i]?.[j] ?? 0;

/** How many lines the rests from i and from j have in common at most. */
function longest(one: string[], other: string[]): number[][] {
  const common = Array.from({ length: one.length + 1 }, () => new Array(other.length + 1).fill(0));
  for (let i = one.length - 1; i >= 0; i -= 1) {
    const row = common[i] as number[];
    for (let j = other.length - 1; j >= 0; j -= 1) {
      row[j] =
        one[i] === other[j]
          ? at(common, i + 1, j + 1) + 1
          : Math.max(at(common, i + 1, j), at(common, i, j + 1));
    }
  }
  return common;
}
