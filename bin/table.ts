import { styleText } from 'node:util'
import { printableLine } from './printable.ts'

export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** What the cell shows; nothing for null. */
  show(row: Row): string | number | null
}

/** A table without borders; styles are for a terminal only. */
export async function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const table = new Table({
    head: columns.map(column => styleText('bold', column.title)),
    colAligns: columns.map(column => column.align ?? 'left'),
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  })
  for (const row of rows)
    table.push(columns.map(column => printableLine(String(column.show(row) ?? ''))))
  return table
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
}

const noBorders = Object.fromEntries(
  ['top', 'bottom', 'left', 'right']
    .flatMap(side => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('mid', 'mid-mid', 'middle')
    .map(name => [name, '']),
)
