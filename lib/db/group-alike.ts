type Value = string | number | null | undefined

/** Rows told apart by what many of them have in common. */
export interface Groups {
  /** What the rows of each group have in common, each different from all others. */
  readonly groups: readonly (readonly Value[])[]
  /** The group of each row, counted from 1. */
  readonly groupOf: readonly number[]
}

/** Finds what many rows have in common, so that it is sent once for all of them. */
export function groupAlike<Row>(
  rows: readonly Row[],
  commonOf: (row: Row) => readonly Value[],
): Groups {
  const groups: (readonly Value[])[] = []
  const known = new Map<string, number>()
  let last: readonly Value[] | undefined
  let group = 0
  const groupOf = rows.map(row => {
    const common = commonOf(row)
    // Neighbours are alike most often: only the others are looked up.
    if (last && areSame(last, common)) return group
    last = common
    const key = JSON.stringify(common)
    group = known.get(key) ?? groups.push(common)
    known.set(key, group)
    return group
  })
  return { groups, groupOf }
}

function areSame(one: readonly Value[], other: readonly Value[]): boolean {
  return one.every((value, index) => value === other[index])
}
