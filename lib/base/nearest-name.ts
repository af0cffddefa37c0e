/**
 * The known name that a mistyped one was probably meant to be; undefined when none is near enough.
 * Upper and lower case, dashes and underscores make no difference.
 */
export function nearestName(mistyped: string, known: Iterable<string>): string | undefined {
  const wanted = plain(mistyped)
  if (wanted.length > 100) return undefined
  let nearest: string | undefined
  let fewest = wanted.length < 4 ? 2 : Math.floor(wanted.length / 3) + 2
  for (const name of known) {
    const distance = editDistance(wanted, plain(name))
    if (distance < fewest) [nearest, fewest] = [name, distance]
  }
  return nearest
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, '')
}

/** How many letters must be put in, left out or replaced to make one word of the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let index = 0; index < from.length; index++) {
    const next = [index + 1]
    for (let column = 1; column <= to.length; column++)
      next.push(
        Math.min(
          at(next, column - 1) + 1,
          at(row, column) + 1,
          at(row, column - 1) + (to[column - 1] === from[index] ? 0 : 1),
        ),
      )
    row = next
  }
  return at(row, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? 0
}
