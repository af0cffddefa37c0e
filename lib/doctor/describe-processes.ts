import type { Finding } from '../base/finding.ts'

/**
 * One finding for all of the processes, if there are any.
 * @param ownerOf whose a process is: those of one owner share a line
 */
export function describeProcesses<Process extends { readonly pid: number }>(
  description: Omit<Finding, 'items' | 'command'>,
  processes: readonly Process[],
  ownerOf: (process: Process) => string,
): Finding[] {
  if (processes.length === 0) return []
  const pids = (of: readonly Process[], between: string): string =>
    of.map(({ pid }) => pid).join(between)
  const items = Array.from(
    Map.groupBy(processes, ownerOf),
    ([owner, of]) => `${owner}: pid ${pids(of, ', ')}`,
  )
  // To look, and not to kill: another installation may use the same numbers and names.
  return [{ ...description, command: `ps -fp ${pids(processes, ',')}`, items }]
}
