import type { Metric } from '../case.ts'
import type { BenchResult, CaseResult, EntrantResult } from '../run-bench.ts'
import type { Spread } from '../statistics.ts'
import { showFigure, spreadOver } from './figure.ts'

const width = 760
const labelWidth = 230
const barWidth = 400
const rowHeight = 22
const headHeight = 46

interface Row {
  readonly label: string
  readonly isOurs: boolean
  readonly spread: Spread
}

/** Bars of the medians, each with a line from the least to the greatest figure; one group for each metric. */
export function drawPlot({ cases }: BenchResult): string {
  const groups: string[] = []
  let top = 10
  for (const one of cases)
    for (const metric of one.metrics) {
      const rows = rowsOf(one, metric)
      if (rows.length === 0) continue
      groups.push(
        drawGroup(
          `${one.name}: ${metric.name} (${metric.unit}), ${metric.better} is better`,
          rows,
          top,
        ),
      )
      top += headHeight + rows.length * rowHeight
    }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 10}" font-family="sans-serif" font-size="13">`,
    `<rect width="${width}" height="${top + 10}" fill="#ffffff"/>`,
    ...groups,
    '</svg>',
    '',
  ].join('\n')
}

function rowsOf({ entrants }: CaseResult, metric: Metric): Row[] {
  return entrants.flatMap(({ name, samples, contender }: EntrantResult) => {
    const spread = spreadOver(samples, metric.name)
    return spread ? [{ label: name, isOurs: contender === 'cluster-worker', spread }] : []
  })
}

function drawGroup(title: string, rows: readonly Row[], top: number): string {
  const greatest = Math.max(...rows.map(({ spread }) => spread.high), Number.MIN_VALUE)
  const lengthOf = (figure: number): number => round((Math.max(0, figure) / greatest) * barWidth)
  const lines = rows.map(({ label, isOurs, spread }, index) => {
    const y = top + headHeight - 12 + index * rowHeight
    const middle = y + 8
    const from = labelWidth + lengthOf(spread.low)
    const to = labelWidth + lengthOf(spread.high)
    return [
      `<text x="${labelWidth - 8}" y="${y + 12}" text-anchor="end">${escape(label)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${lengthOf(spread.median)}" height="16" fill="${isOurs ? '#2f6fde' : '#b9c2cf'}"/>`,
      `<path d="M${from} ${middle}H${to}M${from} ${y + 4}V${y + 12}M${to} ${y + 4}V${y + 12}" stroke="#1c2530" fill="none"/>`,
      `<text x="${to + 8}" y="${y + 12}">${showFigure(spread.median)}</text>`,
    ].join('')
  })
  return [`<text x="10" y="${top + 18}" font-weight="bold">${escape(title)}</text>`, ...lines].join(
    '\n',
  )
}

function round(length: number): number {
  return Math.round(length * 10) / 10
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
