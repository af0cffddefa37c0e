import type { ListedProcess } from './process-list.ts'

/**
 * The processes that are among the roots or descend from one, by their parents. So those are found that have
 * nothing else of the root, such as what runs behind `sudo` or `env -i`, as long as no one in between has ended.
 */
export function withDescendants(
  all: readonly ListedProcess[],
  isRoot: (found: ListedProcess) => boolean,
): ListedProcess[] {
  const children = Map.groupBy(all, ({ parent }) => parent)
  const family = new Set(all.filter(isRoot))
  // A set goes on to what is added while it is walked.
  for (const { pid } of family) for (const child of children.get(pid) ?? []) family.add(child)
  return [...family]
}
