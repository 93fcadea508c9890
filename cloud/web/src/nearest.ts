// The known name that a misspelt one was meant to be, as protocol/src/nearest.rs finds it.

/** The name that is fewest edits away, if it is near enough to be meant. */
export function nearest<Name extends string>(name: string, names: readonly Name[]): Name | null {
  const most = 1 + Math.floor(name.length / 6);
  const found = names
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits || a.candidate.localeCompare(b.candidate));
  return found[0]?.candidate ?? null;
}

/** Characters put in, left out or exchanged, and neighbours swapped. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let row = 0; row < from.length; row += 1) {
    const current = [row + 1];
    for (let column = 0; column < to.length; column += 1) {
      const same = from[row] === to[column];
      let least = Math.min(
        (last[column] ?? 0) + (same ? 0 : 1),
        (last[column + 1] ?? 0) + 1,
        (current[column] ?? 0) + 1,
      );
      if (row > 0 && column > 0 && from[row] === to[column - 1] && from[row - 1] === to[column]) {
        least = Math.min(least, (beforeLast[column - 1] ?? 0) + 1);
      }
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}
