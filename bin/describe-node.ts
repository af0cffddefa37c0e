import { styleText } from 'node:util'
import type { NodeHistoryEntry } from '../lib/db/node-history.ts'
import type { NodeRecord } from '../lib/db/nodes.ts'
import type { Suspension } from '../lib/db/suspensions.ts'
import { showMoment } from './moment.ts'
import { printable, printableLine } from './printable.ts'
import { formatTable, type Column } from './table.ts'

/** A server for people: what it is and does, what suspends it, what became of it. */
export async function describeNode(record: NodeRecord): Promise<string> {
  const title = `Server ${printableLine(record.node)} ${record.state}`
  const facts: readonly (readonly [string, string])[] = [
    ['role', record.role],
    ['since', showMoment(record.since)],
    ['incarnation', record.incarnation],
    ['version', record.version],
    ['host', `${record.host}, process ${record.pid}`],
    ['running', `${record.running} of ${record.concurrency} at a time`],
    ['claimed', `${record.claimed}: ${outcomesOf(record)}`],
    ['started', showMoment(record.startedAt)],
    ['ended', showMoment(record.endedAt)],
  ]
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `  ${name.padEnd(11)}  ${printable(value)}`)
  const tables = [
    await tableOf('Runs', requestColumns, record.requests),
    await tableOf('Suspensions', suspensionColumns, record.suspensions),
    await tableOf('History', historyColumns, record.history),
  ]
  return [styleText('bold', title), ...lines, ...tables.flat()].join('\n')
}

function outcomesOf({ succeeded, failed, cancelled }: NodeRecord): string {
  return `${succeeded} succeeded, ${failed} failed, ${cancelled} cancelled`
}

async function tableOf<Row>(
  title: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<string[]> {
  return rows.length > 0 ? ['', title, await formatTable(columns, rows)] : []
}

const requestColumns: readonly Column<NodeRecord['requests'][number]>[] = [
  { title: 'REQUEST', align: 'right', show: request => request.id },
  { title: 'PROCESS', show: request => request.process },
  { title: 'STARTED', show: request => showMoment(request.startedAt) },
]

const suspensionColumns: readonly Column<Suspension>[] = [
  { title: 'KIND', show: suspension => suspension.kind },
  { title: 'REASON', show: suspension => suspension.reason },
  { title: 'WHO', show: suspension => suspension.who },
  { title: 'SINCE', show: suspension => showMoment(suspension.since) },
  { title: 'UNTIL', show: suspension => showMoment(suspension.until) },
  { title: 'CLEARED', show: suspension => showMoment(suspension.clearedAt) },
  { title: 'BY', show: suspension => suspension.clearedBy },
]

const historyColumns: readonly Column<NodeHistoryEntry>[] = [
  { title: 'AT', show: entry => showMoment(entry.at) },
  { title: 'STATE', show: entry => entry.state },
  { title: 'INCARNATION', align: 'right', show: entry => entry.incarnation },
  { title: 'WHO', show: entry => entry.who },
  { title: 'REASON', show: entry => entry.reason },
]
